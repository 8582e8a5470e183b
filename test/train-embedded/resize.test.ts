import sharp from 'sharp';
import { expect, test } from 'vitest';
import { Rng } from '../../examples/autodiff/rng.ts';
import { type Picture, resizeBicubic, writePixelValues } from '../../examples/train-embedded/resize.ts';

/** Smooth waves with a hard edge: what a resize gets wrong if it aliases or is shifted. */
function testPicture(width: number, height: number): Picture {
  const rng = new Rng(1);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    const wave = 100 + 50 * Math.sin(x / 5) + 40 * Math.cos(y / 7);
    data.set([wave, x > width / 3 ? 230 : 20, Math.min(255, wave + rng.int(30))], i * 3);
  }
  return { data, width, height };
}

test.each([
  [128, 128],
  [160, 160],
  [300, 300],
])("a picture of %i × %i becomes what libvips' cubic kernel makes of it", async (width, height) => {
  const picture = testPicture(width, height);
  const raw = { width, height, channels: 3 as const };
  const expected = await sharp(picture.data, { raw })
    .resize(64, 64, { kernel: 'cubic', fit: 'fill' })
    .raw()
    .toBuffer();
  const actual = resizeBicubic(picture, 64, 64).data;
  const differences = Array.from(actual, (v, i) => Math.abs(v - expected[i]!));
  expect(differences.reduce((a, b) => a + b) / differences.length).toBeLessThan(0.6);
});

test('an oblong picture is cut at its middle', () => {
  const width = 192;
  const data = new Uint8Array(width * 64 * 3);
  for (let i = 0; i < data.length; i++)
    data[i] = Math.floor(i / 3) % width >= 64 && Math.floor(i / 3) % width < 128 ? 255 : 0;
  const values = new Float32Array(3 * 64 * 64);
  writePixelValues({ data, width, height: 64 }, 64, values, 0);
  expect(values.every((v) => v === 1)).toBe(true);
});

test('a picture of the right size stays as it is', () => {
  const picture = testPicture(64, 64);
  expect(resizeBicubic(picture, 64, 64).data).toEqual(picture.data);
});
