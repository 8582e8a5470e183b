import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { loadRecipe } from '../../src/config/index.ts';
import { type Column, createParquetWriter, createTarWriter, type RowOf } from '../../src/formats/index.ts';
import type { DroppedRow, Reason, Row, Uid } from '../../src/schema/index.ts';
import { RELEASE_COLUMNS, releaseFiles } from '../../src/stages/released.ts';
import type { WriteReportInput } from '../../src/stages/report/write.ts';
import { DROPPED_COLUMNS, droppedRecord } from '../../src/stages/tables.ts';
import { type FileInfo, fileStorage, type Storage } from '../../src/storage/index.ts';
import { releaseRecord } from '../support/released-row.ts';

/** A folder of its own, gone when the test ends. */
export async function temporaryStorage(): Promise<{ storage: Storage } & AsyncDisposable> {
  const root = await mkdtemp(join(tmpdir(), 'gleaner-report-'));
  return {
    storage: fileStorage(root),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

/** A released row; what a test does not say is dull. */
export function row(n: number, given: Partial<Row> = {}): Row {
  return {
    uid: n.toString(16).padStart(32, '0') as Uid,
    url: `https://a.example/${n}.jpg`,
    text: `text ${n}`,
    pageUrl: 'https://a.example/',
    wat: 'a.wat.gz#0',
    license: '?',
    language: 'en',
    languageConfidence: 0.75,
    width: 100,
    height: 100,
    storedWidth: 100,
    storedHeight: 100,
    format: 'jpeg',
    sha256: '0'.repeat(64),
    tags: '',
    phash: '0'.repeat(16),
    nsfw: 'UNLIKELY',
    similarity: 0.5,
    harvestedAt: '',
    sampleId: BigInt(n),
    key: String(n).padStart(12, '0'),
    ...given,
  };
}

export function droppedRow(reason: Reason, detail = '', similarity: number | null = null): DroppedRow {
  const { uid, url, text, pageUrl, wat, license, language, languageConfidence } = row(0);
  return { uid, url, text, pageUrl, wat, license, language, languageConfidence, reason, detail, similarity };
}

/** Writes the files of a release by the real formats: a part for each list of rows, images where `images` says so. */
export async function writeRelease(
  storage: Storage,
  parts: readonly (readonly Row[])[],
  trail: readonly DroppedRow[],
  options: { readonly images?: boolean } = {},
): Promise<FileInfo[]> {
  const files: FileInfo[] = [];
  for (const [i, rows] of parts.entries()) {
    const paths = releaseFiles(i, parts.length);
    files.push(await writeTable(storage, paths.metadata, RELEASE_COLUMNS, rows.map(releaseRecord)));
    if (!options.images) continue;
    const pending = await storage.create(paths.images);
    const tar = createTarWriter(pending);
    for (const { key, storedWidth: width, storedHeight: height, text } of rows) {
      const background = { r: Number(key) % 256, g: 128, b: 64 };
      const jpeg = await sharp({ create: { width, height, channels: 3, background } })
        .jpeg()
        .toBuffer();
      await tar.add(`${key}.jpg`, jpeg);
      await tar.add(`${key}.txt`, new TextEncoder().encode(text));
    }
    await tar.finish();
    const file = await pending.commit();
    if (file) files.push(file);
  }
  files.push(
    await writeTable(storage, 'release/dropped/all.parquet', DROPPED_COLUMNS, trail.map(droppedRecord)),
  );
  return files;
}

async function writeTable<const C extends readonly Column[]>(
  storage: Storage,
  path: string,
  columns: C,
  rows: readonly RowOf<C>[],
): Promise<FileInfo> {
  const pending = await storage.create(path);
  const writer = createParquetWriter(pending, columns);
  await writer.writeRowGroup(rows);
  await writer.finish();
  const file = await pending.commit();
  if (!file) throw new Error(`${path} was there already`);
  return file;
}

/** Six pairs in two parts. */
export const SIX_ROWS: readonly (readonly Row[])[] = [
  [
    row(0, { width: 1024, height: 768, similarity: 0.3, text: 'a red apple' }),
    row(1, { width: 512, height: 512, similarity: 0.31, text: 'Größe', language: 'de', format: 'png' }),
    row(2, {
      width: 2000,
      height: 1200,
      similarity: 0.35,
      text: '🍎 apple',
      url: 'https://b.example:8443/x.webp?q=1',
      license: 'https://creativecommons.org/licenses/by/4.0/',
    }),
  ],
  [
    row(3, { width: 256, height: 100, similarity: 0.42, nsfw: 'UNSURE', format: 'webp' }),
    row(4, { width: 255, height: 255, similarity: 0.5 }),
    row(5, { width: 1024, height: 1024, similarity: 0.9, nsfw: 'NSFW', url: 'https://c.example/' }),
  ],
];

/** The trail of a run of 40 links that ends with SIX_ROWS: all but the links without a text. */
export const SIX_TRAIL: readonly DroppedRow[] = [
  droppedRow('url_scheme', 'ftp'),
  ...Array.from({ length: 4 }, () => droppedRow('text_short', '3')),
  ...Array.from({ length: 2 }, () => droppedRow('language', 'fr')),
  ...Array.from({ length: 4 }, () => droppedRow('duplicate', 'a.wat.gz#9')),
  droppedRow('http_status', '404'),
  droppedRow('http_status', '500'),
  droppedRow('http_status', '404'),
  droppedRow('robots'),
  droppedRow('timeout', 'first byte'),
  ...Array.from({ length: 2 }, () => droppedRow('body_small', '43')),
  ...[-0.05, 0.1, 0.2, 0.25, 0.29, 0.29999].map((cosine) => droppedRow('similarity', '', cosine)),
  droppedRow('minor', '', 0.4),
];

/** What goes with SIX_ROWS and SIX_TRAIL. */
export const SIX_INPUT: Omit<WriteReportInput, 'files'> = {
  gleaner: '1.2.3',
  recipe: loadRecipe('laion400m'),
  model: { name: 'gleaner-mini', dimension: 256, files: { 'onnx/vision_model.onnx': 'ab'.repeat(32) } },
  ledgers: {
    record: { in: 10, out: 9, dropped: { record_json: 1 } },
    link: { in: 40, out: 30, dropped: { no_text: 9, url_scheme: 1 } },
    pair: { in: 30, out: 24, dropped: { text_short: 4, language: 2 } },
    unique: { in: 24, out: 20, dropped: { duplicate: 4 } },
    fetched: { in: 20, out: 15, dropped: { robots: 1, timeout: 1, http_status: 3 } },
    image: { in: 15, out: 13, dropped: { body_small: 2 } },
    matched: { in: 13, out: 7, dropped: { similarity: 6 } },
    safe: { in: 7, out: 6, dropped: { minor: 1 } },
  },
};
