import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readProfile, toSrgb } from '../../src/image/icc.ts';
import { decodeImage } from '../../src/image/index.ts';

/** A profile of three curves and a matrix (ICC.1:2010, 7 and 10), made by hand. */
function profile(
  columns: readonly (readonly number[])[],
  curve: Buffer,
  header: { space?: string; tagLength?: number } = {},
): Buffer {
  const xyz = columns.map((column) => {
    const tag = Buffer.alloc(20);
    tag.write('XYZ ');
    for (const [i, v] of column.entries()) tag.writeInt32BE(Math.round(v * 65_536), 8 + i * 4);
    return tag;
  });
  const tags: [string, Buffer][] = [
    ['rXYZ', xyz[0] ?? curve],
    ['gXYZ', xyz[1] ?? curve],
    ['bXYZ', xyz[2] ?? curve],
    ['rTRC', curve],
    ['gTRC', curve],
    ['bTRC', curve],
  ];
  const head = Buffer.alloc(132 + tags.length * 12);
  head.write('mntr', 12);
  head.write(header.space ?? 'RGB ', 16);
  head.write('XYZ ', 20);
  head.writeUInt32BE(tags.length, 128);
  let at = head.length;
  for (const [i, [name, tag]] of tags.entries()) {
    head.write(name, 132 + i * 12);
    head.writeUInt32BE(at, 136 + i * 12);
    head.writeUInt32BE(header.tagLength ?? tag.length, 140 + i * 12);
    at += tag.length;
  }
  return Buffer.concat([head, ...tags.map(([, tag]) => tag)]);
}

function gamma(value: number): Buffer {
  const tag = Buffer.alloc(14);
  tag.write('curv');
  tag.writeUInt32BE(1, 8);
  tag.writeUInt16BE(Math.round(value * 256), 12);
  return tag;
}

/** parametricCurveType 3: sRGB's own. */
function parametric(...parameters: readonly number[]): Buffer {
  const tag = Buffer.alloc(12 + parameters.length * 4);
  tag.write('para');
  tag.writeUInt16BE(3, 8);
  for (const [i, v] of parameters.entries()) tag.writeInt32BE(Math.round(v * 65_536), 12 + i * 4);
  return tag;
}

// Of the profiles that Adobe and HP publish, relative to D50.
const ADOBE = [
  [0.60974, 0.31111, 0.01947],
  [0.20528, 0.62567, 0.06087],
  [0.14919, 0.06322, 0.74457],
];
const SRGB = [
  [0.43607, 0.22249, 0.01392],
  [0.38515, 0.71687, 0.09708],
  [0.14307, 0.06061, 0.7141],
];
const SRGB_CURVE = parametric(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045);

// What lcms 2.18 (Pillow 12.2, ImageCms.profileToProfile) makes of colours in Adobe RGB (1998).
const LCMS = [
  [220, 30, 30, 255, 24, 24],
  [40, 180, 60, 0, 181, 42],
  [30, 60, 210, 0, 57, 215],
  [128, 128, 128, 129, 129, 129],
  [10, 20, 5, 0, 12, 0],
  [200, 120, 90, 224, 121, 88],
];

describe('readProfile and toSrgb', () => {
  it('bring Adobe RGB to sRGB as lcms does, within a level', () => {
    const transform = readProfile(profile(ADOBE, gamma(2.19921875)));
    if (typeof transform === 'string') throw new Error(transform);
    const data = Uint8Array.from(LCMS.flatMap((row) => row.slice(0, 3)));
    toSrgb({ data, width: LCMS.length, height: 1 }, transform);
    const off = LCMS.flatMap((row) => row.slice(3)).map((level, i) => Math.abs(level - (data[i] ?? -9)));
    expect(Math.max(...off)).toBeLessThanOrEqual(1);
  });

  it('take pictures that are longer than a strip whole', () => {
    const transform = readProfile(profile(ADOBE, gamma(2.19921875)));
    if (typeof transform === 'string') throw new Error(transform);
    const data = new Uint8Array(400 * 300 * 3).fill(128);
    toSrgb({ data, width: 400, height: 300 }, transform);
    expect(data.every((level) => level === 129)).toBe(true);
  });

  it('know sRGB by what it does, not by its name', () => {
    expect(readProfile(profile(SRGB, SRGB_CURVE))).toBe('srgb');
    expect(readProfile(profile(SRGB, gamma(1.8)))).toBeTypeOf('object');
  });

  it('leave to lcms what is none of curves and a matrix, and what is broken', () => {
    expect(readProfile(profile(ADOBE, gamma(2.2), { space: 'CMYK' }))).toBe('unknown');
    expect(readProfile(profile(ADOBE, gamma(2.2), { tagLength: 2 ** 32 - 1 }))).toBe('unknown');
    expect(readProfile(profile(ADOBE, Buffer.from('curv\0\0\0\0\xff\xff\xff\xff\0\0', 'latin1')))).toBe(
      'unknown',
    );
    const whole = profile(ADOBE, gamma(2.2));
    for (let length = 0; length < whole.length; length += 7)
      expect(readProfile(whole.subarray(0, length))).toBe('unknown');
  });
});

describe('decodeImage', () => {
  it('applies a profile in several segments of a JPEG', async () => {
    const data = Buffer.from(Array.from({ length: 32 * 32 }, () => [200, 120, 90]).flat());
    const raw = { raw: { width: 32, height: 32, channels: 3 } } as const;
    const jpeg = await sharp(data, raw).jpeg({ quality: 100, chromaSubsampling: '4:4:4' }).toBuffer();
    const icc = profile(ADOBE, gamma(2.19921875));
    const parts = [icc.subarray(0, 100), icc.subarray(100, 150), icc.subarray(150)];
    const segments = parts.map((part, i) => {
      const head = Buffer.concat([
        Buffer.from('\xff\xe2\0\0ICC_PROFILE\0', 'latin1'),
        Buffer.of(i + 1, parts.length),
      ]);
      head.writeUInt16BE(head.length - 2 + part.length, 2);
      return Buffer.concat([head, part]);
    });
    // In any order.
    const file = Buffer.concat([jpeg.subarray(0, 2), ...segments.toReversed(), jpeg.subarray(2)]);
    const outcome = await decodeImage(file, { minBytes: 0, maxPixels: 10_000, formats: ['jpeg'] });
    if (!outcome.kept) throw new Error(outcome.detail);
    for (const [i, level] of [224, 121, 88].entries())
      expect(Math.abs((outcome.value.data[i] ?? 0) - level)).toBeLessThanOrEqual(2);
  });
});
