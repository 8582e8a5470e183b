import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
import type { Preprocessing } from '../../src/clip/index.ts';
import { PictureDecoder } from '../../src/service/pictures/picture-decoder.ts';

const preprocessing: Preprocessing = {
  resize: { shortestEdge: 16 },
  filter: 'bicubic',
  cropWidth: 16,
  cropHeight: 16,
  oddMargin: 'smaller',
  rescale: 1 / 255,
  mean: [0, 0, 0],
  std: [1, 1, 1],
};

/** Left half red, right half blue. */
const halves = (format: 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' | 'tiff') =>
  sharp({ create: { width: 40, height: 40, channels: 3, background: { r: 255, g: 0, b: 0 } } })
    .composite([
      {
        input: { create: { width: 20, height: 40, channels: 3, background: { r: 0, g: 0, b: 255 } } },
        left: 20,
        top: 0,
      },
    ])
    .toFormat(format);

describe('a picture that somebody searches with', () => {
  const decoder = new PictureDecoder({ preprocessing, processes: 1 });
  afterAll(() => decoder.close());
  /** Of the middle of the left edge, and of the top one: who is where. */
  async function look(bytes: Uint8Array) {
    const outcome = await decoder.decode(bytes);
    if (!outcome.kept) return outcome;
    const { data, width, height } = outcome.value;
    expect([width, height]).toEqual([16, 16]);
    const at = (x: number, y: number) => {
      const [r = 0, , b = 0] = data.subarray((y * 16 + x) * 3);
      return r > 200 && b < 60 ? 'red' : b > 200 && r < 60 ? 'blue' : `${r},${b}`;
    };
    return { left: at(1, 8), right: at(14, 8), top: at(8, 1), bottom: at(8, 14) };
  }

  test.each(['jpeg', 'png', 'webp', 'gif', 'avif'] as const)('%s', async (format) => {
    expect(await look(await halves(format).toBuffer())).toMatchObject({ left: 'red', right: 'blue' });
  });

  test('turned as its EXIF says: orientation 6 is a quarter clockwise (EXIF 2.32, 4.6.5)', async () => {
    const turned = await halves('jpeg').withMetadata({ orientation: 6 }).toBuffer();
    expect(await look(turned)).toMatchObject({ top: 'red', bottom: 'blue' });
  });

  test('CMYK; the first frame of an animation', async () => {
    const cmyk = await halves('jpeg').toColourspace('cmyk').toBuffer();
    const outcome = await decoder.decode(cmyk);
    expect(outcome.kept).toBe(true);
    const frame = (r: number, b: number) => Buffer.from(Array(64).fill([r, 0, b]).flat());
    const animated = await sharp(Buffer.concat([frame(255, 0), frame(0, 255)]), {
      raw: { width: 8, height: 16, channels: 3, pageHeight: 8 },
    })
      .webp({ lossless: true })
      .toBuffer();
    expect(await look(animated)).toMatchObject({ left: 'red', right: 'red' });
  });

  test('what is none is an outcome: cut off, of another format, a program, nothing', async () => {
    const png = await halves('png').toBuffer();
    const svg = '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>';
    for (const [bytes, reason] of [
      [png.subarray(0, 60), 'undecodable'],
      [(await halves('jpeg').toBuffer()).subarray(0, 200), 'undecodable'],
      [await halves('tiff').toBuffer(), 'format'],
      [Buffer.from(svg), 'format'],
      [Buffer.from('GIF89a'), 'undecodable'],
      [new Uint8Array(), 'body_small'],
    ] as const)
      expect(await look(bytes)).toMatchObject({ kept: false, reason });
  });

  test('a small file with a large picture in it is refused by its head', async () => {
    const outcome = await decoder.decode(pngBomb(100_000, 100_000));
    expect(outcome).toMatchObject({ kept: false, reason: 'pixels', detail: '100000 x 100000' });
    expect(decoder.processes).toBe(1);
  });
});

describe('a decoder that does not survive its picture', () => {
  const file = new URL('./dying-decoder.js', import.meta.url);
  const DIES = Buffer.of(1);
  const HANGS = Buffer.of(2);

  test('costs that one query; others and later ones are answered', async () => {
    const decoder = new PictureDecoder({ preprocessing, file, processes: 2, timeoutMs: 3000 });
    const pictures = [DIES, Buffer.of(7), HANGS, DIES, Buffer.of(8), Buffer.of(9)];
    const outcomes = await Promise.all(pictures.map((picture) => decoder.decode(picture)));
    expect(outcomes.map((outcome) => (outcome.kept ? outcome.value.data[0] : outcome.detail))).toEqual([
      'its decoder crashed',
      7,
      'it takes too long',
      'its decoder crashed',
      8,
      9,
    ]);
    expect(decoder.processes).toBeLessThanOrEqual(2);
    await decoder.close();
    expect(decoder.processes).toBe(0);
  });

  test('what is given up before it is begun is not begun', async () => {
    const decoder = new PictureDecoder({ preprocessing, file, processes: 1, timeoutMs: 300 });
    const first = decoder.decode(HANGS);
    const controller = new AbortController();
    const second = decoder.decode(Buffer.of(7), controller.signal);
    controller.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    await expect(decoder.decode(Buffer.of(7), controller.signal)).rejects.toThrow('gone');
    expect(await first).toMatchObject({ kept: false, detail: 'it takes too long' });
    await decoder.close();
  });

  test('processes that have nothing to do are ended, and begun again', async () => {
    const decoder = new PictureDecoder({ preprocessing, file, idleMs: 10 });
    for (let i = 0; i < 2; i++) {
      expect(await decoder.decode(Buffer.of(7))).toMatchObject({ kept: true });
      while (decoder.processes > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await decoder.close();
  });

  test('the end of the service ends what is under way', async () => {
    const decoder = new PictureDecoder({ preprocessing, file, processes: 1 });
    const both = [decoder.decode(HANGS), decoder.decode(Buffer.of(7))];
    await decoder.close();
    for (const outcome of await Promise.all(both)) expect(outcome.kept).toBe(false);
    expect(decoder.processes).toBe(0);
  });
});

/** A PNG that says it is so large, with a few bytes of it (PNG, third edition, 5.3 and 11.2.1). */
function pngBomb(width: number, height: number): Buffer {
  const chunk = (type: string, data: Buffer) => {
    const out = Buffer.alloc(data.length + 12);
    out.writeUInt32BE(data.length);
    out.write(type, 4, 'latin1');
    data.copy(out, 8);
    out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(Buffer.alloc(100_000))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
