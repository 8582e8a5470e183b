import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileKernels } from '../../scripts/build-kernels.ts';
import { shrinkByArea } from '../../src/image/area.ts';
import type { Window } from '../../src/image/canvas.ts';
import { resample } from '../../src/image/index.ts';
import { enlargeByLanczos } from '../../src/image/lanczos.ts';
import type { RgbImage } from '../../src/schema/index.ts';

function noise(width: number, height: number, seed = 1, low = 1): RgbImage {
  const data = new Uint8Array(width * height * 3);
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // Black and white, where errors of weights show most, or any level.
    data[i] = low ? state >>> 24 : (state >>> 31) * 255;
  }
  return { data, width, height };
}

function drawn(
  draw: typeof shrinkByArea | typeof enlargeByLanczos,
  image: RgbImage,
  size: { width: number; height: number },
  window: Window = { left: 0, top: 0, ...size },
): RgbImage {
  const { width, height } = window;
  const data = new Uint8Array(width * height * 3);
  draw(image, size, window, { data, width, left: 0, top: 0 });
  return { data, width, height };
}

function crop({ data, width: full }: RgbImage, { left, top, width, height }: Window): RgbImage {
  const rows = Array.from({ length: height }, (_, y) => {
    const from = ((top + y) * full + left) * 3;
    return data.subarray(from, from + width * 3);
  });
  return { data: Uint8Array.from(Buffer.concat(rows)), width, height };
}

/** The mean over the area that each target pixel covers, in double precision, from the definition. */
function means({ data, width, height }: RgbImage, size: { width: number; height: number }): number[] {
  const overlap = (from: number, to: number, at: number) => Math.min(to, at + 1) - Math.max(from, at);
  const out: number[] = [];
  const [dx, dy] = [width / size.width, height / size.height];
  for (let Y = 0; Y < size.height; Y++)
    for (let X = 0; X < size.width; X++)
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (let y = Math.floor(Y * dy); y < Math.min(height, Math.ceil((Y + 1) * dy)); y++)
          for (let x = Math.floor(X * dx); x < Math.min(width, Math.ceil((X + 1) * dx)); x++)
            sum +=
              (data[(y * width + x) * 3 + c] ?? 0) *
              Math.max(0, overlap(Y * dy, (Y + 1) * dy, y)) *
              Math.max(0, overlap(X * dx, (X + 1) * dx, x));
        out.push(sum / dx / dy);
      }
  return out;
}

describe('kernels.generated.ts', () => {
  it('is what assembly/pixels.ts compiles to', () => {
    const path = new URL('../../src/image/kernels.generated.ts', import.meta.url);
    expect(readFileSync(path, 'utf8')).toBe(compileKernels('assembly/pixels.ts'));
  });
});

describe('shrinkByArea', () => {
  it('is within a level of the exact mean, whatever the sizes', () => {
    const side = fc.integer({ min: 1, max: 90 });
    fc.assert(
      fc.property(side, side, fc.nat(), fc.nat(), fc.nat(1), (width, height, w, h, low) => {
        const image = noise(width, height, width * 131 + height, low);
        const size = { width: 1 + (w % width), height: 1 + (h % height) };
        const ours = drawn(shrinkByArea, image, size).data;
        // Rounded, and slivers of a thousandth of a pixel left out, as OpenCV leaves them out.
        const off = means(image, size).map((mean, i) => Math.abs(mean - (ours[i] ?? -99)));
        expect(Math.max(...off)).toBeLessThan(0.9);
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    [700, 3, 1, 2],
    [1500, 2, 2, 1],
    [3, 9000, 2, 1],
    [2, 60_000, 1, 3],
  ])('of %i × %i to %i × %i, far beyond the usual', (width, height, w, h) => {
    const image = noise(width, height);
    const ours = drawn(shrinkByArea, image, { width: w, height: h }).data;
    const off = means(image, { width: w, height: h }).map((mean, i) => Math.abs(mean - (ours[i] ?? -99)));
    expect(Math.max(...off)).toBeLessThan(0.6);
  });

  it('draws a window as that part of the whole, and only on its place of the canvas', () => {
    const image = noise(211, 97);
    const size = { width: 83, height: 61 };
    const window = { left: 13, top: 7, width: 31, height: 23 };
    const whole = drawn(shrinkByArea, image, size);
    expect(drawn(shrinkByArea, image, size, window)).toEqual(crop(whole, window));
    const data = new Uint8Array(40 * 30 * 3).fill(201);
    shrinkByArea(image, size, window, { data, width: 40, left: 5, top: 3 });
    const canvas = { data, width: 40, height: 30 };
    expect(crop(canvas, { left: 5, top: 3, width: 31, height: 23 })).toEqual(crop(whole, window));
    expect(data.filter((v, i) => v !== 201 && !inside(i, 40, 5, 3, 31, 23)).length).toBe(0);
  });
});

function inside(i: number, full: number, left: number, top: number, width: number, height: number): boolean {
  const [x, y] = [Math.floor(i / 3) % full, Math.floor(i / 3 / full)];
  return x >= left && x < left + width && y >= top && y < top + height;
}

describe('what is too large for the kernels’ memory', () => {
  // Each whole is made by the loops in JavaScript, each part by the kernels: two implementations of one definition.
  it('is resampled alike', () => {
    const image = noise(300, 16_000);
    const whole = resample(image, 1100, 5, 'bicubic');
    const window = { left: 500, top: 1, width: 90, height: 3 };
    expect(resample(image, 1100, 5, 'bicubic', window)).toEqual(crop(whole, window));
  });

  it('is enlarged alike', () => {
    const image = noise(3, 4000);
    const size = { width: 1100, height: 4100 };
    const window = { left: 300, top: 1900, width: 400, height: 70 };
    const whole = drawn(enlargeByLanczos, image, size);
    expect(drawn(enlargeByLanczos, image, size, window)).toEqual(crop(whole, window));
  });

  it('is shrunk alike', () => {
    const image = noise(8000, 2100);
    const size = { width: 7990, height: 1 };
    const window = { left: 4000, top: 0, width: 50, height: 1 };
    const whole = drawn(shrinkByArea, image, size);
    const part = drawn(shrinkByArea, image, size, window);
    const off = [...crop(whole, window).data].map((v, i) => Math.abs(v - (part.data[i] ?? -99)));
    expect(Math.max(...off)).toBeLessThanOrEqual(1);
  });
});
