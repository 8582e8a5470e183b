import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { MapInfoAnswer, MapRegion } from '../../../src/service/map-types.ts';
import { fetchRelease } from '../api.ts';
import { ask } from '../ask.ts';
import { WheatIcon } from '../icons.tsx';
import { count } from '../text.ts';
import { Card } from './card.tsx';
import { paletteOf } from './colours.ts';
import { MinusIcon, PlusIcon, WholeIcon } from './icons.tsx';
import { Legend } from './legend.tsx';
import { MapCanvas, type Scene } from './map-canvas.tsx';
import { type MapPlace, mapAddress, readMapPlace } from './place.ts';
import { type Picked, pick, STEPS } from './points.ts';
import { RegionList } from './region-list.tsx';
import { pictureAt } from './thumbnails.ts';
import { useMedia, useSize } from './use-media.ts';
import { useWander } from './use-wander.ts';
import { held, type View } from './view.ts';

/** Pixels from a point within which it is meant, by a mouse and by a finger. */
const [BY_MOUSE, BY_FINGER] = [14, 28];
/** How near a region of each level is looked at. */
const CLOSE = [2.2, 5, 12];

/** The map of the embeddings: where one wanders among pictures that are alike. */
export function MapPage() {
  const [place, setPlace] = useState<MapPlace>(() => readMapPlace(location.search));
  const [info, problem] = useMapInfo();
  const hasReport = useHasReport();
  const [notice, setNotice] = useState('');
  const [picked, setPicked] = useState<Picked | null>(null);
  const frameRef = useRef<HTMLDivElement>(null);
  const sceneRef = useRef<Scene>({ tiles: [], pictures: [] });
  const size = useSize(frameRef, info !== null);
  const dark = useMedia('(prefers-color-scheme: dark)');
  const palette = useMemo(() => info && paletteOf(place.by, info, dark), [info, place.by, dark]);

  // The address follows, a moment after: so that it can be shared, and browsers are not asked too often.
  useEffect(() => {
    const timer = setTimeout(() => history.replaceState(null, '', mapAddress(place)), 200);
    return () => clearTimeout(timer);
  }, [place]);

  const onView = useCallback((view: View) => setPlace((before) => ({ ...before, view })), []);
  const { view, nsfw, by } = place;
  const detailsOf = (id: number) => `/?id=${id}${nsfw ? '&nsfw=1' : ''}`;
  const pickAt = (at: readonly [number, number], within: number) =>
    pictureAt(sceneRef.current.pictures, at) ?? pick(sceneRef.current.tiles, view, size, at, within);
  const { fly, closer, onKey, step } = useWander({
    frameRef,
    view,
    size,
    onView,
    onHover: (at) => setPicked(at && pickAt(at, BY_MOUSE)),
    onClick: (at, touch) => {
      const point = pickAt(at, touch ? BY_FINGER : BY_MOUSE);
      if (point && !touch) location.assign(detailsOf(point.id));
      else setPicked(point);
    },
  });
  const go = (region: MapRegion) => {
    setPicked(null);
    fly(held({ x: region.x / STEPS, y: region.y / STEPS, zoom: CLOSE[region.level] ?? 1 }));
    frameRef.current?.focus({ preventScroll: true });
    frameRef.current?.scrollIntoView({ block: 'nearest' });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== frameRef.current) return;
    if (event.key === 'Enter' && picked) location.assign(detailsOf(picked.id));
    else if (event.key === 'Escape') setPicked(null);
    else if (!onKey(event.key)) return;
    event.preventDefault();
  };
  // By keys the picture in the middle is the one that is looked at.
  const onKeyUp = (event: KeyboardEvent) => {
    if (event.target !== frameRef.current || !/^Arrow|^[-+=]$/.test(event.key)) return;
    setPicked(pickAt([size.width / 2, size.height / 2], Math.min(size.width, size.height) / 4));
  };

  const unsafe = info?.regions.reduce((sum, { level, unsafe: n }) => sum + (level === 0 ? n : 0), 0) ?? 0;
  return (
    <div class="map-page">
      <header class="map-header">
        <a class="brand" href="/">
          <WheatIcon />
          <span>gleaner</span>
        </a>
        <nav aria-label="Pages">
          <a href="/">Search</a>
          <a href="/map" aria-current="page">
            Map
          </a>
          {hasReport && <a href="/report">Report</a>}
        </nav>
        <button
          type="button"
          class="switch"
          role="switch"
          aria-checked={!nsfw}
          title="Pictures that may not be safe for work are hidden while this is on"
          onClick={() => {
            setPicked(null);
            setPlace({ ...place, nsfw: !nsfw });
          }}
        >
          <span class="knob" />
          <span>
            Safe<span class="switch-noun"> mode</span>
          </span>
        </button>
      </header>
      <main class="map-main">
        <section class="map-side" aria-label="Regions">
          <h1>Map of the pictures</h1>
          <p class="map-status" role="status">
            {notice ||
              (info
                ? `${count(info.rows - (nsfw ? 0 : unsafe), 'picture', 'pictures')}, near those that are alike`
                : problem || 'Loading the map')}
          </p>
          {info && (
            <RegionList info={info} nsfw={nsfw} palette={by === 'region' ? palette : null} onGo={go} />
          )}
        </section>
        <div class="map-area">
          {info && palette && (
            <Legend
              info={info}
              by={by}
              palette={palette}
              onChoose={(next) => setPlace({ ...place, by: next })}
            />
          )}
          <div
            ref={frameRef}
            class="map-frame"
            role="application"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: an application is moved by keys
            tabIndex={0}
            aria-label="Map of the pictures. Arrow keys move it, plus and minus bring it nearer or further, 0 shows all, Enter opens the picture in the middle. The regions are listed beside it."
            onKeyDown={onKeyDown}
            onKeyUp={onKeyUp}
          >
            {info && palette && size.width > 0 && (
              <MapCanvas
                {...{ info, nsfw, view, size, palette, dark, picked, sceneRef }}
                onProblem={setNotice}
              />
            )}
            {!info && <p class="map-wait">{problem || 'Loading the map'}</p>}
          </div>
          {info && (
            <div class="map-buttons">
              <button type="button" aria-label="Nearer" onClick={() => closer(step)}>
                <PlusIcon />
              </button>
              <button type="button" aria-label="Further" onClick={() => closer(1 / step)}>
                <MinusIcon />
              </button>
              <button type="button" aria-label="Show all" onClick={() => onKey('0')}>
                <WholeIcon />
              </button>
            </div>
          )}
          {picked && <Card id={picked.id} address={detailsOf(picked.id)} />}
        </div>
      </main>
    </div>
  );
}

function useHasReport(): boolean {
  const [has, setHas] = useState(false);
  useEffect(() => {
    const stop = new AbortController();
    // Where it cannot be asked, the map says so for itself.
    fetchRelease(stop.signal).then(
      (release) => setHas(release.hasReport),
      () => undefined,
    );
    return () => stop.abort();
  }, []);
  return has;
}

function useMapInfo(): readonly [MapInfoAnswer | null, string] {
  const [info, setInfo] = useState<MapInfoAnswer | null>(null);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    const stop = new AbortController();
    ask<MapInfoAnswer>('/api/v1/map/info', { signal: stop.signal }).then(setInfo, (error: unknown) => {
      if (!stop.signal.aborted) setProblem(error instanceof Error ? error.message : String(error));
    });
    return () => stop.abort();
  }, []);
  return [info, problem];
}
