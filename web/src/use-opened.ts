import { useEffect, useState } from 'preact/hooks';
import type { KeptStep } from '../../src/service/page-types.ts';
import { fetchRow, type PageRow, type PageRowDetails } from './api.ts';
import { ApiError } from './ask.ts';

/** A row whose details are open. */
export interface OpenedRow {
  readonly row: PageRow;
  /** Why it was kept; empty until it is known. */
  readonly kept: readonly KeptStep[];
}

/**
 * The row of an address: what the results say of it at once, the rest when it is here.
 * @returns null where there is none, or not yet; and why it cannot be had, or ''
 */
export function useOpened(id: number | null, rows: readonly PageRow[]): readonly [OpenedRow | null, string] {
  const [fetched, setFetched] = useState<PageRowDetails | null>(null);
  const [missing, setMissing] = useState<{ id: number; said: string } | null>(null);
  useEffect(() => {
    if (id === null) return;
    const stop = new AbortController();
    // Where it cannot be had, details say what the results did.
    fetchRow(id, stop.signal).then(setFetched, (error: unknown) => {
      if (stop.signal.aborted) return;
      const isGone = error instanceof ApiError && error.trouble === 'refused';
      const said = isGone
        ? 'The picture of this address is not here. It may have been taken down.'
        : 'What is known of this picture cannot be had now.';
      setMissing({ id, said });
    });
    return () => stop.abort();
  }, [id]);
  if (id === null) return [null, ''];
  const more = fetched?.id === id ? fetched : null;
  // Of the two, what the results say knows why it is among them.
  const row = rows.find((one) => one.id === id) ?? more;
  if (row) return [{ row, kept: more?.kept ?? [] }, ''];
  return [null, missing?.id === id ? missing.said : ''];
}
