import { imageAddress } from '../api.ts';
import type { Taken } from './labels.ts';
import { touch } from './labels.ts';
import type { Picked, Points } from './points.ts';
import { type Size, scaleOf, toFrame, type View } from './view.ts';

/** Near enough for pictures: so few points in the frame, or so many times nearer than the whole map. */
const [FEW_POINTS, NEAR] = [1500, 4];
/** Pixels of a cell that gets a picture, with many points in the frame and with few, and the longer side of one. */
const [CELL, FEW_CELL, SIDE] = [104, 76, 64];
const MOST = 60;
const KEPT = 300;

export interface Thumbnail {
  /** Where its point is in the frame. */
  readonly x: number;
  readonly y: number;
  /** Where that is on the map. */
  readonly at: Picked;
  readonly image: HTMLImageElement;
  /** Colour of its point, by its place in the palette. */
  readonly colour: number;
}

/** Pictures of points that stand for those around them. */
export class Thumbnails {
  readonly #onLoad: () => void;
  /** Least recently shown first. */
  readonly #images = new Map<number, HTMLImageElement>();

  constructor(onLoad: () => void) {
    this.#onLoad = onLoad;
  }

  /**
   * The first point of each cell of the map gets its picture: points come as a sample does, and cells stay where they are
   * while one wanders, so that pictures do not come and go.
   *
   * @param seen points in the frame
   * @param taken where no picture may be, as names are there
   */
  within(
    tiles: readonly Points[],
    { view, size, seen }: { readonly view: View; readonly size: Size; readonly seen: number },
    taken: readonly Taken[],
    colourOf: (points: Points, i: number) => number,
  ): Thumbnail[] {
    if (seen > FEW_POINTS && view.zoom < NEAR) return [];
    const scale = scaleOf(view, size);
    const cells = 2 ** Math.floor(Math.log2(scale / (seen > FEW_POINTS / 4 ? CELL : FEW_CELL)));
    const filled = new Set<number>();
    const boxes: Taken[] = [...taken];
    const out: Thumbnail[] = [];
    for (const points of tiles)
      for (let i = 0; i < points.ids.length && out.length < MOST; i++) {
        const [mapX, mapY] = [points.x[i] ?? 0, points.y[i] ?? 0];
        const [x, y] = toFrame(view, size, mapX, mapY);
        if (x < 0 || y < 0 || x > size.width || y > size.height) continue;
        const cell = Math.floor(mapY * cells) * cells + Math.floor(mapX * cells);
        if (filled.has(cell)) continue;
        const half = SIDE / 2 + 2;
        const box = { left: x - half, right: x + half, top: y - half, bottom: y + half };
        if (boxes.some((other) => touch(other, box))) continue;
        filled.add(cell);
        boxes.push(box);
        const id = points.ids[i] ?? 0;
        out.push({ x, y, at: { id, x: mapX, y: mapY }, image: this.#image(id), colour: colourOf(points, i) });
      }
    return out;
  }

  #image(id: number): HTMLImageElement {
    let image = this.#images.get(id);
    if (!image) {
      image = new Image();
      image.decoding = 'async';
      image.onload = this.#onLoad;
      image.src = imageAddress(id);
    }
    this.#images.delete(id);
    this.#images.set(id, image);
    for (const [oldest] of this.#images) {
      if (this.#images.size <= KEPT) break;
      this.#images.delete(oldest);
    }
    return image;
  }
}

/** Draws a picture round its point, whole, with a rim of the point's colour. */
export function drawThumbnail(
  context: CanvasRenderingContext2D,
  { x, y, image }: Thumbnail,
  rim: string,
): void {
  if (!image.complete || image.naturalWidth === 0) return;
  const shrink = SIDE / Math.max(image.naturalWidth, image.naturalHeight);
  const [width, height] = [image.naturalWidth * shrink, image.naturalHeight * shrink];
  const [left, top] = [x - width / 2, y - height / 2];
  context.save();
  context.beginPath();
  context.roundRect(left - 2, top - 2, width + 4, height + 4, 6);
  context.fillStyle = rim;
  context.shadowColor = 'rgb(0 0 0 / 0.35)';
  context.shadowBlur = 8;
  context.shadowOffsetY = 1;
  context.fill();
  context.restore();
  context.save();
  context.beginPath();
  context.roundRect(left, top, width, height, 4);
  context.clip();
  context.drawImage(image, left, top, width, height);
  context.restore();
}

/** The point whose picture is at a place of the frame. */
export function pictureAt(pictures: readonly Thumbnail[], [x, y]: readonly [number, number]): Picked | null {
  const half = SIDE / 2;
  const found = pictures.findLast(
    (picture) =>
      picture.image.naturalWidth > 0 && Math.abs(picture.x - x) <= half && Math.abs(picture.y - y) <= half,
  );
  return found?.at ?? null;
}
