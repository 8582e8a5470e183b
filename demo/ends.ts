import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Column, readParquetRows } from '../src/formats/index.ts';
import { openFile } from '../src/storage/index.ts';

/** Where a pair ended in a run. */
export interface PairEnd {
  readonly url: string;
  readonly text: string;
  readonly license: string;
  /** A reason, or 'released'. */
  readonly end: string;
}

const RELEASED = [
  { name: 'URL', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'LICENSE', type: 'string' },
] as const satisfies readonly Column[];
const DROPPED = [
  { name: 'url', type: 'string' },
  { name: 'text', type: 'string' },
  { name: 'license', type: 'string' },
  { name: 'reason', type: 'string' },
] as const satisfies readonly Column[];

/**
 * Reads where every pair of a run ended, from its release and its trail of what was dropped.
 *
 * @param dir - Folder of the run.
 */
export async function readEnds(dir: string): Promise<PairEnd[]> {
  const ends: PairEnd[] = [];
  for await (const row of rowsOf(join(dir, 'release', 'metadata'), RELEASED))
    ends.push({ url: row.URL, text: row.TEXT, license: row.LICENSE, end: 'released' });
  for await (const row of rowsOf(join(dir, 'release', 'dropped'), DROPPED))
    ends.push({ url: row.url, text: row.text, license: row.license, end: row.reason });
  return ends;
}

async function* rowsOf<const C extends readonly Column[]>(folder: string, columns: C) {
  for (const name of (await readdir(folder, { recursive: true }))
    .filter((file) => file.endsWith('.parquet'))
    .sort()) {
    const file = await openFile(join(folder, name));
    try {
      yield* readParquetRows(file, columns, { name });
    } finally {
      await file.close();
    }
  }
}
