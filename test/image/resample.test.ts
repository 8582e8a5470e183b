import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type ResampleFilter, resample } from '../../src/image/index.ts';
import type { RgbImage } from '../../src/schema/index.ts';
import { sharedData } from './shared-data.ts';

/** 7 × 5: red by column, green by row, blue by their product. */
const gradient = image(7, 5, (x, y) => [x * 40, y * 60, (x * y * 9) % 256]);
const corner = image(2, 2, (x, y) => [x * 40, y * 60, (x * y * 9) % 256]);
const square = image(4, 4, (x, y) => {
  const level = x >= 1 && x < 3 && y >= 1 && y < 3 ? 255 : 0;
  return [level, level, level];
});

function image(width: number, height: number, at: (x: number, y: number) => readonly number[]): RgbImage {
  const data = Uint8Array.from({ length: width * height }, (_, i) => i);
  const pixels = [...data.keys()].flatMap((i) => at(i % width, Math.floor(i / width)));
  return { data: Uint8Array.from(pixels), width, height };
}

// What Pillow 11.3.0 gives: Image.fromarray(a).resize((3, 4), filter).
const PILLOW: Record<ResampleFilter, { down: number[]; up: number[] }> = {
  box: {
    down: [
      20, 0, 0, 120, 0, 0, 220, 0, 0, 20, 90, 7, 120, 90, 41, 220, 90, 75, 20, 180, 14, 120, 180, 81, 220,
      180, 149, 20, 240, 18, 120, 240, 108, 220, 240, 198,
    ],
    up: [
      0, 0, 0, 40, 0, 0, 40, 0, 0, 0, 0, 0, 40, 0, 0, 40, 0, 0, 0, 60, 0, 40, 60, 9, 40, 60, 9, 0, 60, 0, 40,
      60, 9, 40, 60, 9,
    ],
  },
  bilinear: {
    down: [
      34, 15, 2, 120, 15, 7, 206, 15, 12, 34, 85, 11, 120, 85, 38, 206, 85, 66, 34, 155, 20, 120, 155, 70,
      206, 155, 120, 34, 225, 29, 120, 225, 101, 206, 225, 174,
    ],
    up: [
      0, 0, 0, 20, 0, 0, 40, 0, 0, 0, 15, 0, 20, 15, 1, 40, 15, 2, 0, 45, 0, 20, 45, 4, 40, 45, 7, 0, 60, 0,
      20, 60, 5, 40, 60, 9,
    ],
  },
  bicubic: {
    down: [
      29, 8, 1, 120, 8, 4, 211, 8, 7, 29, 82, 9, 120, 82, 37, 211, 82, 65, 29, 158, 17, 120, 158, 71, 211,
      158, 126, 29, 232, 25, 120, 232, 104, 211, 232, 184,
    ],
    up: [
      0, 0, 0, 20, 0, 0, 43, 0, 0, 0, 12, 0, 20, 12, 1, 43, 12, 2, 0, 48, 0, 20, 48, 4, 43, 48, 8, 0, 65, 0,
      20, 65, 5, 43, 65, 11,
    ],
  },
};

