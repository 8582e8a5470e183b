import { useEffect, useRef } from 'preact/hooks';
import type { PageRelease, PageRow } from './api.ts';
import { Grid, Skeleton } from './grid.tsx';
import type { GridSize } from './justify.ts';
import { hasFilters, isSample, type Place, placeAddress } from './search.ts';
import { TroubleMessage } from './trouble.tsx';
import type { useResults } from './use-results.ts';

interface Props {
  readonly place: Place;
  readonly results: ReturnType<typeof useResults>;
  readonly release: PageRelease | null;
  readonly size: GridSize;
  readonly current: number;
  readonly addressOf: (row: PageRow) => string;
  readonly onOpen: (row: PageRow, index: number) => void;
  readonly onMove: (index: number) => void;
  readonly onShowAll: () => void;
  readonly onClearFilters: () => void;
  readonly onHome: () => void;
}

/** How far below the window the end of the list may be when more is asked for. */
const AHEAD = '800px';

/** The pictures of a search, what stands there before they come, and what where they do not. */
export function ResultsView({
  place,
  results,
  release,
  size,
  current,
  addressOf,
  onOpen,
  onMove,
  ...on
}: Props) {
  const { state, rows, more, problem, next, again } = results;
  const endRef = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const end = endRef.current;
    if (!end || !more) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && next(), {
      rootMargin: AHEAD,
    });
    observer.observe(end);
    return () => observer.disconnect();
  });
  const loading = state === 'loading' || state === 'slow';
  const home = isSample(place.search) ? undefined : on.onHome;
  return (
    <>
      {rows.length > 0 && (
        <Grid
          // Another search is another list: nothing of the one before stays.
          key={placeAddress({ ...place, open: null })}
          {...{ rows, size, current, addressOf, onOpen, onMove }}
          open={place.open}
        />
      )}
      {loading && rows.length === 0 && <Skeleton size={size} />}
      {state === 'failed' && problem && <TroubleMessage problem={problem} onAgain={again} onHome={home} />}
      {state === 'here' && rows.length === 0 && (
        <Nothing
          place={place}
          hidden={results.hidden}
          isEmpty={release?.rows === 0}
          onShowAll={on.onShowAll}
          onClearFilters={on.onClearFilters}
          onHome={home}
        />
      )}
      <div ref={endRef} class="end">
        {rows.length > 0 && loading && <span>Looking for more…</span>}
        {rows.length > 0 && state === 'here' && !more && !isSample(place.search) && <span>That is all.</span>}
      </div>
    </>
  );
}

interface NothingProps {
  readonly place: Place;
  readonly hidden: number;
  readonly isEmpty: boolean;
  readonly onShowAll: () => void;
  readonly onClearFilters: () => void;
  readonly onHome: (() => void) | undefined;
}

/** Why nothing is found, and the ways on. */
function Nothing({ place, hidden, isEmpty, onShowAll, onClearFilters, onHome }: NothingProps) {
  const filtered = hasFilters(place.filters);
  const sentence = isEmpty
    ? 'This release holds no pairs.'
    : filtered
      ? 'No picture passes these filters.'
      : place.search.keywords === ''
        ? 'Nothing here can be shown.'
        : 'No text has these words.';
  return (
    <div class="message">
      <p>{sentence}</p>
      <div class="ways">
        {filtered && (
          <button type="button" class="button" onClick={onClearFilters}>
            Clear the filters
          </button>
        )}
        {hidden > 0 && (
          <button type="button" class={filtered ? 'button quiet' : 'button'} onClick={onShowAll}>
            Show what may not be safe
          </button>
        )}
        {onHome && (
          <button type="button" class="button quiet" onClick={onHome}>
            Back to the beginning
          </button>
        )}
      </div>
    </div>
  );
}
