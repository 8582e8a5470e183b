import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  encodeImage,
  needsEncoding,
  planResize,
  type ResizeMode,
  type ResizeOptions,
  resizeImage,
} from '../../src/image/index.ts';
import type { RgbImage } from '../../src/schema/index.ts';

/** Red by column, green by row, blue by their product. */
function gradient(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    data.set([x * 40, y * 60, x * y * 9], i * 3);
  }
  return { data, width, height };
}

function resized(image: RgbImage, options: ResizeOptions): RgbImage {
  const outcome = resizeImage(image, options);
  if (!outcome.kept) throw new Error(outcome.detail);
  return outcome.value;
}

const MODES = ['border', 'keep_ratio', 'keep_ratio_largest', 'center_crop'] as const;

describe('planResize', () => {
  // Sizes that img2dataset 1.47.0 gives with size 256, in the order of MODES; the second list with
  // --resize_only_if_bigger.
  it.each([
    ['257x256', '256x256 257x256 256x255 256x256', '256x256 257x256 256x255 257x256'],
    ['256x257', '256x256 256x257 255x256 256x256', '256x256 256x257 255x256 256x257'],
    ['100x37', '256x256 692x256 256x95 256x256', '100x37 100x37 100x37 100x37'],
    ['500x375', '256x256 341x256 256x192 256x256', '256x256 341x256 256x192 256x256'],
    // 5 · 256 / 512 is 2.5: halves go to the even side.
    ['512x5', '256x256 26214x256 256x2 256x256', '256x256 512x5 256x2 512x5'],
    ['512x3', '256x256 43691x256 256x2 256x256', '256x256 512x3 256x2 512x3'],
    ['1x1000', '256x256 256x256000 1x256 256x256', '256x256 1x1000 1x256 1x1000'],
    ['511x255', '256x256 513x256 256x128 256x256', '256x256 511x255 256x128 511x255'],
    ['640x427', '256x256 384x256 256x171 256x256', '256x256 384x256 256x171 256x256'],
    ['1x1', '256x256 256x256 256x256 256x256', '1x1 1x1 1x1 1x1'],
  ])('has img2dataset’s sizes for %s', (from, always, onlyIfBigger) => {
    const [width = 0, height = 0] = from.split('x').map(Number);
    const sizes = (only: boolean) =>
      MODES.map((mode) => {
        const plan = planResize({ width, height }, { mode, size: 256, onlyIfBigger: only });
        return `${plan.width}x${plan.height}`;
      }).join(' ');
    expect(sizes(false)).toBe(always);
    expect(sizes(true)).toBe(onlyIfBigger);
  });

  it('leaves everything alone in mode no', () => {
    const plan = planResize({ width: 9, height: 4000 }, { mode: 'no', size: 256, onlyIfBigger: false });
    expect(plan).toMatchObject({ width: 9, height: 4000, filter: undefined, applied: false });
  });

  it('shrinks by area, enlarges by Lanczos, and says where it did neither', () => {
    const of = (width: number, height: number, onlyIfBigger = false) => {
      const { filter, applied } = planResize({ width, height }, { mode: 'border', size: 256, onlyIfBigger });
      return { filter, applied };
    };
    expect(of(300, 20)).toEqual({ filter: 'area', applied: true });
    expect(of(200, 20)).toEqual({ filter: 'lanczos', applied: true });
    expect(of(256, 20)).toEqual({ filter: undefined, applied: true });
    expect(of(200, 20, true)).toEqual({ filter: undefined, applied: false });
  });
});

