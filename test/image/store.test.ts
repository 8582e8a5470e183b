import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  encodeJpeg,
  MAX_JPEG_SIDE,
  perceptualHash,
  resample,
  resizeForStore,
} from '../../src/image/index.ts';
import type { RgbImage } from '../../src/schema/index.ts';

/** 40 × 30, busy. */
const busy = picture(40, 30, (x, y) => [x * 37 + y * 11, x * x + y * 3, x * 5 + y * y]);
/** Smooth, as photos are. */
const smooth = picture(300, 200, (x, y) => [127 + 127 * Math.sin(x / 31), y, 255 - (x * 255) / 300]);

function picture(width: number, height: number, at: (x: number, y: number) => readonly number[]): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set(at(i % width, Math.floor(i / width)), i * 3);
  return { data, width, height };
}

describe('resizeForStore', () => {
  it.each([
    [512, 1024, 256, 512],
    [1000, 333, 769, 256],
    [256, 9000, 256, 9000],
    [100, 80, 100, 80],
    [257, 257, 256, 256],
  ])('%i × %i is stored as %i × %i', (width, height, storedWidth, storedHeight) => {
    const stored = resizeForStore(
      picture(width, height, () => [1, 2, 3]),
      { shortestSide: 256 },
    );
    expect([stored.width, stored.height]).toEqual([storedWidth, storedHeight]);
    expect(stored.data.length).toBe(storedWidth * storedHeight * 3);
  });

  it('takes the mean over the area', () => {
    const checks = picture(4, 4, (x, y) => [(x + y) % 2 ? 200 : 100, x < 2 ? 10 : 20, y < 2 ? 30 : 40]);
    const stored = resizeForStore(checks, { shortestSide: 2 });
    expect([...stored.data]).toEqual([150, 10, 30, 150, 20, 30, 150, 10, 40, 150, 20, 40]);
  });
});

describe('encodeJpeg', () => {
  it('writes a 4:2:0 JPEG that another decoder reads back', async () => {
    const jpeg = await encodeJpeg(smooth, 95);
    const { format, width, height, chromaSubsampling, isProgressive } = await sharp(jpeg).metadata();
    expect({ format, width, height, chromaSubsampling, isProgressive }).toEqual({
      format: 'jpeg',
      width: 300,
      height: 200,
      chromaSubsampling: '4:2:0',
      isProgressive: false,
    });
    const back = await sharp(jpeg).raw().toBuffer();
    const apart = back.reduce((sum, v, i) => sum + Math.abs(v - (smooth.data[i] ?? 0)), 0) / back.length;
    expect(apart).toBeLessThan(2);
  });

  it('spends fewer bytes at lower quality, and the same bytes each time', async () => {
    const [good, poor, again] = [
      await encodeJpeg(busy, 95),
      await encodeJpeg(busy, 40),
      await encodeJpeg(busy, 95),
    ];
    expect(poor.length).toBeLessThan(good.length);
    expect(Buffer.compare(good, again)).toBe(0);
  });

  it('writes the longest side there is', async () => {
    const strip = picture(MAX_JPEG_SIDE, 1, () => [9, 9, 9]);
    expect(await sharp(await encodeJpeg(strip, 90)).metadata()).toMatchObject({
      width: MAX_JPEG_SIDE,
      height: 1,
    });
    await expect(
      encodeJpeg(
        picture(MAX_JPEG_SIDE + 36, 1, () => [9, 9, 9]),
        90,
      ),
    ).rejects.toThrow();
  });
});

describe('perceptualHash', () => {
  it('is the dHash of Pillow: resize((9, 8), BOX), convert("L"), right brighter than left', () => {
    expect(perceptualHash(busy)).toBe('d3dae456d6d0d1d9');
  });

  it('has a bit for each step to the right that gets brighter', () => {
    expect(perceptualHash(picture(90, 80, (x) => [x, x, x]))).toBe('ffffffffffffffff');
    expect(perceptualHash(picture(90, 80, (x) => [90 - x, 90 - x, 90 - x]))).toBe('0000000000000000');
    // Brighter in the last step of the first row alone: bit 56 from the right.
    expect(perceptualHash(picture(9, 8, (x, y) => (x === 8 && y === 0 ? [9, 9, 9] : [0, 0, 0])))).toBe(
      '0100000000000000',
    );
  });

  it('hardly changes with size and quality, and does with the picture', async () => {
    const bits = (a: string, b: string) =>
      (BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2).replaceAll('0', '').length;
    const jpeg = await encodeJpeg(resample(smooth, 120, 80, 'bicubic'), 60);
    const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
    const copy = { data, width: info.width, height: info.height };
    expect(bits(perceptualHash(smooth), perceptualHash(copy))).toBeLessThanOrEqual(4);
    expect(bits(perceptualHash(smooth), perceptualHash(busy))).toBeGreaterThan(15);
  });
});
