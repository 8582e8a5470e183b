import { harvestFiles } from '../../../stages/harvested.ts';
import type { UploadedName } from './protocol.ts';

/** The pairs of a loan, for the volunteer to read. */
export function lentPairs(loan: string): string {
  return `lent/${loan}/pairs.parquet`;
}

/** Where the volunteer's URLs let it write. */
export function incoming(loan: string): string {
  return `incoming/${loan}`;
}

/** Where what came in is taken before it is looked at: no URL that was given out writes there. */
export function held(loan: string): string {
  return `held/${loan}`;
}

/** All folders of a loan, to be removed when it has ended. */
export function foldersOf(loan: string): readonly string[] {
  return [`lent/${loan}`, incoming(loan), held(loan)];
}

/** Names of uploads, by what they are of a shard. */
export function uploadedFiles(folder: string): Readonly<Record<UploadedName, string>> {
  const files = harvestFiles(folder);
  return {
    'rows.parquet': files.rows,
    'images.tar': files.images,
    'img_emb.npy': files.imageEmbeddings,
    'text_emb.npy': files.textEmbeddings,
    'dropped.parquet': files.dropped,
    'fetched.parquet': files.fetched,
  };
}
