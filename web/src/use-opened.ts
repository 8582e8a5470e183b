import { useEffect, useState } from 'preact/hooks';
import type { KeptStep } from '../../src/service/page-types.ts';
import { fetchRow, type PageRow, type PageRowDetails } from './api.ts';

/** A row whose details are open. */
export interface OpenedRow {
  readonly row: PageRow;
  /** Why it was kept; empty until it is known. */
  readonly kept: readonly KeptStep[];
}

/** The row of an address: what the results say of it at once, the rest when it is here; null where there is none. */
export function useOpened(id: number | null, rows: readonly PageRow[]): OpenedRow | null {
  const [fetched, setFetched] = useState<PageRowDetails | null>(null);
  useEffect(() => {
    if (id === null) return;
    const stop = new AbortController();
    // Where it cannot be had, details say what the results did; a row of no result has none.
    fetchRow(id, stop.signal).then(setFetched, () => undefined);
    return () => stop.abort();
  }, [id]);
  if (id === null) return null;
  const more = fetched?.id === id ? fetched : null;
  // Of the two, what the results say knows why it is among them.
  const row = rows.find((one) => one.id === id) ?? more;
  return row && { row, kept: more?.kept ?? [] };
}
