import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { fetchRelease, fetchRow, type PageRelease, type PageRow } from './api.ts';
import { Details } from './details.tsx';
import { Grid, Skeleton } from './grid.tsx';
import { ShuffleIcon, WheatIcon } from './icons.tsx';
import { addPicture } from './picture.ts';
import { type Place, placeAddress, type Search } from './search.ts';
import { SearchBar } from './search-bar.tsx';
import { count, plainLine } from './text.ts';
import { useDrop } from './use-drop.ts';
import { usePlace } from './use-place.ts';
import { type Results, useResults } from './use-results.ts';

/** Where details cover the page instead of standing beside it: as in style.css. */
const NARROW = '(max-width: 899px)';
const HOME: Search = { kind: 'sample', seed: 0 };

export function App() {
  const [place, go] = usePlace();
  const results = useResults(place);
  const release = useRelease();
  const opened = useOpened(place.open, results.rows);
  const [current, setCurrent] = useState(0);
  const [notice, setNotice] = useState('');
  const fieldRef = useRef<HTMLInputElement>(null);
  const closeRef = useRef<HTMLButtonElement>(null);
  const latest = useRef(place);
  latest.current = place;

  const look = useCallback(
    (search: Search) => {
      setNotice('');
      setCurrent(0);
      scrollTo(0, 0);
      go({ ...latest.current, search, open: null });
    },
    [go],
  );
  const lookByPicture = useCallback(
    (file: File) =>
      addPicture(file).then(
        (key) => look({ kind: 'picture', key }),
        (error: Error) => setNotice(error.message),
      ),
    [look],
  );
  const refuse = useCallback(() => setNotice('That is no picture. Drop a JPEG, PNG or WebP file.'), []);
  const over = useDrop(lookByPicture, refuse);

  const focusTile = (index: number) => {
    const tile = document.querySelector<HTMLElement>(`.tile[data-index="${index}"]`);
    tile?.focus({ preventScroll: true });
    tile?.scrollIntoView({ block: 'nearest' });
  };
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

  useTitle(place.search);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
      const target = event.target instanceof Element ? event.target : null;
      const typing = target?.matches('input') ?? false;
      if (event.key === '/' && !typing) {
        event.preventDefault();
        fieldRef.current?.focus();
        fieldRef.current?.select();
      } else if (event.key === 'Escape') {
        if (place.open !== null) close();
        else if (typing) focusTile(current);
      } else if (event.key === 'ArrowDown' && typing && results.rows.length > 0) {
        event.preventDefault();
        focusTile(current);
      } else if (place.open !== null && target?.closest('.details')) {
        const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
        if (step !== 0 && results.rows[current + step]) move(current + step, false);
      }
    };
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  });
  // A reader who opened details goes on there (on a narrow page they cover the rest), and comes back to the picture.
  const isOpen = opened !== null;
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
  const isCovered = useMatch(NARROW) && isOpen;

  return (
    <div class={isOpen ? 'page with-details' : 'page'}>
      <header inert={isCovered}>
        <a
          class="brand"
          href="/"
          onClick={(event) => {
            event.preventDefault();
            look(HOME);
          }}
        >
          <WheatIcon />
          <span>gleaner</span>
        </a>
        <SearchBar
          search={place.search}
          fieldRef={fieldRef}
          onWords={(words) => look({ kind: 'words', words })}
          onPicture={lookByPicture}
          onClear={() => look(HOME)}
        />
        <button
          type="button"
          class="switch"
          role="switch"
          aria-checked={place.nsfw}
          title="Pictures that may not be safe for work are hidden unless this is on"
          onClick={() => go({ ...place, nsfw: !place.nsfw, open: null })}
        >
          <span class="knob" />
          Show NSFW
        </button>
      </header>
      <main inert={isCovered}>
        <div class="status">
          <h1>{heading(place.search)}</h1>
          <p role="status">{notice || statusLine(results, release, place)}</p>
          {release && (
            <p class="encoder">
              Searched by <bdi>{plainLine(release.model, 160)}</bdi>
            </p>
          )}
        </div>
        <Body
          place={place}
          results={results}
          release={release}
          current={Math.min(current, Math.max(0, results.rows.length - 1))}
          onOpen={open}
          onMove={move}
          onShowAll={() => go({ ...place, nsfw: true })}
          onHome={() => look(HOME)}
        />
        {place.search.kind === 'sample' && results.state === 'here' && results.rows.length > 0 && (
          <button
            type="button"
            class="button quiet"
            onClick={() => look({ kind: 'sample', seed: Math.floor(Math.random() * 1_000_000) })}
          >
            <ShuffleIcon /> Another handful
          </button>
        )}
      </main>
      {opened && (
        <Details
          row={opened}
          closeRef={closeRef}
          likeAddress={placeAddress({ ...place, search: { kind: 'like', id: opened.id }, open: null })}
          onLike={() => look({ kind: 'like', id: opened.id })}
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

interface BodyProps {
  readonly place: Place;
  readonly results: ReturnType<typeof useResults>;
  readonly release: PageRelease | null;
  readonly current: number;
  readonly onOpen: (row: PageRow, index: number) => void;
  readonly onMove: (index: number) => void;
  readonly onShowAll: () => void;
  readonly onHome: () => void;
}

function Body({ place, results, release, current, onOpen, onMove, onShowAll, onHome }: BodyProps) {
  const { state, rows, more, hidden, problem, next, again } = results;
  const endRef = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const end = endRef.current;
    if (!end || !more) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && next(), {
      rootMargin: '800px',
    });
    observer.observe(end);
    return () => observer.disconnect();
  });
  const loading = state === 'loading' || state === 'slow';
  return (
    <>
      {rows.length > 0 && (
        <Grid
          rows={rows}
          current={current}
          open={place.open}
          addressOf={(row) => placeAddress({ ...place, open: row.id })}
          onOpen={onOpen}
          onMove={onMove}
        />
      )}
      {loading && rows.length === 0 && <Skeleton />}
      {state === 'failed' && (
        <div class="message" role="alert">
          <p>{problem}</p>
          <button type="button" class="button" onClick={again}>
            Try again
          </button>
          {place.search.kind !== 'sample' && (
            <button type="button" class="button quiet" onClick={onHome}>
              Back to the beginning
            </button>
          )}
        </div>
      )}
      {state === 'here' && rows.length === 0 && (
        <div class="message">
          <p>{release?.rows === 0 ? 'This release holds no pairs.' : 'Nothing here can be shown.'}</p>
          {hidden > 0 && (
            <button type="button" class="button" onClick={onShowAll}>
              Show what may not be safe
            </button>
          )}
          {place.search.kind !== 'sample' && (
            <button type="button" class="button quiet" onClick={onHome}>
              Back to the beginning
            </button>
          )}
        </div>
      )}
      <div ref={endRef} class="end">
        {rows.length > 0 && loading && <span>Looking for more…</span>}
      </div>
    </>
  );
}

