/** Views of drawings for training, many and cheap: warped, shaded and painted at the size that the encoder sees. */
import { Rng, seedOf } from '../autodiff/rng.ts';
import { type Backdrop, paintBackdrop } from './backdrops.ts';
import { type Drawing, type Rgba, renderDrawing } from './drawings.ts';
import { IMAGE_SIZE } from './patches.ts';

/** Side in pixels at which a drawing is rendered once for all its views. */
const SPRITE_SIZE = 96;

/** A smooth field of displacements over the picture: 5 × 5 normal numbers, eased between them. */
function smoothField(rng: Rng, deviation: number): (x: number, y: number) => number {
  const cells = Float32Array.from({ length: 25 }, () => rng.normal(deviation));
  const ease = (t: number) => t * t * (3 - 2 * t);
  return (x, y) => {
    const u = x * 3.999;
    const v = y * 3.999;
    const i = Math.floor(u);
    const j = Math.floor(v);
    const s = ease(u - i);
    const at = j * 5 + i;
    const above = cells[at]! * (1 - s) + cells[at + 1]! * s;
    const below = cells[at + 5]! * (1 - s) + cells[at + 6]! * s;
    return above + (below - above) * ease(v - j);
  };
}

/**
 * Adds a sprite's colour at a place between its pixels, as [red, green, blue, alpha]; outside it is nothing. Run
 * 16,384 times a view, hence without arrays of its own.
 */
function addSample(sprite: Rgba, u: number, v: number, weight: number, sum: Float64Array): void {
  const { data, width, height } = sprite;
  const left = Math.floor(u - 0.5);
  const top = Math.floor(v - 0.5);
  if (left < -1 || top < -1 || left >= width || top >= height) return;
  for (let y = top; y < top + 2; y++) {
    if (y < 0 || y >= height) continue;
    const byRow = weight * (1 - Math.abs(v - 0.5 - y));
    for (let x = left; x < left + 2; x++) {
      if (x < 0 || x >= width) continue;
      const share = byRow * (1 - Math.abs(u - 0.5 - x));
      const at = (y * width + x) * 4;
      sum[0]! += share * data[at]!;
      sum[1]! += share * data[at + 1]!;
      sum[2]! += share * data[at + 2]!;
      sum[3]! += share * data[at + 3]!;
    }
  }
}

/** How views differ from the drawing. */
interface ViewStyle {
  readonly backdrop: Backdrop;
  /** Deviation of the elastic displacement, of the picture's side. */
  readonly elastic: number;
  /** Deviation of the change of light across the drawing. */
  readonly light: number;
  /** Deviation of the logarithm of each channel's gain. */
  readonly gain: number;
  /** Share of drawings mirrored, of those that mean the same then. */
  readonly mirrored: number;
  /** Share of views blurred or sharpened. */
  readonly softened: number;
  /** Whether contrast, brightness and saturation of the whole picture vary. */
  readonly tint: boolean;
}

/** Styles of training pictures. */
export const VIEW_STYLES = {
  plain: { backdrop: 'white', elastic: 0, light: 0, gain: 0, mirrored: 0, softened: 0, tint: false },
  white: {
    backdrop: 'white',
    elastic: 0.012,
    light: 0.15,
    gain: 0.05,
    mirrored: 0.3,
    softened: 0.2,
    tint: false,
  },
  varied: {
    backdrop: 'varied',
    elastic: 0.015,
    light: 0.25,
    gain: 0.08,
    mirrored: 0.3,
    softened: 0.3,
    tint: true,
  },
} as const satisfies Record<string, ViewStyle>;
export type ViewStyleName = keyof typeof VIEW_STYLES;

/** Whether a drawing says the same in the mirror: signs and flags do not. */
function meansTheSameMirrored({ group, name }: Drawing): boolean {
  return group !== 'Symbols' && group !== 'Flags' && !/left|right|o.clock|thirty/.test(name);
}

