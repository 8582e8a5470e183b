/** Pictures like those of web pages, made from drawings: placed on a background, tinted, saved as JPEG. */
import sharp from 'sharp';
import type { Rng } from '../autodiff/rng.ts';
import { COLOUR_NAMES, COLOURS } from './colours.ts';
import { type Drawing, renderDrawing } from './drawings.ts';
import type { Picture } from './resize.ts';

sharp.concurrency(1);

/** Side of a scene in pixels, before it is made small for the encoder. */
const SCENE_SIZE = 128;
type Backdrop = 'white' | 'varied';

/** How a drawing lies in its scene: the drawing's box scaled, turned about its middle, and moved. */
interface Placement {
  /** Longest side of the drawing over the side of the scene. */
  readonly scale: number;
  readonly aspect: number;
  /** Radians. */
  readonly turn: number;
  /** Middle of the drawing, 0..1 of the scene. */
  readonly x: number;
  readonly y: number;
}

/** A way of making scenes. */
export interface SceneStyle {
  readonly backdrop: Backdrop;
  readonly place: (rng: Rng) => Placement;
  /** Whether contrast, brightness and saturation vary. */
  readonly tint: boolean;
  /** Share of scenes that pass through JPEG, and the range of its quality. */
  readonly jpeg: { readonly share: number; readonly from: number; readonly to: number };
}

const NO_JPEG = { share: 0, from: 90, to: 90 };

/** Anywhere inside the frame, at 70 to 100 % of its side. */
function placeInside(rng: Rng): Placement {
  const scale = rng.uniform(0.7, 1);
  const middle = () => scale / 2 + rng.uniform(0, 1 - scale);
  return { scale, aspect: 1, turn: 0, x: middle(), y: middle() };
}

/** Of any size from 59 to 118 % of the frame, a little turned and stretched, partly outside now and then. */
function placeLoosely(rng: Rng): Placement {
  const scale = 1 / rng.logUniform(0.85, 1.7);
  const middle = () => 0.5 + rng.uniform(-0.11, 0.11);
  return { scale, aspect: Math.exp(rng.normal(0.06)), turn: rng.normal(0.12), x: middle(), y: middle() };
}

const placeCentred = (): Placement => ({ scale: 0.93, aspect: 1, turn: 0, x: 0.5, y: 0.5 });

/** Styles of training pictures and, under `test-*`, of those that the model is measured on. */
export const SCENE_STYLES = {
  plain: { backdrop: 'white', place: placeCentred, tint: false, jpeg: NO_JPEG },
  cropped: { backdrop: 'white', place: placeLoosely, tint: false, jpeg: NO_JPEG },
  varied: { backdrop: 'varied', place: placeLoosely, tint: true, jpeg: { share: 0.5, from: 40, to: 90 } },
  'test-white': { backdrop: 'white', place: placeInside, tint: false, jpeg: { share: 1, from: 70, to: 92 } },
  'test-varied': {
    backdrop: 'varied',
    place: placeInside,
    tint: false,
    jpeg: { share: 1, from: 70, to: 92 },
  },
} as const satisfies Record<string, SceneStyle>;

type Paint = (x: number, y: number, channel: number) => number;

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

/** White 35 %, one colour 30 %, its pastel 15 %, a gradient 12 %, smooth noise 8 %. */
function paintBackdrop(backdrop: Backdrop, rng: Rng): { paint: Paint; name: string | null } {
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

/** The drawing alone on a transparent square, placed by the renderer itself, so that edges stay smooth. */
function renderPlaced(drawing: Pick<Drawing, 'svg'>, p: Placement): Uint8Array {
  const box = /viewBox="[^"]*" width="([\d.]+)" height="([\d.]+)"/.exec(drawing.svg);
  const [width, height] = [Number(box?.[1] ?? 1), Number(box?.[2] ?? 1)];
  const size = SCENE_SIZE;
  const unit = (p.scale * size) / Math.max(width, height);
  const degrees = (p.turn * 180) / Math.PI;
  const moves = [
    `translate(${p.x * size} ${p.y * size})`,
    `rotate(${degrees})`,
    `scale(${unit * p.aspect} ${unit / p.aspect})`,
    `translate(${-width / 2} ${-height / 2})`,
  ].join(' ');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${size} ${size}"><g transform="${moves}">${drawing.svg}</g></svg>`;
  return renderDrawing({ svg }, size).data;
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
    const rgb = [0, 1, 2].map((c) => clamp((pixels[i + c]! - mean[c]!) * contrast + mean[c]! + shift));
    const gray = (rgb[0]! + rgb[1]! + rgb[2]!) / 3;
    for (let c = 0; c < 3; c++) pixels[i + c] = clamp((rgb[c]! - gray) * saturation + gray);
  }
}

async function throughJpeg(data: Uint8Array, quality: number): Promise<Uint8Array> {
  const raw = { width: SCENE_SIZE, height: SCENE_SIZE, channels: 3 as const };
  const file = await sharp(data, { raw }).jpeg({ quality }).toBuffer();
  return await sharp(file).raw().toBuffer();
}

/** The name of the colour that the scene of these random numbers has as background, if it is one plain colour. */
export function backgroundName(style: SceneStyle, rng: Rng): string | null {
  return paintBackdrop(style.backdrop, rng).name;
}

/** Makes one scene; the same random numbers give the same scene. */
export async function composeScene(
  drawing: Pick<Drawing, 'svg'>,
  style: SceneStyle,
  rng: Rng,
): Promise<Picture> {
  const { paint } = paintBackdrop(style.backdrop, rng);
  const front = renderPlaced(drawing, style.place(rng));
  const pixels = new Float32Array(SCENE_SIZE * SCENE_SIZE * 3);
  for (let y = 0, p = 0; y < SCENE_SIZE; y++) {
    for (let x = 0; x < SCENE_SIZE; x++, p++) {
      const through = 1 - front[p * 4 + 3]! / 255;
      for (let c = 0; c < 3; c++) {
        const back = through === 0 ? 0 : Math.min(255, Math.max(0, paint(x / SCENE_SIZE, y / SCENE_SIZE, c)));
        pixels[p * 3 + c] = front[p * 4 + c]! + back * through;
      }
    }
  }
  if (style.tint) tint(pixels, rng);
  let data = new Uint8Array(Uint8ClampedArray.from(pixels).buffer);
  const { share, from, to } = style.jpeg;
  if (rng.chance(share)) data = new Uint8Array(await throughJpeg(data, Math.round(rng.uniform(from, to))));
  return { data, width: SCENE_SIZE, height: SCENE_SIZE };
}
