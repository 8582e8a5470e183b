import type { RefObject } from 'preact';
import { useCallback, useEffect, useRef } from 'preact/hooks';
import { between, moved, type Size, type View, WHOLE, zoomed } from './view.ts';

/** Pixels that a key moves the map by, and how much nearer another brings it. */
const [STEP, CLOSER] = [80, 1.5];
/** Pixels that a finger or a mouse may move and still be a click. */
const STILL = 5;
const FLIGHT_MS = 320;

interface Wander {
  readonly frameRef: RefObject<HTMLElement | null>;
  readonly view: View;
  readonly size: Size;
  readonly onView: (view: View) => void;
  /** A place that was clicked or tapped, in pixels of the frame. */
  readonly onClick: (at: readonly [number, number], touch: boolean) => void;
  /** Where the mouse is; null where it left. */
  readonly onHover: (at: readonly [number, number] | null) => void;
}

/** Moving over the map by mouse, wheel, fingers and keys. @returns how to fly to a view, and what keys do */
export function useWander({ frameRef, view, size, onView, onClick, onHover }: Wander) {
  const now = useRef({ view, size, onView, onClick, onHover });
  now.current = { view, size, onView, onClick, onHover };
  const flight = useRef(0);
  /** Shows a view; the next move, which may come before it is drawn, goes on from it. */
  const show = useCallback((next: View) => {
    now.current = { ...now.current, view: next };
    now.current.onView(next);
  }, []);

  const fly = useCallback(
    (to: View) => {
      cancelAnimationFrame(flight.current);
      const from = now.current.view;
      if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
        show(to);
        return;
      }
      const start = performance.now();
      const step = (time: number) => {
        const share = Math.min(1, Math.max(0, (time - start) / FLIGHT_MS));
        show(share === 1 ? to : between(from, to, share * share * (3 - 2 * share)));
        if (share < 1) flight.current = requestAnimationFrame(step);
      };
      flight.current = requestAnimationFrame(step);
    },
    [show],
  );

  useEffect(() => {
    const frame = frameRef.current;
    if (!frame) return;
    const stop = new AbortController();
    const { signal } = stop;
    /** Pointers that are down, and where they were last. */
    const down = new Map<number, readonly [number, number]>();
    let travelled = 0;
    const placeOf = (event: MouseEvent): readonly [number, number] => {
      const { left, top } = frame.getBoundingClientRect();
      return [event.clientX - left, event.clientY - top];
    };
    const isMap = (event: Event) => event.target instanceof HTMLCanvasElement;
    frame.addEventListener(
      'wheel',
      (event) => {
        if (!isMap(event)) return;
        event.preventDefault();
        cancelAnimationFrame(flight.current);
        const { view: before, size: at } = now.current;
        // Lines are some 16 pixels; a pinch on a trackpad comes as small steps with Ctrl.
        const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1) * (event.ctrlKey ? 4 : 1);
        show(zoomed(before, at, 2 ** (-pixels / 300), ...placeOf(event)));
      },
      { signal, passive: false },
    );
    frame.addEventListener(
      'pointerdown',
      (event) => {
        if (!isMap(event) || event.button !== 0) return;
        cancelAnimationFrame(flight.current);
        if (down.size === 0) travelled = 0;
        down.set(event.pointerId, placeOf(event));
        frame.setPointerCapture(event.pointerId);
        now.current.onHover(null);
      },
      { signal },
    );
    frame.addEventListener(
      'pointermove',
      (event) => {
        const at = placeOf(event);
        const before = down.get(event.pointerId);
        if (!before) {
          if (event.pointerType === 'mouse') now.current.onHover(isMap(event) ? at : null);
          return;
        }
        const { view: from, size: in_ } = now.current;
        travelled += Math.hypot(at[0] - before[0], at[1] - before[1]);
        const others = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        down.set(event.pointerId, at);
        const [other] = others;
        if (!other) {
          if (travelled > STILL) show(moved(from, in_, at[0] - before[0], at[1] - before[1]));
          return;
        }
        // Two fingers: what is between them stays there, and they hold what they hold.
        const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2] as const;
        const spread = distance(at, other) / Math.max(1, distance(before, other));
        const drawn = moved(from, in_, (at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
        show(zoomed(drawn, in_, spread, ...middle));
      },
      { signal },
    );
    const up = (event: PointerEvent) => {
      if (!down.delete(event.pointerId)) return;
      if (event.type === 'pointerup' && down.size === 0 && travelled <= STILL)
        now.current.onClick(placeOf(event), event.pointerType !== 'mouse');
    };
    frame.addEventListener('pointerup', up, { signal });
    frame.addEventListener('pointercancel', up, { signal });
    frame.addEventListener(
      'pointerleave',
      // A finger that is lifted leaves too, and what it tapped stays.
      ({ pointerType }) => pointerType === 'mouse' && down.size === 0 && now.current.onHover(null),
      { signal },
    );
    return () => {
      stop.abort();
      cancelAnimationFrame(flight.current);
    };
  }, [frameRef, show]);

  /** Brings the map nearer, or further away, round its middle. */
  const closer = useCallback(
    (factor: number) => {
      const { view: from, size: at } = now.current;
      fly(zoomed(from, at, factor, at.width / 2, at.height / 2));
    },
    [fly],
  );

  /** @returns whether the key was one of the map's */
  const onKey = useCallback(
    (key: string): boolean => {
      const { view: from, size: at } = now.current;
      const steps: Readonly<Record<string, readonly [number, number]>> = {
        ArrowLeft: [STEP, 0],
        ArrowRight: [-STEP, 0],
        ArrowUp: [0, STEP],
        ArrowDown: [0, -STEP],
      };
      const step = Object.hasOwn(steps, key) ? steps[key] : undefined;
      if (step) show(moved(from, at, ...step));
      else if (key === '+' || key === '=') closer(CLOSER);
      else if (key === '-') closer(1 / CLOSER);
      else if (key === '0') fly(WHOLE);
      else return false;
      return true;
    },
    [closer, fly, show],
  );

  return { fly, closer, onKey, step: CLOSER };
}

function distance(a: readonly [number, number], b: readonly [number, number]): number {
  return Math.hypot(a[0] - b[0], a[1] - b[1]);
}
