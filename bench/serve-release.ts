import { hash } from 'node:crypto';
import { copyFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { identifyModel, resolveModel } from '../src/clip/index.ts';
import { GLEANER_VERSION, loadRecipe } from '../src/config/index.ts';
import { createParquetWriter, createTarWriter } from '../src/formats/index.ts';
import { FUNNEL_STEPS, type StepLedgers } from '../src/schema/index.ts';
import { RELEASE_COLUMNS, releaseFiles } from '../src/stages/released.ts';
import { writeReport } from '../src/stages/report/index.ts';
import { DROPPED_COLUMNS } from '../src/stages/tables.ts';
import { writeFile, writeFiles } from '../src/stages/write-file.ts';
import { fileStorage } from '../src/storage/index.ts';

const ROWS_PER_GROUP = 50_000;

/**
 * A release whose vectors, those of images and of texts, are `vectors` (an npy file), and whose rows say what
 * serve-clip-back.py of ../shared/peers/knn gives to clip-retrieval. Said to be of the embedded encoder, which has as many numbers.
 * @param first number of the first pair: those of two releases are others
 */
export async function makeServedRelease(
  dir: string,
  vectors: string,
  rows: number,
  first = 0,
): Promise<void> {
  const storage = fileStorage(dir);
  const { metadata, images, imageEmbeddings, textEmbeddings } = releaseFiles(0, 1);
  const background = { r: 90, g: 140, b: 70 };
  const jpeg = await sharp({ create: { width: 16, height: 16, channels: 3, background } })
    .jpeg()
    .toBuffer();
  await writeFiles(storage, [metadata, images], async ([rowSink, tarSink]) => {
    if (!rowSink || !tarSink) return;
    const table = createParquetWriter(rowSink, RELEASE_COLUMNS, { codec: 'SNAPPY' });
    const tar = createTarWriter(tarSink);
    for (let from = 0; from < rows; from += ROWS_PER_GROUP) {
      const group = Array.from({ length: Math.min(ROWS_PER_GROUP, rows - from) }, (_, i) => ({
        ...madeRow(first + from + i),
        SAMPLE_ID: BigInt(from + i),
      }));
      for (const { key } of group) await tar.add(`${key}.jpg`, jpeg);
      await table.writeRowGroup(group);
    }
    await table.finish();
    await tar.finish();
  });
  for (const path of [imageEmbeddings, textEmbeddings]) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await copyFile(vectors, join(dir, path));
  }
  await writeFile(storage, 'release/dropped/harvest_00000.parquet', (sink) =>
    createParquetWriter(sink, DROPPED_COLUMNS).finish(),
  );
  const { name, dimension, files } = await identifyModel(resolveModel('gleaner-mini'));
  const same = { in: rows, out: rows, dropped: {} };
  const steps = FUNNEL_STEPS.filter((step) => step !== 'selected').map((step) => [step, same]);
  await writeReport(storage, {
    ...{ gleaner: GLEANER_VERSION, recipe: loadRecipe('everything'), model: { name, dimension, files } },
    ...{ ledgers: Object.fromEntries(steps) as StepLedgers, files: [] },
  });
}

function madeRow(i: number) {
  const uid = hash('sha256', String(i)).slice(0, 32);
  return {
    URL: `https://images.example/${String(i).padStart(9, '0')}/photo-${(i * 7919) % 1000003}.jpg`,
    TEXT: `a photo of thing ${(i * 31) % 1999} in place ${(i * 17) % 997}, number ${i}`,
    ...{ HEIGHT: 400, WIDTH: 600, LICENSE: '?', NSFW: 'UNLIKELY', similarity: 0.31 },
    ...{ language: 'en', language_confidence: 0.75 },
    page_url: `https://www.site${i % 5000}.example.org/a-page/${i}.html`,
    ...{ uid, sha256: uid.repeat(2), phash: '0123456789abcdef', format: 'jpeg' },
    ...{ stored_width: 16, stored_height: 16 },
    wat: 'CC-MAIN-20250707183638-00000.warc.wat.gz#12345',
    harvested_at: '2026-11-21T00:00:00Z',
    ...{ key: String(i).padStart(12, '0'), tags: '' },
  };
}
