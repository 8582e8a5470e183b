import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { fetchResults, type PageRow } from './api.ts';
import { type Place, placeAddress } from './search.ts';

export interface Results {
  /** The address of the search that they answer. */
  readonly address: string;
  readonly state: 'loading' | 'slow' | 'here' | 'failed';
  readonly rows: readonly PageRow[];
  readonly hidden: number;
  readonly more: boolean;
  /** A sentence, where it failed. */
  readonly problem: string;
}

function nothing(address: string): Results {
  return { address, state: 'loading', rows: [], hidden: 0, more: false, problem: '' };
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
    setResults({ ...before, state: 'loading', problem: '' });
    try {
      const page = await fetchResults(latest.current, before.rows.length, stop.signal);
      const known = new Set(before.rows.map((row) => row.id));
      const rows = [...before.rows, ...page.results.filter((row) => !known.has(row.id))];
      setResults({ ...before, state: 'here', rows, hidden: page.hidden, more: page.more, problem: '' });
    } catch (error) {
      if (stop.signal.aborted) return;
      setResults({
        ...before,
        state: 'failed',
        problem: error instanceof Error ? error.message : String(error),
      });
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
    next: () => {
      if (results.state === 'here' && results.more) load(results);
    },
    again: () => (results.rows.length > 0 ? load(results) : setAttempt(attempt + 1)),
  };
}