/** How a drawing lies in its view: its box scaled, turned about its middle, and moved. */
interface Placement {
  /** Longest side of the drawing over the side of the picture. */
  readonly scale: number;
  readonly aspect: number;
  /** Radians. */
  readonly turn: number;
  /** Middle of the drawing, 0..1 of the picture. */
  readonly x: number;
  readonly y: number;
}

/** Of any size from 59 to 118 % of the frame, a little turned and stretched, partly outside now and then. */
function placeLoosely(rng: Rng): Placement {
  const scale = 1 / rng.logUniform(0.85, 1.7);
  const middle = () => 0.5 + rng.uniform(-0.11, 0.11);
  return { scale, aspect: Math.exp(rng.normal(0.06)), turn: rng.normal(0.12), x: middle(), y: middle() };
}

/** How places of the picture, less the drawing's middle, become places of the sprite, in its pixels. */
function placing({ width, height }: Rgba, style: ViewStyle, mirror: boolean, rng: Rng) {
  const { scale, aspect, turn, x: middleX, y: middleY } = placeLoosely(rng);
  const sin = Math.sin(turn);
  const cos = Math.cos(turn);
  const longest = Math.max(width, height);
  const unitX = ((mirror ? -1 : 1) * longest) / (scale * aspect);
  const unitY = (longest * aspect) / scale;
  const bendX = smoothField(rng, style.elastic);
  const bendY = smoothField(rng, style.elastic);
  return {
    fromMiddleX: (x: number, y: number) => x - middleX + bendX(x, y),
    fromMiddleY: (x: number, y: number) => y - middleY + bendY(x, y),
    u: (a: number, b: number) => (cos * a + sin * b) * unitX + width / 2,
    v: (a: number, b: number) => (cos * b - sin * a) * unitY + height / 2,
  };
}

/** How much light falls on a place of the picture, and each channel's gain, in one. */
function lighting(style: ViewStyle, rng: Rng): (x: number, y: number, channel: number) => number {
  const angle = rng.uniform(0, 2 * Math.PI);
  const strength = rng.normal(style.light);
  const [dx, dy] = [strength * Math.cos(angle), strength * Math.sin(angle)];
  const gains = [0, 1, 2].map(() => Math.exp(rng.normal(style.gain)));
  return (x, y, channel) => (1 + dx * (x - 0.5) + dy * (y - 0.5)) * gains[channel]!;
}

/** 3 × 3 blur, or with a share below 0 its opposite, in place. */
function soften(pixels: Float32Array, size: number, share: number): void {
  const from = pixels.slice();
  for (let y = 1; y < size - 1; y++) {
    for (let x = 1; x < size - 1; x++) {
      for (let c = 0; c < 3; c++) {
        const at = (y * size + x) * 3 + c;
        let around = 0;
        for (let j = -1; j <= 1; j++) for (let i = -1; i <= 1; i++) around += from[at + (j * size + i) * 3]!;
        pixels[at] = from[at]! + share * (around / 9 - from[at]!);
      }
    }
  }
}

/** Contrast × 0.7..1.3 about the mean, brightness ± 12 %, saturation × 0.6..1.3, in place. */
function tint(pixels: Float32Array, rng: Rng): void {
  const [contrast, shift, saturation] = [
    rng.uniform(0.7, 1.3),
    rng.uniform(-0.12, 0.12) * 255,
    rng.uniform(0.6, 1.3),
  ];
  const clamp = (v: number) => Math.min(255, Math.max(0, v));
  const mean = [0, 1, 2].map((c) => {
    let sum = 0;
    for (let i = c; i < pixels.length; i += 3) sum += pixels[i]!;
    return sum / (pixels.length / 3);
  });
  for (let i = 0; i < pixels.length; i += 3) {
    for (let c = 0; c < 3; c++)
      pixels[i + c] = clamp((pixels[i + c]! - mean[c]!) * contrast + mean[c]! + shift);
    const gray = (pixels[i]! + pixels[i + 1]! + pixels[i + 2]!) / 3;
    for (let c = 0; c < 3; c++) pixels[i + c] = clamp((pixels[i + c]! - gray) * saturation + gray);
  }
}

