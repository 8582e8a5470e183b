/** What of the map is seen: the point in the middle, 0 to 1 on both axes, and how many times nearer than at the beginning. */
export interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export const WHOLE: View = { x: 0.5, y: 0.5, zoom: 1 };
/** Nearer than this, steps of the map's grid of 65,536 would be seen. */
const NEAREST = 256;

/** Pixels that the whole map is wide and high. */
export function scaleOf({ zoom }: View, { width, height }: Size): number {
  return zoom * Math.max(1, Math.min(width, height));
}

/** Where a point of the map is in the frame, in pixels. */
export function toFrame(view: View, size: Size, x: number, y: number): readonly [number, number] {
  const scale = scaleOf(view, size);
  return [(x - view.x) * scale + size.width / 2, (y - view.y) * scale + size.height / 2];
}

/** The view after a move of the map by so many pixels. */
export function moved(view: View, size: Size, dx: number, dy: number): View {
  const scale = scaleOf(view, size);
  return held({ ...view, x: view.x - dx / scale, y: view.y - dy / scale });
}

/** The view `factor` times nearer, in which what is at a place of the frame stays there. */
export function zoomed(view: View, size: Size, factor: number, atX: number, atY: number): View {
  const zoom = Math.min(NEAREST, Math.max(1, view.zoom * factor));
  const [dx, dy] = [atX - size.width / 2, atY - size.height / 2];
  const before = scaleOf(view, size);
  const after = scaleOf({ ...view, zoom }, size);
  return held({ x: view.x + dx / before - dx / after, y: view.y + dy / before - dy / after, zoom });
}

/** The middle stays on the map. */
export function held({ x, y, zoom }: View): View {
  const within = (at: number) => Math.min(1, Math.max(0, at));
  return { x: within(x), y: within(y), zoom: Math.min(NEAREST, Math.max(1, zoom)) };
}

/** The view on the way from one to another; zooming is even in its logarithm. */
export function between(from: View, to: View, share: number): View {
  const zoom = from.zoom * (to.zoom / from.zoom) ** share;
  // What is seen moves by the scale that is seen, else a long way would be gone in the last moments.
  const part = from.zoom === to.zoom ? share : (1 / from.zoom - 1 / zoom) / (1 / from.zoom - 1 / to.zoom);
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part, zoom };
}

const DIGITS = 4;

/** A view in an address, as '0.5000,0.2500,8.0'. */
export function viewText({ x, y, zoom }: View): string {
  return `${x.toFixed(DIGITS)},${y.toFixed(DIGITS)},${zoom.toFixed(1)}`;
}

export function readView(text: string | null): View {
  const [x, y, zoom] = (text ?? '').split(',').map(Number);
  if (x === undefined || y === undefined || zoom === undefined) return WHOLE;
  return [x, y, zoom].every(Number.isFinite) ? held({ x, y, zoom }) : WHOLE;
}
