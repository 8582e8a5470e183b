import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readExif } from '../../src/formats/index.ts';

/** A TIFF structure with one directory, big-endian: entries of tag, type, count and four bytes. */
function jpegWith(
  entries: readonly (readonly [number, number, number, readonly number[]])[],
  more: Buffer = Buffer.alloc(0),
) {
  const tiff = Buffer.alloc(8 + 2 + 12 * entries.length + 4);
  tiff.write('MM\0*', 0, 'latin1');
  tiff.writeUInt32BE(8, 4);
  tiff.writeUInt16BE(entries.length, 8);
  for (const [i, [tag, type, count, value]] of entries.entries()) {
    const at = 10 + 12 * i;
    tiff.writeUInt16BE(tag, at);
    tiff.writeUInt16BE(type, at + 2);
    tiff.writeUInt32BE(count, at + 4);
    tiff.set(value, at + 8);
  }
  const body = Buffer.concat([Buffer.from('Exif\0\0'), tiff, more]);
  const head = Buffer.from([0xff, 0xd8, 0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(body.length + 2, 4);
  return Buffer.concat([head, body, Buffer.from([0xff, 0xd9])]);
}

describe('EXIF tags', () => {
  it('are those that another program wrote', async () => {
    const exif = {
      IFD0: { Make: 'Canon', Software: 'Test' },
      IFD2: { ExposureTime: '10/600', ISOSpeedRatings: '400', ColorSpace: '1', Flash: '16' },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '52/1 30/1 1234/100' },
    };
    for (const format of ['jpeg', 'webp'] as const) {
      const image = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
        .withExif(exif)
        [format]()
        .toBuffer();
      // In the words of ExifRead 3.0.
      expect(Object.fromEntries(readExif(image))).toMatchObject({
        'Image Make': 'Canon',
        'Image Software': 'Test',
        'EXIF ExposureTime': '1/60',
        'EXIF ISOSpeedRatings': '400',
        'EXIF ColorSpace': 'sRGB',
        'EXIF Flash': 'Flash did not fire, compulsory flash mode',
        'EXIF ExifVersion': '0210',
        'GPS GPSLatitudeRef': 'N',
        'GPS GPSLatitude': '[52, 30, 617/50]',
      });
    }
  });

  it('are none in what has none', async () => {
    const plain = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer();
    expect(readExif(plain).size).toBe(0);
    for (const bytes of [Buffer.alloc(0), Buffer.from('GIF89a'), Buffer.from([0xff, 0xd8, 0xff])])
      expect(readExif(bytes).size).toBe(0);
  });

  it('are left out where they lie outside of the file, or name themselves', () => {
    const file = jpegWith([
      [0x010f, 2, 4, [65, 66, 67, 0]], // Make: 'ABC'
      [0x0112, 3, 1, [0, 6, 0, 0]], // Orientation
      [0x0110, 2, 400, [0, 0, 1, 0]], // Model: outside
      [0x8825, 4, 1, [0, 0, 0, 8]], // GPSInfo: this directory
      [0xfff0, 3, 1, [0, 7, 0, 0]], // nobody's
      [0x0131, 99, 1, [0, 1, 0, 0]], // no such type
    ]);
    expect(Object.fromEntries(readExif(file))).toEqual({
      'Image Make': 'ABC',
      'Image Orientation': 'Rotated 90 CW',
      'Image GPSInfo': '8',
      'Image Tag 0xFFF0': '7',
    });
  });

  it('stay short, however often a directory names the same text', () => {
    const entries = Array.from({ length: 2000 }, (_, i) => [0x4000 + i, 2, 30_000, [0, 0, 0x60, 0]] as const);
    const file = jpegWith(entries, Buffer.alloc(32_000, 'x'));
    const chars = [...readExif(file).values()].reduce((sum, value) => sum + value.length, 0);
    expect(chars).toBeLessThan(200_000);
  });

  it('never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        readExif(Buffer.concat([jpegWith([]).subarray(0, 20), bytes]));
      }),
    );
  });
});
