import { createNpyWriter, createParquetWriter, createTarWriter } from '../../src/formats/index.ts';
import { type HarvestRow, pairUid } from '../../src/schema/index.ts';
import { HARVEST_COLUMNS, harvestFiles, harvestRecord } from '../../src/stages/harvested.ts';
import type { FileInfo, Storage } from '../../src/storage/index.ts';

/** A row as harvest keeps it: number `n` of all, so that no two are equal. */
export function madeRow(n: number): HarvestRow {
  const [url, text] = [`https://images.example/${n}.jpg`, `Picture ${n}: ü, 語 and 🙂`];
  return {
    uid: pairUid(url, text),
    url,
    text,
    pageUrl: `https://pages.example/${Math.floor(n / 3)}`,
    wat: `crawl-${n % 2}.warc.wat.gz#${n}`,
    license: n % 3 === 0 ? 'https://creativecommons.org/licenses/by/4.0/' : '?',
    language: 'en',
    languageConfidence: 0.5,
    width: 1000 + n,
    height: 500 + n,
    storedWidth: 256,
    storedHeight: 128,
    format: 'jpeg',
    sha256: (n + 1).toString(16).padStart(64, '0'),
    phash: n.toString(16).padStart(16, '0'),
    nsfw: n % 5 === 0 ? 'UNSURE' : 'UNLIKELY',
    tags: n % 4 === 0 ? 'a b' : '',
    similarity: 0.3 + (n % 7) / 16,
    harvestedAt: n % 6 === 0 ? '' : `2026-11-21T20:15:${String(n % 60).padStart(2, '0')}Z`,
  };
}

/** What stands for the picture of row `n`. */
export function madeImage(n: number): Uint8Array {
  return Buffer.from(`picture ${n} `.repeat(1 + (n % 90)));
}

/** The embeddings of row `n`: numbers that float16 holds exactly. */
export function madeEmbedding(n: number, kind: 'image' | 'text', dimension: number): Float32Array {
  return Float32Array.from({ length: dimension }, (_, i) => (kind === 'image' ? 1 : -1) * (n + i / 4));
}

export interface MadeShardOptions {
  /** @default 2 */
  readonly dimension?: number;
  /** Rows of a row group. @default all */
  readonly group?: number;
  /** Rows of the embeddings. @default all */
  readonly embedded?: number;
  /** @default 'float16' */
  readonly dtype?: 'float16' | 'float32';
  /** Bytes of images.tar that are there. @default all */
  readonly images?: number;
}

/** Writes a harvested shard of rows `numbers`, as harvest leaves it. @returns its files */
export async function writeMadeShard(
  storage: Storage,
  folder: string,
  numbers: readonly number[],
  {
    dimension = 2,
    group = numbers.length,
    embedded = numbers.length,
    dtype = 'float16',
    images,
  }: MadeShardOptions = {},
): Promise<FileInfo[]> {
  const files = harvestFiles(folder);
  const written: FileInfo[] = [];
  const write = async (
    path: string,
    work: (sink: Awaited<ReturnType<Storage['create']>>) => Promise<void>,
  ) => {
    const file = await storage.create(path);
    await work(file);
    const info = await file.commit();
    if (info) written.push(info);
  };
  const records: ReturnType<typeof harvestRecord>[] = [];
  await write(files.images, async (sink) => {
    const tar = createTarWriter(sink);
    for (const [i, n] of numbers.entries()) {
      const { offset, length } = await tar.add(`${String(i).padStart(9, '0')}.jpg`, madeImage(n));
      records.push(harvestRecord(madeRow(n), { offset, bytes: length }));
    }
    await tar.finish();
  });
  if (images !== undefined)
    await storage.put(files.images, (await storage.read(files.images)).subarray(0, images));
  await write(files.rows, async (sink) => {
    const table = createParquetWriter(sink, HARVEST_COLUMNS);
    for (let i = 0; i < records.length; i += group) await table.writeRowGroup(records.slice(i, i + group));
    await table.finish();
  });
  for (const [path, kind] of [
    [files.imageEmbeddings, 'image'],
    [files.textEmbeddings, 'text'],
  ] as const)
    await write(path, async (sink) => {
      const matrix = await createNpyWriter(sink, { dtype, rows: embedded, columns: dimension });
      for (const n of numbers.slice(0, embedded)) await matrix.writeRows(madeEmbedding(n, kind, dimension));
      await matrix.finish();
    });
  return written;
}
