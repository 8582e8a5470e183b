import { useEffect, useState } from 'preact/hooks';
import type { CountsResponse, PageFilter } from '../../src/service/page-types.ts';
import { fetchCounts } from './api.ts';

/** Counts of what passes `filter`; null while they are not wanted, or not here. */
export function useCounts(
  isWanted: boolean,
  filter: PageFilter | undefined,
  nsfw: boolean,
): CountsResponse | null {
  const [held, setHeld] = useState<{ key: string; counts: CountsResponse } | null>(null);
  const key = JSON.stringify([filter, nsfw]);
  useEffect(() => {
    if (!isWanted) return;
    const stop = new AbortController();
    const [wanted, shown]: [PageFilter | null, boolean] = JSON.parse(key);
    // Without counts a choice is still one: it lacks its number.
    fetchCounts(wanted ?? undefined, shown, stop.signal).then(
      (counts) => setHeld({ key, counts }),
      () => undefined,
    );
    return () => stop.abort();
  }, [isWanted, key]);
  return held?.key === key ? held.counts : null;
}

/** Rows under each of several conditions; empty until all are known. */
export function useRowsOf(filters: readonly (PageFilter | undefined)[], nsfw: boolean): readonly number[] {
  const [held, setHeld] = useState<{ key: string; rows: readonly number[] }>({ key: '', rows: [] });
  const key = JSON.stringify([filters, nsfw]);
  useEffect(() => {
    const stop = new AbortController();
    const [wanted, shown]: [readonly (PageFilter | null)[], boolean] = JSON.parse(key);
    Promise.all(wanted.map((filter) => fetchCounts(filter ?? undefined, shown, stop.signal))).then(
      (counts) => setHeld({ key, rows: counts.map(({ rows }) => rows) }),
      () => undefined,
    );
    return () => stop.abort();
  }, [key]);
  return held.key === key ? held.rows : [];
}
