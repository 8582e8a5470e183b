/** Views of pictures: another crop, other light each time they are seen, so that a few thousand pictures last. */
import type { Rng } from '../autodiff/index.ts';

/** How far views may go. A mirror image is none: captions say left and right, and pictures hold letters. */
const SMALLEST_CROP = 0.68;
/** Contrast times 1 ± this; brightness and each colour ± so much of 255. */
const CONTRAST = 0.2;
const BRIGHTNESS = 16;
const TINT = 6;

/**
 * A random square of each picture at another size, its light changed: planes [n, 3, from, from] → [n, 3, to, to],
 * bilinear. Captions name colours: tints stay small.
 */
export function augment(images: Uint8Array, from: number, to: number, rng: Rng): Uint8Array {
  const count = images.length / (3 * from * from);
  const views = new Uint8Array(count * 3 * to * to);
  for (let n = 0; n < count; n++) {
    const side = from * rng.uniform(SMALLEST_CROP, 1);
    const [xs, ys] = [0, 1].map(() => places(rng.uniform(0, from - side), side, from, to)) as [
      Places,
      Places,
    ];
    const contrast = 1 + rng.uniform(-CONTRAST, CONTRAST);
    const brightness = rng.uniform(-BRIGHTNESS, BRIGHTNESS);
    for (let channel = 0; channel < 3; channel++) {
      const plane = (3 * n + channel) * from * from;
      const shift = 128 + brightness + rng.uniform(-TINT, TINT) - 128 * contrast;
      let at = (3 * n + channel) * to * to;
      for (let y = 0; y < to; y++) {
        const row = plane + ys.first[y]! * from;
        const share = ys.share[y]!;
        for (let x = 0; x < to; x++, at++) {
          const place = row + xs.first[x]!;
          const along = xs.share[x]!;
          const above = images[place]! + along * (images[place + 1]! - images[place]!);
          const below = images[place + from]! + along * (images[place + from + 1]! - images[place + from]!);
          const value = contrast * (above + share * (below - above)) + shift;
          views[at] = value <= 0 ? 0 : value >= 255 ? 255 : value + 0.5;
        }
      }
    }
  }
  return views;
}

/** For each pixel of an edge: the first of the two that it lies between, and how far it is towards the second. */
interface Places {
  readonly first: Int32Array;
  readonly share: Float32Array;
}

function places(start: number, side: number, from: number, to: number): Places {
  const first = new Int32Array(to);
  const share = new Float32Array(to);
  for (let i = 0; i < to; i++) {
    const at = Math.min(Math.max(start + ((i + 0.5) * side) / to - 0.5, 0), from - 1);
    first[i] = Math.min(Math.floor(at), from - 2);
    share[i] = at - first[i]!;
  }
  return { first, share };
}
