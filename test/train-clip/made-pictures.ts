import sharp from 'sharp';
import { Rng, seedOf } from '../../examples/autodiff/index.ts';
import type { Pairs } from '../../examples/train-clip/data.ts';

/** Words of captions, so that each says which picture it is of. */
const COLOURS = ['red', 'green', 'blue', 'orange', 'purple', 'teal', 'black', 'olive'];
const THINGS = ['tiles', 'blocks', 'bricks', 'squares'];

/** Pixels a side of a made picture. */
const SIDE = 96;
const CELLS = 8;

/** Picture `n`: tiles at random, so that no two have like perceptual hashes; R, G, B by pixel. */
function madePixels(n: number): Uint8Array {
  const rng = new Rng(seedOf('made picture', n));
  const cells = Uint8Array.from({ length: 3 * CELLS * CELLS }, () => rng.int(256));
  const cell = SIDE / CELLS;
  return Uint8Array.from({ length: 3 * SIDE * SIDE }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % SIDE, Math.floor(i / 3 / SIDE)];
    return cells[3 * (Math.floor(y / cell) * CELLS + Math.floor(x / cell)) + (i % 3)]!;
  });
}

export const madeCaption = (n: number): string =>
  `a picture of ${COLOURS[n % 8]} ${THINGS[Math.floor(n / 8) % 4]}, number ${n}`;

export const madePng = (n: number): Promise<Uint8Array> =>
  sharp(madePixels(n), { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .png()
    .toBuffer();

/** The first `count` pictures as a loader gives them, [count, 3, side, side]. @param side divides 96 */
export function madePairs(count: number, side: number): Pairs {
  const images = new Uint8Array(count * 3 * side * side);
  const step = SIDE / side;
  for (let n = 0; n < count; n++) {
    const pixels = madePixels(n);
    for (let i = 0; i < 3 * side * side; i++) {
      const [channel, y, x] = [Math.floor(i / side / side), Math.floor(i / side) % side, i % side];
      images[n * 3 * side * side + i] = pixels[3 * (y * step * SIDE + x * step) + channel]!;
    }
  }
  const numbers = [...Array(count).keys()];
  return { images, texts: numbers.map(madeCaption), keys: numbers.map(String) };
}
