import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { type DecodeLimits, decodeImage } from '../../src/image/index.ts';
import { readJpegHeader } from '../../src/image/jpeg-header.ts';
import type { DecodedImage } from '../../src/schema/index.ts';

const LIMITS: DecodeLimits = { minBytes: 0, maxPixels: 89_478_485, formats: ['jpeg', 'png', 'webp'] };
const COLOURS = {
  red: [220, 30, 30],
  green: [40, 180, 60],
  blue: [30, 60, 210],
  grey: [128, 128, 128],
} as const;

/** Four quarters of a picture: red and green above, blue and grey below. */
function quarters(width = 64, height = 32): Sharp {
  const data = Buffer.alloc(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const [right, low] = [i % width >= width / 2, i >= (width * height) / 2];
    const colour = low ? (right ? COLOURS.grey : COLOURS.blue) : right ? COLOURS.green : COLOURS.red;
    data.set(colour, i * 3);
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

async function decoded(bytes: Uint8Array, limits: Partial<DecodeLimits> = {}): Promise<DecodedImage> {
  const outcome = await decodeImage(bytes, { ...LIMITS, ...limits });
  if (!outcome.kept) throw new Error(`${outcome.reason}: ${outcome.detail}`);
  expect(outcome.value.data.length).toBe(outcome.value.width * outcome.value.height * 3);
  return outcome.value;
}

async function refusal(bytes: Uint8Array, limits: Partial<DecodeLimits> = {}): Promise<string> {
  const outcome = await decodeImage(bytes, { ...LIMITS, ...limits });
  return outcome.kept ? 'kept' : outcome.reason;
}

/** Largest difference of a level from the expected colour, at a pixel. */
function off(image: DecodedImage, x: number, y: number, colour: readonly number[]): number {
  const at = (y * image.width + x) * 3;
  return Math.max(...colour.map((level, c) => Math.abs(level - (image.data[at + c] ?? -999))));
}

/** Where the segment with this marker begins. */
function segment(jpeg: Buffer, marker: number): number {
  const at = jpeg.indexOf(Buffer.of(0xff, marker));
  if (at < 0) throw new Error(`no marker ${marker}`);
  return at;
}

let jpeg: Buffer;
let png: Buffer;
beforeAll(async () => {
  jpeg = await quarters().jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer();
  png = await quarters().png().toBuffer();
});

describe('decodeImage', () => {
  it.each(['jpeg', 'progressive', 'png', 'palette', 'webp', 'lossy webp'])('decodes %s', async (kind) => {
    const source = quarters();
    const encoded = {
      jpeg: source.jpeg({ quality: 95 }),
      progressive: source.jpeg({ quality: 95, progressive: true }),
      png: source.png(),
      palette: source.png({ palette: true }),
      webp: source.webp({ lossless: true }),
      'lossy webp': source.webp({ quality: 95 }),
    }[kind];
    const image = await decoded((await encoded?.toBuffer()) ?? Buffer.of());
    expect(image).toMatchObject({ width: 64, height: 32, originalWidth: 64, originalHeight: 32 });
    for (const [x, y, colour] of [
      [8, 8, COLOURS.red],
      [56, 8, COLOURS.green],
      [8, 24, COLOURS.blue],
      [56, 24, COLOURS.grey],
    ] as const)
      expect(off(image, x, y, colour)).toBeLessThanOrEqual(kind.includes('png') || kind === 'webp' ? 0 : 6);
  });

  it('reads the bytes of a view, not the buffer around it', async () => {
    const padded = Buffer.concat([Buffer.from('GIF89a'), jpeg, Buffer.alloc(9)]);
    expect(await decoded(padded.subarray(6, 6 + jpeg.length))).toMatchObject({ format: 'jpeg', width: 64 });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('turns by EXIF orientation %i', async (orientation) => {
    for (const encode of [(s: Sharp) => s.jpeg({ quality: 95 }), (s: Sharp) => s.webp({ lossless: true })]) {
      const file = await encode(quarters().withMetadata({ orientation })).toBuffer();
      const image = await decoded(file);
      // libvips' own turning of the same file.
      const { data, info } = await sharp(file).autoOrient().raw().toBuffer({ resolveWithObject: true });
      expect([image.width, image.height]).toEqual([info.width, info.height]);
      expect([image.originalWidth, image.originalHeight]).toEqual([64, 32]);
      const worst = image.data.reduce((most, v, i) => Math.max(most, Math.abs(v - (data[i] ?? 0))), 0);
      expect(worst).toBeLessThanOrEqual(8);
    }
  });

  it('gives grey pictures three equal channels', async () => {
    for (const file of [
      await quarters().greyscale().toColourspace('b-w').jpeg().toBuffer(),
      await quarters().greyscale().toColourspace('b-w').png().toBuffer(),
    ]) {
      const { data } = await decoded(file);
      expect(data.every((v, i) => v === data[i - (i % 3)])).toBe(true);
      expect(new Set(data).size).toBeGreaterThan(2);
    }
  });

  it('lays alpha on white', async () => {
    const rgba = Buffer.from([255, 0, 0, 255, 255, 0, 0, 0, 0, 0, 255, 128, 10, 20, 30, 0]);
    const file = await sharp(rgba, { raw: { width: 4, height: 1, channels: 4 } })
      .png()
      .toBuffer();
    const image = await decoded(file);
    expect([...image.data.subarray(0, 6)]).toEqual([255, 0, 0, 255, 255, 255]);
    // 128/255 of blue on white.
    expect(off(image, 2, 0, [127, 127, 255])).toBeLessThanOrEqual(1);
    expect(off(image, 3, 0, [255, 255, 255])).toBe(0);
  });

  it('brings 16 bits to 8', async () => {
    const wide = Uint16Array.of(0, 0x8000, 0xffff, 0x4040, 0x00ff, 0x0100);
    const file = await sharp(wide, { raw: { width: 2, height: 1, channels: 3 } })
      .toColourspace('rgb16')
      .png()
      .toBuffer();
    expect((await sharp(file).metadata()).depth).toBe('ushort');
    const image = await decoded(file);
    expect(off(image, 0, 0, [0, 128, 255])).toBeLessThanOrEqual(1);
    expect(off(image, 1, 0, [64, 1, 1])).toBeLessThanOrEqual(1);
  });

  it.each(['jpeg', 'png'] as const)('applies an ICC profile that is not sRGB: %s', async (format) => {
    // libvips converts the pixels to Display P3 and embeds that profile; unapplied, red would be (202, 54, 44).
    const file = await quarters().withIccProfile('p3').toFormat(format, { quality: 95 }).toBuffer();
    const image = await decoded(file);
    expect(off(image, 8, 8, COLOURS.red)).toBeLessThanOrEqual(6);
    expect(off(image, 56, 8, COLOURS.green)).toBeLessThanOrEqual(6);
  });

  it('takes an sRGB profile for what it is', async () => {
    const source = quarters().jpeg({ quality: 95, chromaSubsampling: '4:4:4' });
    const file = await source.withIccProfile('srgb').toBuffer();
    expect(file.length).toBeGreaterThan(jpeg.length);
    // The same decoder, hence the same pixels, as without it.
    expect(Buffer.compare((await decoded(file)).data, (await decoded(jpeg)).data)).toBe(0);
  });
});

describe('readJpegHeader', () => {
  it('finds size, orientation and profile', async () => {
    const plain = {
      width: 64,
      height: 32,
      precision: 8,
      components: 3,
      frame: 0xc0,
      orientation: 1,
      profile: undefined,
    };
    expect(readJpegHeader(jpeg)).toEqual(plain);
    const file = async (sharp: Sharp) => readJpegHeader(await sharp.jpeg().toBuffer());
    expect(await file(quarters().withMetadata({ orientation: 7 }))).toEqual({
      ...plain,
      orientation: 7,
      profile: expect.any(Uint8Array),
    });
    const p3 = await quarters().withIccProfile('p3').jpeg().toBuffer();
    // libvips reads the same profile from it.
    expect(Buffer.from(readJpegHeader(p3)?.profile ?? [])).toEqual((await sharp(p3).metadata()).icc);
    expect(await file(quarters().greyscale().toColourspace('b-w'))).toEqual({ ...plain, components: 1 });
    expect(readJpegHeader(await quarters().jpeg({ progressive: true }).toBuffer())).toEqual({
      ...plain,
      frame: 0xc2,
    });
  });

  it('finds none in anything else', () => {
    expect(readJpegHeader(png)).toBeUndefined();
    expect(readJpegHeader(jpeg.subarray(0, 100))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(600), (junk, at) => {
        expect(() => readJpegHeader(Buffer.concat([jpeg.subarray(0, at), junk]))).not.toThrow();
      }),
    );
  });
});

describe('decodeImage refuses', () => {
  it('bodies that are too small, at the limit exactly', async () => {
    expect(await refusal(jpeg, { minBytes: jpeg.length + 1 })).toBe('body_small');
    expect(await refusal(jpeg, { minBytes: jpeg.length })).toBe('kept');
    expect(await refusal(Buffer.of(), { minBytes: 1 })).toBe('body_small');
  });

  it('formats that are not listed, by content', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>');
    const gif = await quarters().gif().toBuffer();
    for (const bytes of [svg, gif, Buffer.from('<!doctype html><p>404'), Buffer.from('BM0000'), Buffer.of()])
      expect(await refusal(bytes)).toBe('format');
    expect(await refusal(png, { formats: ['jpeg'] })).toBe('format');
    expect(await refusal(Buffer.from('BM0000'), { formats: ['other'] })).toBe('format');
    expect(await decoded(gif, { formats: ['gif'] })).toMatchObject({ format: 'gif', width: 64 });
    expect(await decodeImage(gif, LIMITS)).toMatchObject({ reason: 'format', detail: 'gif' });
  });

  it('too many pixels, from the header alone', async () => {
    expect(await refusal(png, { maxPixels: 64 * 32 })).toBe('kept');
    expect(await refusal(png, { maxPixels: 64 * 32 - 1 })).toBe('pixels');
    expect(await refusal(jpeg, { maxPixels: 64 * 32 - 1 })).toBe('pixels');
    const bomb = Buffer.from(jpeg);
    bomb.writeUInt16BE(60_000, segment(bomb, 0xc0) + 5);
    bomb.writeUInt16BE(50_000, segment(bomb, 0xc0) + 7);
    expect(await decodeImage(bomb, LIMITS)).toMatchObject({ reason: 'pixels', detail: '50000 x 60000' });
  });

  it.each(['jpeg', 'progressive jpeg', 'png', 'webp'])('a cut %s', async (kind) => {
    const source = quarters(200, 200);
    const encoded = {
      jpeg: source.jpeg(),
      'progressive jpeg': source.jpeg({ progressive: true }),
      png: source.png(),
      webp: source.webp(),
    }[kind];
    const file = (await encoded?.toBuffer()) ?? Buffer.of();
    expect(await refusal(file)).toBe('kept');
    for (const share of [0.3, 0.6, 0.9])
      expect(await refusal(file.subarray(0, file.length * share))).toBe('undecodable');
  });

  it('a JPEG without its end marker, and takes one with something behind it', async () => {
    expect(await refusal(jpeg.subarray(0, -2))).toBe('undecodable');
    expect(await refusal(Buffer.concat([jpeg, Buffer.alloc(100, 7)]))).toBe('kept');
  });

  it('a JPEG whose data end early under a whole header and end marker', async () => {
    const noisy = await sharp(Buffer.from(Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) & 255)), {
      raw: { width: 64, height: 64, channels: 3 },
    })
      .jpeg()
      .toBuffer();
    const hole = Buffer.concat([noisy.subarray(0, noisy.length / 2), Buffer.of(0xff, 0xd9)]);
    expect(await refusal(noisy)).toBe('kept');
    expect(await refusal(hole)).toBe('undecodable');
  });

  it('a JPEG of thousands of scans', async () => {
    const scan = jpeg.subarray(segment(jpeg, 0xda));
    const many = Buffer.concat([jpeg.subarray(0, -2), ...Array.from({ length: 500 }, () => scan)]);
    expect(await decodeImage(many, LIMITS)).toMatchObject({
      reason: 'undecodable',
      detail: 'more than 500 scans',
    });
  });

  it('not a JPEG with stray bytes between its segments, which browsers show too', async () => {
    const at = segment(jpeg, 0xc4);
    const stray = Buffer.concat([jpeg.subarray(0, at), Buffer.of(1, 2, 3), jpeg.subarray(at)]);
    expect(off(await decoded(stray), 8, 8, COLOURS.red)).toBeLessThanOrEqual(6);
  });

  it('nothing by an exception: any bytes, and any damage, have an outcome', async () => {
    const start = fc.constantFrom(jpeg, png, Buffer.from('RIFF\x24\0\0\0WEBPVP8 ', 'latin1'), Buffer.of());
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 60 }), fc.nat(2000), async (file, junk, at) => {
        const bytes = Buffer.concat([file.subarray(0, at), junk, file.subarray(at + junk.length)]);
        const outcome = await decodeImage(bytes, { ...LIMITS, maxPixels: 1 << 20 });
        if (outcome.kept)
          expect(outcome.value.data.length).toBe(outcome.value.width * outcome.value.height * 3);
        else {
          expect(['format', 'pixels', 'undecodable']).toContain(outcome.reason);
          expect(outcome.detail.length).toBeLessThanOrEqual(80);
        }
      }),
      { numRuns: 300 },
    );
  });
});