function heading(search: Search): preact.ComponentChildren {
  switch (search.kind) {
    case 'sample':
      return 'A handful from this release';
    case 'words':
      return <bdi>{plainLine(search.words, 120)}</bdi>;
    case 'like':
      return 'More like this picture';
    case 'picture':
      return 'Like your picture';
  }
}

function statusLine(results: Results, release: PageRelease | null, { search, nsfw }: Place): string {
  if (results.state === 'slow') return 'Still searching…';
  if (results.state === 'loading' && results.rows.length === 0) return 'Searching…';
  if (results.state === 'failed' && results.rows.length === 0) return '';
  const shown = results.rows.length;
  const parts = [
    search.kind === 'sample'
      ? `${shown.toLocaleString('en')} of ${count(release?.rows ?? shown, 'pair', 'pairs')}`
      : `The ${shown.toLocaleString('en')} nearest${release ? ` of ${count(release.rows, 'pair', 'pairs')}` : ''}`,
  ];
  if (results.hidden > 0) parts.push(`${results.hidden.toLocaleString('en')} hidden: may not be safe`);
  if (nsfw && release && release.unsafe > 0) parts.push('nothing is hidden');
  return parts.join(' · ');
}

function useTitle(search: Search): void {
  const words = search.kind === 'words' ? plainLine(search.words, 60) : '';
  useEffect(() => {
    document.title = words === '' ? 'gleaner' : `${words} – gleaner`;
  }, [words]);
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

function useMatch(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const update = () => setMatches(media.matches);
    media.addEventListener('change', update);
    return () => media.removeEventListener('change', update);
  }, [query]);
  return matches;
}

/** The row whose details are open: among the results, or fetched where an address was followed. */
function useOpened(id: number | null, rows: readonly PageRow[]): PageRow | null {
  const [fetched, setFetched] = useState<PageRow | null>(null);
  const found = rows.find((row) => row.id === id);
  const missing = id !== null && !found && fetched?.id !== id;
  useEffect(() => {
    if (!missing || id === null) return;
    const stop = new AbortController();
    fetchRow(id, stop.signal).then(setFetched, () => undefined);
    return () => stop.abort();
  }, [missing, id]);
  if (id === null) return null;
  return found ?? (fetched?.id === id ? fetched : null);
}
