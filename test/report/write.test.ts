import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  collectSamples,
  collectStatistics,
  parseStatistics,
  renderCard,
  writeReport,
} from '../../src/stages/report/index.ts';
import type { Storage } from '../../src/storage/index.ts';
import { HOSTILE_INPUT, HOSTILE_ROWS, HOSTILE_TRAIL } from './hostile.ts';
import { row, SIX_INPUT, SIX_ROWS, SIX_TRAIL, temporaryStorage, writeRelease } from './small-release.ts';

const text = async (storage: Storage, path: string) => new TextDecoder().decode(await storage.read(path));

async function writeSix(storage: Storage) {
  const files = await writeRelease(storage, SIX_ROWS, SIX_TRAIL, { images: true });
  return { release: files, written: await writeReport(storage, { ...SIX_INPUT, files }) };
}

describe('writeReport', () => {
  test('leaves four files, each as its checksum says, and the same bytes every time', async () => {
    await using one = await temporaryStorage();
    await using two = await temporaryStorage();
    const { written } = await writeSix(one.storage);
    expect(written.map(({ path }) => path)).toEqual([
      'release/stats.json',
      'release/report.html',
      'release/README.md',
      'release/croissant.json',
    ]);
    for (const { path, bytes, sha256 } of written) {
      const content = await one.storage.read(path);
      expect([content.length, createHash('sha256').update(content).digest('hex')]).toEqual([bytes, sha256]);
    }
    expect((await writeSix(two.storage)).written).toEqual(written);
  });

  test('stats.json is the statistics; no file names a folder of this machine', async () => {
    await using folder = await temporaryStorage();
    const { written } = await writeSix(folder.storage);
    const stats = parseStatistics(await text(folder.storage, 'release/stats.json'), 'stats.json');
    expect(stats).toEqual(await collectStatistics(folder.storage, SIX_INPUT));
    for (const { path } of written)
      expect(await text(folder.storage, path)).not.toContain(folder.storage.location);
  });

  test('a release of no pairs is reported as that', async () => {
    await using folder = await temporaryStorage();
    const files = await writeRelease(folder.storage, [[]], [], { images: true });
    const none = { in: 0, out: 0, dropped: {} };
    const ledgers = {
      record: none,
      link: none,
      pair: none,
      unique: none,
      fetched: none,
      image: none,
      matched: none,
      safe: none,
    };
    await writeReport(folder.storage, { ...SIX_INPUT, ledgers, files });
    for (const path of ['release/report.html', 'release/README.md', 'release/stats.json'])
      expect(await text(folder.storage, path)).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('samples', () => {
  const jpegSize = (bytes: Uint8Array) => {
    // ITU-T T.81: the frame header (SOF0 or SOF2) holds height, then width.
    const at = bytes.findIndex((b, i) => b === 0xff && [0xc0, 0xc2].includes(bytes[i + 1] ?? 0));
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    return [view.getUint16(7), view.getUint16(5)];
  };

  test('the smallest uids of each band, never NSFW or UNSURE, as small JPEGs', async () => {
    await using folder = await temporaryStorage();
    // 50 pairs, similarity 0.300 to 0.349, in two parts; every tenth is not UNLIKELY.
    const rows = Array.from({ length: 50 }, (_, i) =>
      row(i, {
        similarity: (300 + i) / 1000,
        storedWidth: 400,
        storedHeight: 256,
        nsfw: i % 10 === 0 ? (i % 20 === 0 ? 'NSFW' : 'UNSURE') : 'UNLIKELY',
      }),
    );
    const parts = [rows.slice(0, 25), rows.slice(25)];
    await writeRelease(folder.storage, parts, [], { images: true });
    const through = { in: 50, out: 50, dropped: {} };
    const stats = await collectStatistics(folder.storage, {
      ...SIX_INPUT,
      ledgers: {
        record: through,
        link: through,
        pair: through,
        unique: through,
        fetched: through,
        image: through,
        matched: through,
        safe: through,
      },
    });
    const bands = await collectSamples(folder.storage, stats, { perBand: 3 });
    // Fifths of 50 values end at the 10th, 20th, 30th and 40th: 0.309, 0.319, 0.329, 0.339.
    expect(bands.map(({ from, to }) => [from, to])).toEqual([
      [0.3, 0.309],
      [0.309, 0.319],
      [0.319, 0.329],
      [0.329, 0.339],
      [0.339, 0.349],
    ]);
    expect(bands.map(({ samples }) => samples.map(({ text }) => text))).toEqual([
      ['text 1', 'text 2', 'text 3'],
      ['text 9', 'text 11', 'text 12'],
      ['text 19', 'text 21', 'text 22'],
      ['text 29', 'text 31', 'text 32'],
      ['text 39', 'text 41', 'text 42'],
    ]);
    for (const sample of bands.flatMap((band) => band.samples)) {
      expect([sample.width, sample.height]).toEqual([250, 160]);
      expect(jpegSize(sample.jpeg)).toEqual([250, 160]);
    }
  });

  test('an image that is not in its tar is named', async () => {
    await using folder = await temporaryStorage();
    await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL, { images: true });
    const stats = await collectStatistics(folder.storage, SIX_INPUT);
    const other = [[row(9)], [row(8)]];
    await folder.storage.remove('release/images');
    await using scratch = await temporaryStorage();
    await writeRelease(scratch.storage, other, [], { images: true });
    for (const path of await scratch.storage.list('release/images'))
      await folder.storage.put(path, await scratch.storage.read(path));
    await expect(collectSamples(folder.storage, stats)).rejects.toThrow(
      /00000\.tar: holds no 000000000000\.jpg/,
    );
  });
});

describe('data card', () => {
  async function card(): Promise<string> {
    await using folder = await temporaryStorage();
    await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL);
    return renderCard(await collectStatistics(folder.storage, SIX_INPUT));
  }

  test('front matter as the hub reads it', async () => {
    const [, front] = (await card()).split('---\n');
    expect(parse(front ?? '')).toEqual({
      pretty_name: 'laion400m (gleaner)',
      license: 'other',
      license_name: 'see-readme',
      license_link: 'README.md',
      language: ['de', 'en'],
      task_categories: ['image-to-text', 'text-to-image', 'zero-shot-image-classification'],
      size_categories: ['n<1K'],
      tags: ['image-text', 'common-crawl', 'webdataset', 'gleaner'],
      configs: [{ config_name: 'default', data_files: [{ split: 'train', path: 'metadata/*.parquet' }] }],
    });
  });

  test('says thresholds as run, every count, and what the encoder is not', async () => {
    const content = await card();
    for (const said of [
      'at least 5 characters; language en',
      'at least 0.3',
      'at most 89,478,485 pixels',
      '| **kept** | 6 | 85.7 % |',
      '| − HTTP status is not 200 | 3 | 15.0 % |',
      'a small contrastive encoder that knows emoji, not CLIP',
      'safety categories are stand-ins',
      '| `https://creativecommons.org/licenses/by/4.0/` | 1 | 16.7 % |',
    ])
      expect(content).toContain(said);
  });

  test('names of strangers are code, prose is escaped, and no line is of their making', async () => {
    await using folder = await temporaryStorage();
    await writeRelease(folder.storage, [HOSTILE_ROWS], HOSTILE_TRAIL);
    const content = renderCard(await collectStatistics(folder.storage, HOSTILE_INPUT));
    // What is left when code spans and escapes are taken away is markup of ours.
    const markup = content
      .slice(content.indexOf('\n---\n', 4))
      .replace(/\\[!-/:-@[-`{-~]/g, '')
      .replace(/(`+)(?!`)[^\n]*?[^`]\1(?!`)/g, '');
    expect(markup).not.toMatch(/<(?!0\.1 %)|\]\(|!\[/);
    expect(content).not.toMatch(/[\u202a-\u202e\u2066-\u2069]|[^\P{Cc}\n]/u);
    expect(content.match(/^# .*/gm)).toEqual(['# laion400m: 8 image-text pairs']);
    expect(content.match(/^```.*/gm)).toEqual(['```python', '```', '```sql', '```']);
    for (const line of content.match(/^\| `.* % \|$/gm) ?? [])
      expect([...line.matchAll(/(?<!\\)\|/g)]).toHaveLength(4);
  });
});

const croissantSchema = z.object({
  '@type': z.literal('sc:Dataset'),
  conformsTo: z.literal('http://mlcommons.org/croissant/1.0'),
  name: z.string(),
  distribution: z.array(
    z.object({
      '@type': z.enum(['cr:FileObject', 'cr:FileSet']),
      '@id': z.string(),
      sha256: z.string().optional(),
      contentUrl: z.string().optional(),
      includes: z.string().optional(),
    }),
  ),
  recordSet: z.array(
    z.object({
      field: z.array(
        z.object({
          name: z.string(),
          dataType: z.string(),
          source: z.object({
            fileSet: z.object({ '@id': z.string() }),
            extract: z.object({ column: z.string() }),
          }),
        }),
      ),
    }),
  ),
});

test('croissant.json names every file with its checksum and every column with its type', async () => {
  await using folder = await temporaryStorage();
  const { release } = await writeSix(folder.storage);
  const croissant = croissantSchema.parse(JSON.parse(await text(folder.storage, 'release/croissant.json')));
  const objects = croissant.distribution.filter((d) => d['@type'] === 'cr:FileObject');
  expect(Object.fromEntries(objects.map((o) => [`release/${o.contentUrl}`, o.sha256]))).toEqual(
    Object.fromEntries(release.map(({ path, sha256 }) => [path, sha256])),
  );
  const sets = croissant.distribution.filter((d) => d['@type'] === 'cr:FileSet');
  expect(sets.map((s) => s.includes)).toEqual(['metadata/*.parquet', 'images/*.tar', 'dropped/*.parquet']);
  const fields = croissant.recordSet[0]?.field ?? [];
  // LAION-400M's eight columns, in order; then ours.
  expect(fields.slice(0, 10).map(({ name, dataType }) => [name, dataType])).toEqual([
    ['SAMPLE_ID', 'sc:Integer'],
    ['URL', 'sc:URL'],
    ['TEXT', 'sc:Text'],
    ['HEIGHT', 'sc:Integer'],
    ['WIDTH', 'sc:Integer'],
    ['LICENSE', 'sc:Text'],
    ['NSFW', 'sc:Text'],
    ['similarity', 'sc:Float'],
    ['language', 'sc:Text'],
    ['language_confidence', 'sc:Float'],
  ]);
  for (const { name, source } of fields)
    expect(source).toEqual({ fileSet: { '@id': 'metadata' }, extract: { column: name } });
});
