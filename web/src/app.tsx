import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ActiveFilters } from './active-filters.tsx';
import { fetchRelease, type PageRelease, type PageRow } from './api.ts';
import { conditionsOf } from './conditions.ts';
import { Details } from './details.tsx';
import { ShuffleIcon, WheatIcon } from './icons.tsx';
import { addPicture, fullAddress } from './picture.ts';
import { ResultsView } from './results-view.tsx';
import {
  type Filters,
  hasFilters,
  isSample,
  NO_FILTERS,
  NOTHING,
  type Part,
  type Search,
  withExample,
  withPart,
} from './search.ts';
import { SearchBar } from './search-bar.tsx';
import { Status, titleOf } from './status.tsx';
import { count, plainLine } from './text.ts';
import { Toolbar } from './toolbar.tsx';
import { useCounts } from './use-counts.ts';
import { useDrop } from './use-drop.ts';
import { useGridSize } from './use-grid-size.ts';
import { useFocusTile, useKeys } from './use-keys.ts';
import { useMatch } from './use-layout.ts';
import { useOpened } from './use-opened.ts';
import { usePlace } from './use-place.ts';
import { useResults } from './use-results.ts';

/** Where details cover the page instead of standing beside it: as in style.css. */
const NARROW = '(max-width: 899px)';

/** Pictures before the last one at which more are asked for. */
const WALK_AHEAD = 8;

