import { COLOUR_NAMES, COLOURS, type Rgb } from '../examples/train-embedded/colours.ts';
import type { Random } from './random.ts';

/** What lies behind a drawing. */
export type Background =
  | { readonly kind: 'plain'; readonly colour: Rgb }
  | { readonly kind: 'gradient'; readonly from: Rgb; readonly to: Rgb; readonly angle: number }
  | { readonly kind: 'noise'; readonly colour: Rgb; readonly cells: Float32Array };

/** Cells of noise along each side of a picture. */
const CELLS = 6;
/** Standard deviation of noise, in steps of 255. */
const NOISE = 28;

/** Black is left out: half of the drawings have dark outlines. */
const NAMES = COLOUR_NAMES.filter((name) => name !== 'black');
const rgb = (name: string): Rgb => COLOURS[name] ?? [255, 255, 255];

/** A random background, and the name of its colour where it has just one. Half are plain, as most pages' are. */
export function makeBackground(random: Random): { background: Background; colour: string | undefined } {
  const kind = random.unit();
  const name = random.pick(NAMES);
  if (kind < 0.25) return { background: { kind: 'plain', colour: [255, 255, 255] }, colour: 'white' };
  if (kind < 0.55) return { background: { kind: 'plain', colour: rgb(name) }, colour: name };
  if (kind < 0.65) {
    const [r, g, b] = rgb(name);
    const pale = (value: number): number => Math.round(value * 0.35 + 255 * 0.65);
    return { background: { kind: 'plain', colour: [pale(r), pale(g), pale(b)] }, colour: undefined };
  }
  if (kind < 0.85) {
    const to = rgb(random.pick(NAMES.filter((other) => other !== name)));
    const background = { kind: 'gradient', from: rgb(name), to, angle: random.unit() * 2 * Math.PI } as const;
    return { background, colour: undefined };
  }
  const cells = Float32Array.from({ length: (CELLS + 1) ** 2 * 3 }, () => bell(random) * NOISE);
  return { background: { kind: 'noise', colour: rgb(name), cells }, colour: undefined };
}

/** Near enough to a normal deviate: the sum of twelve uniform ones, less its mean. */
function bell(random: Random): number {
  let sum = -6;
  for (let i = 0; i < 12; i++) sum += random.unit();
  return sum;
}

/** Paints `background` over a whole picture: `width * height * 3` bytes, R, G, B, row by row. */
export function paintBackground(background: Background, width: number, height: number): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(width * height * 3);
  if (background.kind === 'plain') paintPlain(pixels, background.colour);
  else if (background.kind === 'gradient') paintGradient(pixels, width, height, background);
  else paintNoise(pixels, width, height, background);
  return pixels;
}

function paintPlain(pixels: Uint8ClampedArray, [r, g, b]: Rgb): void {
  for (let at = 0; at < pixels.length; at += 3) {
    pixels[at] = r;
    pixels[at + 1] = g;
    pixels[at + 2] = b;
  }
}

function paintGradient(
  pixels: Uint8ClampedArray,
  width: number,
  height: number,
  { from, to, angle }: Extract<Background, { kind: 'gradient' }>,
): void {
  const [dx, dy] = [Math.cos(angle), Math.sin(angle)];
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const along = (x / width - 0.5) * dx + (y / height - 0.5) * dy + 0.5;
      const share = Math.min(1, Math.max(0, along));
      pixels[at] = from[0] + (to[0] - from[0]) * share;
      pixels[at + 1] = from[1] + (to[1] - from[1]) * share;
      pixels[at + 2] = from[2] + (to[2] - from[2]) * share;
    }
  }
}

/** Value noise: random cells, blended between their corners, so that it looks like light and shade. */
function paintNoise(
  pixels: Uint8ClampedArray,
  width: number,
  height: number,
  { colour, cells }: Extract<Background, { kind: 'noise' }>,
): void {
  const row = (CELLS + 1) * 3;
  for (let y = 0, at = 0; y < height; y++) {
    const v = (y / height) * CELLS;
    const [top, down] = [Math.floor(v) * row, v % 1];
    for (let x = 0; x < width; x++, at += 3) {
      const u = (x / width) * CELLS;
      const [corner, right] = [top + Math.floor(u) * 3, u % 1];
      for (let c = 0; c < 3; c++) {
        const above = (cells[corner + c] ?? 0) * (1 - right) + (cells[corner + 3 + c] ?? 0) * right;
        const below =
          (cells[corner + row + c] ?? 0) * (1 - right) + (cells[corner + row + 3 + c] ?? 0) * right;
        pixels[at + c] = (colour[c] ?? 0) + above * (1 - down) + below * down;
      }
    }
  }
}
