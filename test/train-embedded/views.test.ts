import { expect, test } from 'vitest';
import { type Drawing, loadDrawings } from '../../examples/train-embedded/drawings.ts';
import { backgroundName, drawViews, pixelValuesOf } from '../../examples/train-embedded/views.ts';

const VALUES = 3 * 64 * 64;
const drawings = loadDrawings('twemoji').slice(100, 112);

/** A square of one colour that fills its box. */
const square = (id: string, colour: string): Drawing => ({
  ...drawings[0]!,
  id,
  svg: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10" width="10" height="10"><path fill="${colour}" d="M0 0h10v10H0z"/></svg>`,
});

test('a view depends on its drawing, its style and its number alone', () => {
  const all = drawViews(drawings, 'varied', 3);
  const third = drawViews([drawings[2]!], 'varied', 3);
  expect(third).toEqual(all.slice(2 * VALUES, 3 * VALUES));
  expect(drawViews([drawings[2]!], 'varied', 4)).not.toEqual(third);
});

test('a square takes the place it should, on white, whole or partly outside', () => {
  const squares = Array.from({ length: 40 }, (_, i) => square(`black ${i}`, '#000'));
  const pixels = drawViews(squares, 'plain', 0);
  for (let i = 0; i < squares.length; i++) {
    const view = pixels.subarray(i * VALUES, (i + 1) * VALUES);
    const darkness = view.reduce((sum, v) => sum + (255 - v) / 255, 0) / VALUES;
    // Sides of 59 to 118 % of the frame; stretched ones keep their area, moved ones lose at most 0.2 of a side
    expect(darkness).toBeGreaterThan(0.59 ** 2 - 0.02);
    expect(darkness).toBeLessThanOrEqual(1);
  }
});

test('light, bend and tint leave a red square red, and white has no name', () => {
  const squares = Array.from({ length: 40 }, (_, i) => square(`red ${i}`, '#d01010'));
  const pixels = drawViews(squares, 'varied', 1);
  squares.forEach((_, i) => {
    const at = (x: number, y: number) => [0, 1, 2].map((c) => pixels[i * VALUES + (y * 64 + x) * 3 + c]!);
    const [red, green, blue] = at(32, 32) as [number, number, number];
    expect(red).toBeGreaterThan(1.3 * Math.max(green, blue));
  });
  expect(squares.every((drawing) => backgroundName(drawing, 'white', 1) === null)).toBe(true);
});

test('pixel values are planes of red, green and blue from 0 to 1', () => {
  const values = pixelValuesOf(Uint8Array.from({ length: VALUES }, (_, i) => [255, 0, 51][i % 3]!));
  expect([values[0], values[4096], values[2 * 4096]]).toEqual([1, 0, Math.fround(0.2)]);
});
