import type { RefObject } from 'preact';
import { useEffect, useLayoutEffect, useState } from 'preact/hooks';

/** The width of an element, in pixels; 0 before it is there. */
export function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (ref.current) setWidth(ref.current.clientWidth);
  }, [ref]);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return width;
}

/** How far beyond what is seen things are made ready, in heights of the window. */
const AHEAD = 1;
/** Steps of a stretch, in pixels, so that not every turn of a wheel makes the page anew. */
const STEP = 240;

export interface Stretch {
  readonly top: number;
  readonly bottom: number;
}

/** The stretch of an element that is in sight, or nearly, in pixels from its top. */
export function useStretch(ref: RefObject<HTMLElement | null>): Stretch {
  const [stretch, setStretch] = useState<Stretch>({ top: 0, bottom: 0 });
  useLayoutEffect(() => {
    const measure = () => {
      const element = ref.current;
      if (!element) return;
      const above = -element.getBoundingClientRect().top;
      const top = Math.floor((above - AHEAD * innerHeight) / STEP) * STEP;
      const bottom = Math.ceil((above + (1 + AHEAD) * innerHeight) / STEP) * STEP;
      setStretch((now) => (now.top === top && now.bottom === bottom ? now : { top, bottom }));
    };
    const stop = new AbortController();
    const options = { signal: stop.signal, passive: true };
    addEventListener('scroll', measure, options);
    addEventListener('resize', measure, options);
    // What stands above the element may grow.
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    measure();
    return () => {
      stop.abort();
      observer.disconnect();
    };
  }, [ref]);
  return stretch;
}

/** Whether a media query holds. */
export function useMatch(query: string): boolean {
  const [matches, setMatches] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const update = () => setMatches(media.matches);
    media.addEventListener('change', update);
    return () => media.removeEventListener('change', update);
  }, [query]);
  return matches;
}
