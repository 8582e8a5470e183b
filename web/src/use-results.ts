import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { fetchResults, type PageRow } from './api.ts';
import { ApiError } from './ask.ts';
import { type Place, placeAddress } from './search.ts';

export interface Results {
  /** The address of the search that they answer. */
  readonly address: string;
  readonly state: 'loading' | 'slow' | 'here' | 'failed';
  readonly rows: readonly PageRow[];
  readonly hidden: number;
  /** Left out since another like them is shown. */
  readonly duplicates: number;
  readonly more: boolean;
  /** Where the next rows begin: rows may be fewer, where one came twice. */
  readonly offset: number;
  /** Why, where it failed. */
  readonly problem: ApiError | null;
}

function nothing(address: string): Results {
  const counts = { hidden: 0, duplicates: 0, offset: 0, more: false };
  return { address, state: 'loading', rows: [], ...counts, problem: null };
}

/** After this long, in milliseconds, the page says that it is still searching. */
const SLOW_MS = 2500;

/** The rows of a search: the first at once, the next ones when asked for. */
export function useResults(
  place: Place,
): Results & { readonly next: () => void; readonly again: () => void } {
  const [attempt, setAttempt] = useState(0);
  const address = placeAddress({ ...place, open: null });
  const [held, setResults] = useState<Results>(() => nothing(address));
  // What is held may still answer the search before.
  const results = held.address === address ? held : nothing(address);
  const running = useRef<AbortController | null>(null);
  const latest = useRef(place);
  latest.current = place;

  const load = useCallback(async (before: Results) => {
    running.current?.abort();
    const stop = new AbortController();
    running.current = stop;
    const slow = setTimeout(
      () => setResults((now) => (now.state === 'loading' ? { ...now, state: 'slow' } : now)),
      SLOW_MS,
    );
    setResults({ ...before, state: 'loading', problem: null });
    try {
      const page = await fetchResults(latest.current, before.offset, stop.signal);
      const known = new Set(before.rows.map((row) => row.id));
      const { hidden, duplicates } = page;
      setResults({
        address: before.address,
        state: 'here',
        rows: [...before.rows, ...page.results.filter((row) => !known.has(row.id))],
        hidden,
        duplicates,
        // One that brings nothing would be asked for without end.
        more: page.more && page.results.length > 0,
        offset: before.offset + page.results.length,
        problem: null,
      });
    } catch (error) {
      if (stop.signal.aborted) return;
      const problem =
        error instanceof ApiError ? error : new ApiError('The page could not go on.', { cause: error });
      setResults({ ...before, state: 'failed', problem });
    } finally {
      clearTimeout(slow);
    }
  }, []);

  // A new address or attempt is what starts a search.
  useEffect(() => {
    load(nothing(address));
    return () => running.current?.abort();
  }, [address, attempt, load]);

  return {
    ...results,
    next: useCallback(() => {
      if (results.state === 'here' && results.more) load(results);
    }, [results, load]),
    again: () => (results.rows.length > 0 ? load(results) : setAttempt(attempt + 1)),
  };
}
