import { expect, it } from 'vitest';
import { Rng } from '../../examples/autodiff/index.ts';
import { augment } from '../../examples/train-clip/augment.ts';

const [FROM, TO] = [20, 16];
/** A picture that is dark on the left and light on the right, evenly. */
const slope = Uint8Array.from({ length: 3 * FROM * FROM }, (_, i) => 60 + 6 * (i % FROM));

it('gives the same views for the same seed, others for another', () => {
  const view = (seed: number) => augment(slope, FROM, TO, new Rng(seed));
  expect(view(1)).toEqual(view(1));
  expect(view(1)).not.toEqual(view(2));
  expect(view(1)).toHaveLength(3 * TO * TO);
});

it('never mirrors, and cuts out between two thirds and all of a picture', () => {
  for (let seed = 0; seed < 200; seed++) {
    const view = augment(slope, FROM, TO, new Rng(seed));
    const rise = view[TO - 1]! - view[0]!;
    // Pixels of the edges lie half a pixel inside: 15/16 of what is cut out, at most, by at most 1.2 times the contrast.
    expect(rise).toBeGreaterThan(6 * FROM * 0.68 * (15 / 16) * 0.8 - 4);
    expect(rise).toBeLessThan(6 * FROM * 1.2);
    for (let x = 1; x < TO; x++) expect(view[x]!).toBeGreaterThanOrEqual(view[x - 1]!);
  }
});

it('leaves a picture of one colour one colour for each channel, about the same', () => {
  const flat = new Uint8Array(3 * FROM * FROM).fill(100);
  for (let seed = 0; seed < 50; seed++) {
    const view = augment(flat, FROM, TO, new Rng(seed));
    for (let channel = 0; channel < 3; channel++) {
      const plane = view.subarray(channel * TO * TO, (channel + 1) * TO * TO);
      expect(new Set(plane).size).toBe(1);
      expect(Math.abs(plane[0]! - 100)).toBeLessThan(6 + 16 + 6 + 1);
    }
  }
});
