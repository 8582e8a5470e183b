import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { type DecodeLimits, decodeImage } from '../../src/image/index.ts';
import { sharedData, tarFiles } from './shared-data.ts';

const LIMITS: DecodeLimits = {
  minBytes: 0,
  maxPixels: 89_478_485,
  formats: ['jpeg', 'png', 'webp', 'gif', 'avif', 'svg'],
};

describe('real files', () => {
  const photos = sharedData('data/photos-original');
  it.skipIf(!photos)("decodes photos as libvips' slow DCT does, but for a few levels", async () => {
    for (const name of readdirSync(photos ?? '').filter((_, i) => i % 10 === 0)) {
      const file = readFileSync(`${photos}/${name}`);
      const outcome = await decodeImage(file, LIMITS);
      if (!outcome.kept) throw new Error(`${name}: ${outcome.reason} ${outcome.detail}`);
      const { data, info } = await sharp(file)
        .autoOrient()
        .toColourspace('srgb')
        .raw()
        .toBuffer({ resolveWithObject: true });
      expect([outcome.value.width, outcome.value.height], name).toEqual([info.width, info.height]);
      const sum = outcome.value.data.reduce((total, v, i) => total + Math.abs(v - (data[i] ?? 0)), 0);
      expect(sum / data.length, name).toBeLessThan(2);
    }
  });

  const corrupt = sharedData('data/corrupt/images-dev.tar.gz');
  it.skipIf(!corrupt)('decodes every good file of PngSuite and refuses every broken one', async () => {
    const suite = tarFiles(gunzipSync(readFileSync(corrupt ?? ''))).filter(({ name }) =>
      /pngsuite\/.*\.png$/.test(name),
    );
    expect(suite.length).toBeGreaterThan(100);
    for (const { name, bytes } of suite) {
      const outcome = await decodeImage(bytes, LIMITS);
      // Names that begin with x are the corrupt ones (PngSuite, "corrupted files").
      expect(outcome.kept, `${name} ${outcome.kept ? '' : outcome.detail}`).toBe(!/\/x[^/]*$/.test(name));
    }
  });

  it.skipIf(!corrupt)('shows the eight EXIF orientations alike', async () => {
    const files = tarFiles(gunzipSync(readFileSync(corrupt ?? ''))).filter(({ name }) =>
      /exif-orientation\/Portrait_[1-8]\.jpg$/.test(name),
    );
    expect(files).toHaveLength(8);
    const means = [];
    for (const { bytes } of files) {
      const outcome = await decodeImage(bytes, LIMITS);
      if (!outcome.kept) throw new Error(outcome.detail);
      expect([outcome.value.width, outcome.value.height]).toEqual([1200, 1800]);
      const { data } = await sharp(outcome.value.data, {
        raw: { width: outcome.value.width, height: outcome.value.height, channels: 3 },
      })
        .resize(4, 6, { fit: 'fill' })
        .raw()
        .toBuffer({ resolveWithObject: true });
      means.push(data);
    }
    // The digit that each shows is small; turned or mirrored wrongly, sky and ground would change places.
    for (const mean of means)
      for (const [i, v] of mean.entries()) expect(Math.abs(v - (means[0]?.[i] ?? 0))).toBeLessThan(40);
  });
});