describe('resample', () => {
  for (const filter of ['box', 'bilinear', 'bicubic'] as const) {
    it(`shrinks and enlarges as Pillow, ${filter}`, () => {
      expect([...resample(gradient, 3, 4, filter).data]).toEqual(PILLOW[filter].down);
      expect([...resample(corner, 3, 4, filter).data]).toEqual(PILLOW[filter].up);
    });
  }

  it('clips what overshoots between the passes, as Pillow', () => {
    const red = resample(square, 7, 3, 'bicubic').data.filter((_, i) => i % 3 === 0);
    const expected = [0, 19, 60, 63, 60, 19, 0, 0, 82, 255, 255, 255, 82, 0, 0, 19, 60, 63, 60, 19, 0];
    expect([...red]).toEqual(expected);
  });

  it('brings very tall pictures to their height first, as Pillow', () => {
    const tall = image(2, 230, (x, y) => [x * 101 + y * 37, y * y * 3, x * 200 + y * 59].map((v) => v % 256));
    // Pillow 12.2.0: Image.fromarray(a).resize((3, 4), BICUBIC).
    expect([...resample(tall, 3, 4, 'bicubic').data]).toEqual([
      123, 122, 134, 125, 122, 128, 127, 122, 122, 129, 123, 132, 129, 123, 133, 129, 123, 134, 129, 116, 127,
      128, 116, 129, 127, 116, 130, 125, 126, 123, 124, 126, 125, 123, 126, 126,
    ]);
    const window = { left: 1, top: 1, width: 2, height: 2 };
    expect([...resample(tall, 3, 4, 'bicubic', window).data]).toEqual([
      129, 123, 133, 129, 123, 134, 128, 116, 129, 127, 116, 130,
    ]);
  });

  it('gives the pixels of a window as those of the whole', () => {
    const side = fc.integer({ min: 1, max: 24 });
    const filters = fc.constantFrom<ResampleFilter>('box', 'bilinear', 'bicubic');
    fc.assert(
      fc.property(
        side,
        side,
        side,
        side,
        filters,
        fc.infiniteStream(fc.nat(255)),
        (w, h, W, H, filter, levels) => {
          const pixels = Uint8Array.from({ length: w * h * 3 }, () => levels.next().value ?? 0);
          const source = { data: pixels, width: w, height: h };
          const [left, top] = [W >> 2, H >> 2];
          const [width, height] = [Math.max(1, W >> 1), Math.max(1, H >> 1)];
          const whole = resample(source, W, H, filter);
          const part = resample(source, W, H, filter, { left, top, width, height });
          for (let y = 0; y < height; y++) {
            const from = ((top + y) * W + left) * 3;
            expect(part.data.subarray(y * width * 3, (y + 1) * width * 3)).toEqual(
              whole.data.subarray(from, from + width * 3),
            );
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  it('keeps a flat picture flat, whatever the sizes', () => {
    const side = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(side, side, side, side, fc.nat(255), (w, h, W, H, level) => {
        const flat = { data: new Uint8Array(w * h * 3).fill(level), width: w, height: h };
        for (const filter of ['box', 'bilinear', 'bicubic'] as const)
          expect(resample(flat, W, H, filter).data.every((v) => v === level)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('crops a strip that would not fit into memory whole', () => {
    const strip = image(1, 80_000, (_, y) => [y & 255, 7, 9]);
    const height = 80_000 * 224;
    const middle = resample(strip, 224, height, 'bicubic', {
      left: 0,
      top: height / 2,
      width: 224,
      height: 224,
    });
    expect(middle.data.length).toBe(224 * 224 * 3);
    // Row 112 of the window is the centre of source row 40,000, 224 target rows each.
    expect([...middle.data.subarray(112 * 224 * 3, 112 * 224 * 3 + 3)]).toEqual([40_000 & 255, 7, 9]);
  });

  const fixture = sharedData('peers/clip/fixture');
  it.skipIf(!fixture)("agrees with Pillow's crops of CLIP's preprocessing in every pixel", async () => {
    for (const [name, width, height] of [
      ['gradient-358x251', 319, 224],
      ['noise-224x224', 224, 224],
      ['small-upscale-61x97', 224, 356],
    ] as const) {
      const source = await rgb(`${fixture}/images/${name}.png`);
      const crop = await rgb(`${fixture}/crops/${name}.png`);
      const window = {
        left: Math.floor((width - 224) / 2),
        top: Math.floor((height - 224) / 2),
        width: 224,
        height: 224,
      };
      const ours = resample(source, width, height, 'bicubic', window);
      expect(Buffer.compare(ours.data, crop.data), name).toBe(0);
    }
  });
});

async function rgb(path: string): Promise<RgbImage> {
  const { data, info } = await sharp(readFileSync(path))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}
