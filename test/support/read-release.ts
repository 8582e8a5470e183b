import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/** A pair of a release with all that belongs to it. */
export interface ReadPair {
  readonly row: Readonly<Record<string, unknown>>;
  /** Bytes of its rows of the embeddings. */
  readonly image: string;
  readonly text: string;
  /** Files of its sample, by extension; `json` is parsed. */
  readonly sample: Readonly<Record<string, unknown>>;
}

/** Reads a release without gleaner's readers: hyparquet alone, and npy and tar by hand. */
export async function readRelease(dir: string): Promise<ReadPair[]> {
  const pairs: ReadPair[] = [];
  const at = (folder: string) => join(dir, 'release', folder);
  const [metadata, images, texts, tars] = await Promise.all(
    ['metadata', 'img_emb', 'text_emb', 'images'].map(async (folder) =>
      (await readdir(at(folder))).sort().map((name) => join(at(folder), name)),
    ),
  );
  for (const [part, path] of (metadata ?? []).entries()) {
    const rows = await readTable(path);
    const [image, text] = [await readNpy(images?.[part] ?? ''), await readNpy(texts?.[part] ?? '')];
    const samples = await readSamples(tars?.[part] ?? '');
    if (image.length !== rows.length || text.length !== rows.length || samples.length !== rows.length)
      throw new Error(
        `part ${part}: ${rows.length}, ${image.length}, ${text.length}, ${samples.length} rows`,
      );
    for (const [i, row] of rows.entries())
      pairs.push({ row, image: image[i] ?? '', text: text[i] ?? '', sample: samples[i] ?? {} });
  }
  return pairs;
}

/** The rows of a Parquet file. */
export async function readTable(path: string): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({ file: await asyncBufferFromFile(path), compressors });
}

async function readNpy(path: string): Promise<string[]> {
  const bytes = await readFile(path);
  const header = bytes.toString('latin1', 10, 10 + bytes.readUInt16LE(8));
  const [, rows = 0, columns = 0] = (/'<f2'.*\((\d+), (\d+)\)/.exec(header) ?? []).map(Number);
  const start = 10 + bytes.readUInt16LE(8);
  if (bytes.length !== start + 2 * rows * columns) throw new Error(`${path}: ${header}`);
  return Array.from({ length: rows }, (_, i) =>
    bytes.toString('hex', start + i * 2 * columns, start + (i + 1) * 2 * columns),
  );
}

async function readSamples(path: string): Promise<Record<string, unknown>[]> {
  const bytes = await readFile(path);
  const samples = new Map<string, Record<string, unknown>>();
  for (let at = 0; bytes[at]; ) {
    const name = bytes.toString('latin1', at, bytes.indexOf(0, at));
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8);
    const content = bytes.subarray(at + 512, at + 512 + size);
    const [key = '', extension = ''] = name.split('.');
    const sample = samples.get(key) ?? { key };
    sample[extension] = extension === 'json' ? JSON.parse(content.toString()) : content.toString('hex');
    samples.set(key, sample);
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return [...samples.values()];
}