/** Middles of a pixel's quarters, from its own. */
const QUARTERS = [-0.25, 0.25].flatMap((y) =>
  [-0.25, 0.25].map((x) => [x / IMAGE_SIZE, y / IMAGE_SIZE] as const),
);

/** Pixels [64, 64, 3] of one view, about 0 to 255. */
function drawView(drawing: Drawing, sprite: Rgba, style: ViewStyle, rng: Rng): Float32Array {
  const size = IMAGE_SIZE;
  const { paint } = paintBackdrop(style.backdrop, rng);
  const mirror = rng.chance(style.mirrored) && meansTheSameMirrored(drawing);
  const place = placing(sprite, style, mirror, rng);
  const lightAt = lighting(style, rng);
  const pixels = new Float32Array(size * size * 3);
  const sum = new Float64Array(4);
  for (let y = 0, at = 0; y < size; y++) {
    for (let x = 0; x < size; x++, at += 3) {
      sum.fill(0);
      const px = (x + 0.5) / size;
      const py = (y + 0.5) / size;
      const a = place.fromMiddleX(px, py);
      const b = place.fromMiddleY(px, py);
      for (let quarter = 0; quarter < 4; quarter++) {
        const [da, db] = QUARTERS[quarter]!;
        addSample(sprite, place.u(a + da, b + db), place.v(a + da, b + db), 0.25, sum);
      }
      const through = 1 - sum[3]! / 255;
      for (let c = 0; c < 3; c++) {
        const back = through < 1e-3 ? 0 : Math.min(255, Math.max(0, paint(px, py, c)));
        pixels[at + c] = Math.min(255 * (1 - through), sum[c]! * lightAt(px, py, c)) + back * through;
      }
    }
  }
  if (style.tint) tint(pixels, rng);
  if (rng.chance(style.softened)) soften(pixels, size, rng.uniform(-0.6, 1));
  return pixels;
}

const viewRng = ({ set, id }: Drawing, style: ViewStyleName, view: number): Rng =>
  new Rng(seedOf('view', set, id, style, view));

/**
 * One view of each drawing; another number, another view. It does not depend on the other drawings.
 *
 * @returns bytes [drawings, 64, 64, 3]
 */
export function drawViews(drawings: readonly Drawing[], style: ViewStyleName, view: number): Uint8Array {
  const values = 3 * IMAGE_SIZE ** 2;
  const bytes = new Uint8Array(drawings.length * values);
  for (const [i, drawing] of drawings.entries()) {
    const sprite = renderDrawing(drawing, SPRITE_SIZE);
    const pixels = drawView(drawing, sprite, VIEW_STYLES[style], viewRng(drawing, style, view));
    bytes.set(Uint8ClampedArray.from(pixels), i * values);
  }
  return bytes;
}

/** The name of the background's colour of a view, where it is one plain colour. */
export function backgroundName(drawing: Drawing, style: ViewStyleName, view: number): string | null {
  return paintBackdrop(VIEW_STYLES[style].backdrop, viewRng(drawing, style, view)).name;
}

/** Bytes [n, 64, 64, 3] as pixel values [n, 3, 64, 64], 0 to 1. */
export function pixelValuesOf(bytes: Uint8Array): Float32Array {
  const plane = IMAGE_SIZE ** 2;
  const values = new Float32Array(bytes.length);
  for (let from = 0; from < bytes.length; from += 3 * plane) {
    for (let p = 0; p < plane; p++) {
      for (let c = 0; c < 3; c++) values[from + c * plane + p] = bytes[from + 3 * p + c]! / 255;
    }
  }
  return values;
}