export function App() {
  const [place, go] = usePlace();
  const results = useResults(place);
  const release = useRelease();
  const [opened, missing] = useOpened(place.open, results.rows);
  const [size, setSize] = useGridSize();
  const [current, setCurrent] = useState(0);
  const [notice, setNotice] = useState('');
  const fieldRef = useRef<HTMLInputElement>(null);
  const closeRef = useRef<HTMLButtonElement>(null);
  const latest = useRef(place);
  latest.current = place;
  const focusTile = useFocusTile();
  const passing = useCounts(hasFilters(place.filters), conditionsOf(place.filters), place.nsfw);

  const change = useCallback(
    (changed: Partial<typeof place>) => {
      setNotice('');
      setCurrent(0);
      scrollTo(0, 0);
      go({ ...latest.current, ...changed, open: null });
    },
    [go],
  );
  const look = useCallback((search: Search) => change({ search }), [change]);
  const filter = useCallback((filters: Filters) => change({ filters }), [change]);
  const home = () => change({ search: NOTHING, filters: NO_FILTERS });
  const lookByPicture = useCallback(
    (file: File) =>
      addPicture(file).then(
        (key) => look(withExample(latest.current.search, { kind: 'picture', key, less: false })),
        (error: Error) => setNotice(error.message),
      ),
    [look],
  );
  const refuse = useCallback(() => setNotice('That is no picture. Drop a JPEG, PNG or WebP file.'), []);
  const over = useDrop(lookByPicture, refuse);

  const open = (row: PageRow, index: number) => {
    setCurrent(index);
    // Walking from picture to picture is one step back, not many.
    go({ ...place, open: row.id }, place.open === null ? 'push' : 'replace');
  };
  const close = () => go({ ...place, open: null });
  const move = (index: number, focus = true) => {
    setCurrent(index);
    const row = results.rows[index];
    if (place.open !== null && row) go({ ...place, open: row.id }, 'replace');
    if (focus) focusTile(index);
  };

  useEffect(() => {
    document.title = titleOf(place.search);
  }, [place.search]);
  const { length } = results.rows;
  const step = (index: number) => move(index, false);
  const isOpen = opened !== null;
  useKeys({ fieldRef, length, isOpen, current, focusTile, onClose: close, onStep: step });
  // A reader who opened details goes on there (on a narrow page they cover the rest), and comes back to the picture.
  const wasOpen = useRef(false);
  useEffect(() => {
    if (isOpen) closeRef.current?.focus({ preventScroll: true });
    else if (wasOpen.current) focusTile(current);
    wasOpen.current = isOpen;
    // Only opening and closing move the focus; walking on from picture to picture does not.
  }, [isOpen]);
  // The picture that an address names is the one to walk on from.
  const openIndex = results.rows.findIndex((row) => row.id === place.open);
  useEffect(() => {
    if (openIndex >= 0) setCurrent(openIndex);
  }, [openIndex]);
  // Who walks through the details does not see the end of the grid coming.
  const { more, next } = results;
  const nearEnd = isOpen && more && current >= length - WALK_AHEAD;
  useEffect(() => {
    if (nearEnd) next();
  }, [nearEnd, next]);
  const isCovered = useMatch(NARROW) && isOpen;
  const rowPart = (less: boolean): Part => ({ kind: 'row', id: opened?.row.id ?? 0, less });
  const likeThis: Search = { ...NOTHING, byText: place.search.byText, parts: [rowPart(false)] };

  return (
    <div class={isOpen ? 'page with-details' : 'page'}>
      <header inert={isCovered}>
        <a
          class="brand"
          href="/"
          onClick={(event) => {
            event.preventDefault();
            home();
          }}
        >
          <WheatIcon />
          <span>gleaner</span>
        </a>
        <SearchBar
          search={place.search}
          fieldRef={fieldRef}
          onSearch={look}
          onPicture={lookByPicture}
          onClear={() => look(NOTHING)}
        />
        <div class="header-end">
          {(release?.hasMap || release?.hasReport) && (
            <nav aria-label="Of this release">
              {release.hasMap && <a href="/map">Map</a>}
              {release.hasReport && <a href="/report">Report</a>}
            </nav>
          )}
          <button
            type="button"
            class="switch"
            role="switch"
            aria-checked={!place.nsfw}
            title="Pictures that may not be safe for work are hidden while this is on"
            onClick={() => change({ nsfw: !place.nsfw, filters: { ...place.filters, nsfw: [] } })}
          >
            <span class="knob" />
            Safe mode
          </button>
        </div>
      </header>
      <main inert={isCovered}>
        <Toolbar
          place={place}
          size={size}
          onFilters={filter}
          onSearch={look}
          onDuplicates={(duplicates) => change({ duplicates })}
          onSize={setSize}
        />
        <ActiveFilters place={place} counts={passing} onFilters={filter} onSearch={look} />
        <Status
          place={place}
          results={results}
          release={release}
          passing={passing?.rows ?? null}
          notice={notice || missing}
          onDuplicates={() => change({ duplicates: true })}
        />
        <ResultsView
          place={place}
          results={results}
          release={release}
          size={size}
          current={Math.min(current, Math.max(0, length - 1))}
          addressOf={(row) => fullAddress({ ...place, open: row.id })}
          onOpen={open}
          onMove={move}
          onShowAll={() => change({ nsfw: true })}
          onClearFilters={() => filter(NO_FILTERS)}
          onHome={home}
        />
        {isSample(place.search) && length > 0 && (
          <button
            type="button"
            class="button quiet"
            onClick={() => look({ ...NOTHING, seed: Math.floor(Math.random() * 1_000_000) })}
          >
            <ShuffleIcon /> Another handful
          </button>
        )}
      </main>
      {opened && (
        <Details
          opened={opened}
          search={place.search}
          closeRef={closeRef}
          likeAddress={fullAddress({ ...place, search: likeThis, open: null })}
          onLike={() => look(likeThis)}
          onAdd={(less) => look(withPart(place.search, rowPart(less)))}
          onClose={close}
        />
      )}
      <footer inert={isCovered}>
        {release && (
          <p>
            {count(release.rows, 'pair', 'pairs')} in <bdi>{plainLine(release.name, 80)}</bdi>
          </p>
        )}
        <p class="keys">
          <kbd>/</kbd> search <kbd>←</kbd>
          <kbd>→</kbd> walk <kbd>Enter</kbd> open <kbd>Esc</kbd> close
        </p>
      </footer>
      {over && <div class="drop">Drop the picture to search by it</div>}
    </div>
  );
}

function useRelease(): PageRelease | null {
  const [release, setRelease] = useState<PageRelease | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    // Without it the page lacks a line; that the service is away is told by the search itself.
    fetchRelease(stop.signal).then(setRelease, () => setRelease(null));
    return () => stop.abort();
  }, []);
  return release;
}
