/** What a drawing may lie on: white, a colour, a gradient, smooth noise. */
import type { Rng } from '../autodiff/rng.ts';
import { COLOUR_NAMES, COLOURS } from './colours.ts';

export type Backdrop = 'white' | 'varied';

/** Value of a channel (0 red, 1 green, 2 blue) at a place of the picture, 0..1; about 0 to 255. */
export type Paint = (x: number, y: number, channel: number) => number;

/** Noise of 5 × 5 cells, smoothed between them: light and shade as in a photo. */
function noisePaint(rng: Rng): Paint {
  const cells = Float32Array.from({ length: 75 }, () => rng.normal(0.25 * 255));
  const smooth = (t: number) => t * t * (3 - 2 * t);
  return (x, y, channel) => {
    const [u, v] = [x * 3.999, y * 3.999];
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const [s, t] = [smooth(u - i), smooth(v - j)];
    const at = (a: number, b: number) => cells[(b * 5 + a) * 3 + channel]!;
    return (
      (at(i, j) * (1 - s) + at(i + 1, j) * s) * (1 - t) + (at(i, j + 1) * (1 - s) + at(i + 1, j + 1) * s) * t
    );
  };
}

/**
 * White 35 %, one colour 30 %, its pastel 15 %, a gradient 12 %, smooth noise 8 %.
 *
 * @returns `name` is that of the colour, where it is one plain colour
 */
export function paintBackdrop(backdrop: Backdrop, rng: Rng): { paint: Paint; name: string | null } {
  const kind = rng.uniform();
  if (backdrop === 'white' || kind < 0.35) return { paint: () => 255, name: null };
  const name = rng.pick(COLOUR_NAMES);
  const base = COLOURS[name]!.map((v) => v + rng.normal(12)) as [number, number, number];
  if (kind < 0.65) return { paint: (_x, _y, c) => base[c]!, name };
  if (kind < 0.8) return { paint: (_x, _y, c) => base[c]! * 0.35 + 0.65 * 255, name: null };
  if (kind < 0.92) {
    const other = COLOURS[rng.pick(COLOUR_NAMES)]!;
    const angle = rng.uniform(0, 2 * Math.PI);
    const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
    const share = (x: number, y: number) => Math.min(1, Math.max(0, (x - 0.5) * dx + (y - 0.5) * dy + 0.5));
    return { paint: (x, y, c) => base[c]! * (1 - share(x, y)) + other[c]! * share(x, y), name: null };
  }
  const noise = noisePaint(rng);
  return { paint: (x, y, c) => base[c]! + noise(x, y, c), name: null };
}
