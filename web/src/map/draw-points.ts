import type { Palette, Rgb } from './colours.ts';
import type { Points } from './points.ts';
import { type Size, scaleOf, type View } from './view.ts';

/** Radius of a point in pixels, by how much room each has. */
const [SMALLEST, LARGEST] = [1.25, 5];

/**
 * Draws points as soft discs into the pixels of a canvas, which needs no WebGL.
 *
 * @param ratio pixels of the canvas a pixel of the page
 * @returns points in the frame
 */
export function drawPoints(
  context: CanvasRenderingContext2D,
  tiles: readonly Points[],
  { view, size, ratio }: { readonly view: View; readonly size: Size; readonly ratio: number },
  palette: Palette,
  paper: Rgb,
): number {
  const [width, height] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
  if (width === 0 || height === 0) return 0;
  const image = context.createImageData(width, height);
  const pixels = image.data;
  new Uint32Array(pixels.buffer).fill((0xff000000 | (paper[2] << 16) | (paper[1] << 8) | paper[0]) >>> 0);
  const scale = scaleOf(view, size) * ratio;
  const [left, top] = [view.x * scale - width / 2, view.y * scale - height / 2];
  const seen = countSeen(tiles, scale, left, top, width, height);
  const room = Math.sqrt((width * height) / Math.max(1, seen));
  const disc = discOf(Math.min(LARGEST, Math.max(SMALLEST, 0.14 * (room / ratio))) * ratio);
  for (const tile of tiles)
    for (let i = 0; i < tile.ids.length; i++) {
      const x = Math.round((tile.x[i] ?? 0) * scale - left);
      const y = Math.round((tile.y[i] ?? 0) * scale - top);
      if (x < disc.reach || y < disc.reach || x >= width - disc.reach || y >= height - disc.reach) continue;
      const colour = palette.colours[palette.colourOf(tile, i)] ?? paper;
      for (let n = 0; n < disc.cover.length; n++) {
        const cover = disc.cover[n] ?? 0;
        const at = 4 * ((y + (disc.dy[n] ?? 0)) * width + x + (disc.dx[n] ?? 0));
        for (let c = 0; c < 3; c++) {
          const under = pixels[at + c] ?? 0;
          pixels[at + c] = under + ((colour[c] ?? 0) - under) * cover;
        }
      }
    }
  context.putImageData(image, 0, 0);
  return seen;
}

function countSeen(
  tiles: readonly Points[],
  scale: number,
  left: number,
  top: number,
  width: number,
  height: number,
): number {
  let seen = 0;
  for (const { x, y, ids } of tiles)
    for (let i = 0; i < ids.length; i++) {
      const [px, py] = [(x[i] ?? 0) * scale - left, (y[i] ?? 0) * scale - top];
      if (px >= 0 && py >= 0 && px < width && py < height) seen++;
    }
  return seen;
}

/** The pixels of a disc round its middle, and how much of each it covers. */
interface Disc {
  readonly reach: number;
  readonly dx: Int8Array;
  readonly dy: Int8Array;
  readonly cover: Float32Array;
}

/** How much of what is below shows through: where points lie on one another it is seen that there are many. */
const OPACITY = 0.85;

function discOf(radius: number): Disc {
  const reach = Math.ceil(radius + 0.5);
  const all: (readonly [number, number, number])[] = [];
  for (let dy = -reach; dy <= reach; dy++)
    for (let dx = -reach; dx <= reach; dx++) {
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.hypot(dx, dy)));
      if (cover > 0) all.push([dx, dy, OPACITY * cover]);
    }
  return {
    reach,
    dx: Int8Array.from(all, ([dx]) => dx),
    dy: Int8Array.from(all, ([, dy]) => dy),
    cover: Float32Array.from(all, ([, , cover]) => cover),
  };
}