describe('resizeImage', () => {
  // What img2dataset 1.47.0 (OpenCV 4.14) makes of gradient(width, height), by way of PNG.
  const CASES: readonly { from: [number, number]; mode: ResizeMode; size: number; pixels: number[] }[] = [
    {
      from: [7, 5],
      mode: 'keep_ratio',
      size: 3,
      pixels: [
        17, 24, 2, 86, 24, 8, 154, 24, 14, 223, 24, 20, 17, 120, 8, 86, 120, 39, 154, 120, 69, 223, 120, 100,
        17, 216, 14, 86, 216, 69, 154, 216, 125, 223, 216, 181,
      ],
    },
    {
      from: [7, 5],
      mode: 'border',
      size: 4,
      pixels: [
        17, 24, 2, 86, 24, 8, 154, 24, 14, 223, 24, 20, 17, 120, 8, 86, 120, 39, 154, 120, 69, 223, 120, 100,
        17, 216, 14, 86, 216, 69, 154, 216, 125, 223, 216, 181, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255,
      ],
    },
    {
      from: [7, 5],
      mode: 'center_crop',
      size: 3,
      pixels: [
        17, 24, 2, 86, 24, 8, 154, 24, 14, 17, 120, 8, 86, 120, 39, 154, 120, 69, 17, 216, 14, 86, 216, 69,
        154, 216, 125,
      ],
    },
    {
      from: [3, 2],
      mode: 'keep_ratio_largest',
      size: 5,
      pixels: [
        0, 0, 0, 11, 0, 0, 40, 0, 0, 69, 0, 0, 83, 0, 0, 0, 30, 0, 11, 30, 1, 40, 30, 4, 69, 30, 8, 82, 30, 9,
        0, 65, 0, 11, 65, 3, 40, 65, 10, 69, 65, 17, 83, 65, 20,
      ],
    },
    {
      from: [3, 2],
      mode: 'center_crop',
      size: 4,
      pixels: [
        6, 0, 0, 27, 0, 0, 53, 0, 0, 74, 0, 0, 6, 13, 0, 27, 13, 1, 53, 13, 3, 74, 13, 4, 6, 47, 1, 27, 47, 5,
        53, 47, 9, 74, 47, 13, 6, 67, 2, 27, 67, 7, 53, 67, 13, 74, 67, 18,
      ],
    },
    {
      from: [3, 2],
      mode: 'border',
      size: 3,
      pixels: [
        0, 0, 0, 40, 0, 0, 80, 0, 0, 0, 60, 0, 40, 60, 9, 80, 60, 18, 255, 255, 255, 255, 255, 255, 255, 255,
        255,
      ],
    },
  ];
  it.each(CASES)(
    '$from.0 × $from.1, $mode $size, within a level of OpenCV',
    ({ from, mode, size, pixels }) => {
      const { data } = resized(gradient(...from), { mode, size, onlyIfBigger: false });
      expect(data.length).toBe(pixels.length);
      expect(Math.max(...pixels.map((level, i) => Math.abs(level - (data[i] ?? -9))))).toBeLessThanOrEqual(1);
    },
  );

  it('gives the image itself where nothing changes', () => {
    const image = gradient(8, 8);
    const { data } = resized(image, { mode: 'border', size: 9, onlyIfBigger: true });
    expect(data).toBe(image.data);
  });

  it('refuses results that no file or memory holds', () => {
    const strip = { data: new Uint8Array(3000), width: 1000, height: 1 };
    const keep = { mode: 'keep_ratio', size: 256, onlyIfBigger: false } as const;
    expect(resizeImage(strip, keep)).toMatchObject({ reason: 'aspect', detail: '256000×256' });
    expect(resizeImage(gradient(20, 10), { ...keep, maxPixels: 1000 })).toMatchObject({ reason: 'aspect' });
    expect(resized(strip, { ...keep, mode: 'center_crop' })).toMatchObject({ width: 256, height: 256 });
  });
});

describe('encodeImage', () => {
  const smooth = Array.from({ length: 60 * 40 }, (_, i) => [i % 60, Math.floor(i / 40), 90]);
  const image = { data: Uint8Array.from(smooth.flat()), width: 60, height: 40 };

  it.each([
    ['jpg', 95, 'jpeg'],
    ['png', 6, 'png'],
    ['webp', 95, 'webp'],
    ['webp', 101, 'webp'],
  ] as const)('writes %s at quality %i', async (format, quality, name) => {
    const outcome = await encodeImage(image, { format, quality });
    if (!outcome.kept) throw new Error(outcome.detail);
    const back = sharp(outcome.value);
    expect(await back.metadata()).toMatchObject({ format: name, width: 60, height: 40, hasAlpha: false });
    const pixels = await back.raw().toBuffer();
    if (format === 'png' || quality > 100) expect(Buffer.compare(pixels, image.data)).toBe(0);
    const apart = pixels.reduce((sum, v, i) => sum + Math.abs(v - (image.data[i] ?? 0)), 0) / pixels.length;
    expect(apart).toBeLessThan(3);
  });

  it('refuses what the format cannot hold', async () => {
    const long = { data: new Uint8Array(16_384 * 3), width: 16_384, height: 1 };
    expect(await encodeImage(long, { format: 'webp', quality: 90 })).toMatchObject({ reason: 'pixels' });
    expect(await encodeImage(long, { format: 'jpg', quality: 90 })).toMatchObject({ kept: true });
    const longer = { data: new Uint8Array(65_501 * 3), width: 65_501, height: 1 };
    expect(await encodeImage(longer, { format: 'jpg', quality: 90 })).toMatchObject({ reason: 'pixels' });
  });
});

describe('needsEncoding', () => {
  const options = { format: 'jpg', skipReencode: false, disableAllReencoding: false } as const;
  const jpeg = { format: 'jpeg', alpha: false } as const;

  it('is always so, unless an option says otherwise', () => {
    expect(needsEncoding(jpeg, { applied: false }, options)).toBe(true);
    expect(needsEncoding(jpeg, { applied: true }, { ...options, disableAllReencoding: true })).toBe(false);
  });

  it('keeps the bytes of what is right already', () => {
    const skip = { ...options, skipReencode: true };
    expect(needsEncoding(jpeg, { applied: false }, skip)).toBe(false);
    expect(needsEncoding(jpeg, { applied: true }, skip)).toBe(true);
    expect(needsEncoding({ format: 'png', alpha: false }, { applied: false }, skip)).toBe(true);
    const png = { ...skip, format: 'png' } as const;
    expect(needsEncoding({ format: 'png', alpha: false }, { applied: false }, png)).toBe(false);
    expect(needsEncoding({ format: 'png', alpha: true }, { applied: false }, png)).toBe(true);
  });
});
