import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import {
  type Column,
  npyInfo,
  parquetInfo,
  readNpyRows,
  readParquetRows,
  readTar,
} from '../../src/formats/index.ts';
import { RELEASE_COLUMNS } from '../../src/stages/released.ts';
import { fileStorage } from '../../src/storage/index.ts';

/** Files below a folder in which one of these stands: as bytes, or as text in a Parquet file, whatever packs it there. */
export async function filesWith(
  folder: string,
  needles: readonly (string | Uint8Array)[],
): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = relative(folder, join(entry.parentPath, entry.name));
    const bytes = await readFile(join(folder, path));
    const text = path.endsWith('.parquet') ? await parquetText(folder, path) : '';
    for (const needle of needles)
      if (bytes.includes(needle) || (typeof needle === 'string' && text.includes(needle))) {
        found[path] ??= [];
        found[path].push(typeof needle === 'string' ? needle : `${needle.length} bytes`);
      }
  }
  return found;
}

/** All text of a Parquet file, whatever its columns. */
async function parquetText(folder: string, path: string): Promise<string> {
  const source = await fileStorage(folder).open(path);
  try {
    const info = await parquetInfo(source, path);
    const columns = info.columns
      .filter(({ type }) => type === 'string')
      .map(({ name }): Column => ({ name, type: 'string', nullable: true }));
    const rows = await Array.fromAsync(readParquetRows(source, columns, { info, name: path }));
    return rows.map((row) => Object.values(row).join('\n')).join('\n');
  } finally {
    await source.close();
  }
}

/** A row of a release with all that belongs to it. */
export interface ReleasedPair {
  readonly row: Record<string, unknown> & {
    readonly URL: string;
    readonly TEXT: string;
    readonly uid: string;
  };
  readonly jpeg: Uint8Array;
  readonly json: unknown;
  readonly imageEmbedding: readonly number[];
  readonly textEmbedding: readonly number[];
}

/** Everything in a release, in its order, by the files alone. */
export async function releasedPairs(folder: string): Promise<ReleasedPair[]> {
  const storage = fileStorage(folder);
  const all = async <T>(part: string, read: (path: string) => Promise<T[]>) => {
    const lists = await Promise.all((await storage.list(`release/${part}`)).map(read));
    return lists.flat();
  };
  const rows = await all('metadata', async (path) => {
    const source = await storage.open(path);
    const some = await Array.fromAsync(readParquetRows(source, RELEASE_COLUMNS, { name: path }));
    await source.close();
    return some;
  });
  const matrix = (part: string) =>
    all(part, async (path) => {
      const source = await storage.open(path);
      const { columns, rows: count } = await npyInfo(source);
      const values = await readNpyRows(source);
      await source.close();
      return Array.from({ length: count }, (_, i) => [...values.slice(i * columns, (i + 1) * columns)]);
    });
  const members = await all('images', async (path) =>
    Array.fromAsync(readTar(storage.stream(path), { name: path })),
  );
  const [images, texts] = [await matrix('img_emb'), await matrix('text_emb')];
  const bytesOf = (name: string) => members.find((member) => member.name === name)?.bytes ?? new Uint8Array();
  if (members.length !== 3 * rows.length || images.length !== rows.length || texts.length !== rows.length)
    throw new Error('files of a release do not have the same rows');
  return rows.map((row, i) => ({
    row,
    jpeg: bytesOf(`${row.key}.jpg`),
    json: JSON.parse(Buffer.from(bytesOf(`${row.key}.json`)).toString()),
    imageEmbedding: images[i] ?? [],
    textEmbedding: texts[i] ?? [],
  }));
}
