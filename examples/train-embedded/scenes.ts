/** Pictures that the model is measured on, like those of web pages: drawings on a background, saved as JPEG. */
import sharp from 'sharp';
import { Rng, seedOf } from '../autodiff/rng.ts';
import { type Backdrop, paintBackdrop } from './backdrops.ts';
import { type Drawing, renderDrawing } from './drawings.ts';
import { IMAGE_SIZE } from './patches.ts';
import { type Picture, writePixelValues } from './resize.ts';

sharp.concurrency(1);

/** Side of a scene in pixels, before it is made small for the encoder. */
const SCENE_SIZE = 128;

/** How a drawing lies in its scene. */
interface Placement {
  /** Longest side of the drawing over the side of the scene. */
  readonly scale: number;
  /** Middle of the drawing, 0..1 of the scene. */
  readonly x: number;
  readonly y: number;
}

/** JPEG quality of scenes, from and to. */
const QUALITY = [70, 92] as const;

/** Anywhere inside the frame, at 70 to 100 % of its side. */
function placeInside(rng: Rng): Placement {
  const scale = rng.uniform(0.7, 1);
  const middle = () => scale / 2 + rng.uniform(0, 1 - scale);
  return { scale, x: middle(), y: middle() };
}

/** The drawing alone on a transparent square, placed by the renderer itself, so that edges stay smooth. */
function renderPlaced(drawing: Pick<Drawing, 'svg'>, p: Placement): Uint8Array {
  const box = /viewBox="[^"]*" width="([\d.]+)" height="([\d.]+)"/.exec(drawing.svg);
  const [width, height] = [Number(box?.[1] ?? 1), Number(box?.[2] ?? 1)];
  const size = SCENE_SIZE;
  const unit = (p.scale * size) / Math.max(width, height);
  const moves = [
    `translate(${p.x * size} ${p.y * size})`,
    `scale(${unit} ${unit})`,
    `translate(${-width / 2} ${-height / 2})`,
  ].join(' ');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 ${size} ${size}"><g transform="${moves}">${drawing.svg}</g></svg>`;
  return renderDrawing({ svg }, size).data;
}

async function throughJpeg(data: Uint8Array, quality: number): Promise<Uint8Array> {
  const raw = { width: SCENE_SIZE, height: SCENE_SIZE, channels: 3 as const };
  const file = await sharp(data, { raw }).jpeg({ quality }).toBuffer();
  return await sharp(file).raw().toBuffer();
}

/** Makes one scene; the same random numbers give the same scene. */
export async function composeScene(
  drawing: Pick<Drawing, 'svg'>,
  backdrop: Backdrop,
  rng: Rng,
): Promise<Picture> {
  const { paint } = paintBackdrop(backdrop, rng);
  const front = renderPlaced(drawing, placeInside(rng));
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
  rng.uniform(); // once chose whether; kept so that scenes are those of earlier figures
  const bytes = new Uint8Array(Uint8ClampedArray.from(pixels).buffer);
  const data = await throughJpeg(bytes, Math.round(rng.uniform(...QUALITY)));
  return { data: new Uint8Array(data), width: SCENE_SIZE, height: SCENE_SIZE };
}

/** Pixel values [drawings, 3, 64, 64] of a scene of each drawing. @param again - Another number, other scenes. */
export async function scenesOf(
  drawings: readonly Drawing[],
  backdrop: Backdrop,
  again = 0,
): Promise<Float32Array> {
  const values = 3 * IMAGE_SIZE ** 2;
  const pixels = new Float32Array(drawings.length * values);
  for (const [i, drawing] of drawings.entries()) {
    // One seed for each drawing, so that neither the order nor the choice of drawings matters
    const rng = new Rng(seedOf('view', drawing.set, drawing.id, `test-${backdrop}`, again));
    writePixelValues(await composeScene(drawing, backdrop, rng), IMAGE_SIZE, pixels, i * values);
  }
  return pixels;
}
