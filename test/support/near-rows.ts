import { createNpyWriter, createParquetWriter, readParquetRows } from '../../src/formats/index.ts';
import { type HarvestRow, pairUid } from '../../src/schema/index.ts';
import { HARVEST_COLUMNS, harvestFiles, harvestRecord } from '../../src/stages/harvested.ts';
import { type NearTask, near } from '../../src/stages/near/near.ts';
import type { NearShard } from '../../src/stages/near/ranks.ts';
import { DROPPED_COLUMNS } from '../../src/stages/tables.ts';
import type { Storage } from '../../src/storage/index.ts';
import { madeRow } from './made-shard.ts';

/** A row that duplicates are looked for among. */
export interface NearRow {
  readonly uid: string;
  readonly sha256: string;
  readonly phash: string;
  readonly similarity: number;
  readonly embedding: Float32Array;
}

/** Row `n`, with what decides about it. */
export function nearRow(n: number, facts: Partial<Omit<NearRow, 'uid'>> = {}): NearRow {
  // One of zeros alone would be that of a pair that was taken down.
  const { url, text, sha256, phash, similarity } = { ...madeRow(n), sha256: madeRow(n + 1).sha256 };
  return { uid: pairUid(url, text), sha256, phash, similarity, embedding: Float32Array.of(1), ...facts };
}

/**
 * Writes rows as harvested shards, of which near reads no more than this.
 * @param first number of the first shard
 */
export async function writeShards(
  storage: Storage,
  shards: readonly (readonly NearRow[])[],
  first = 0,
): Promise<NearShard[]> {
  const written: NearShard[] = [];
  for (const [i, rows] of shards.entries()) {
    const files = harvestFiles(`harvest/${String(first + i).padStart(5, '0')}-made`);
    const table = await storage.create(files.rows);
    const writer = createParquetWriter(table, HARVEST_COLUMNS);
    await writer.writeRowGroup(
      rows.map(({ embedding: _, ...facts }) =>
        harvestRecord({ ...madeRow(0), ...facts } as HarvestRow, { offset: 0, bytes: 0 }),
      ),
    );
    await writer.finish();
    await table.commit();
    const matrix = await storage.create(files.imageEmbeddings);
    const columns = rows[0]?.embedding.length ?? 1;
    const npy = await createNpyWriter(matrix, { dtype: 'float16', rows: rows.length, columns });
    for (const { embedding } of rows) await npy.writeRows(embedding);
    await npy.finish();
    await matrix.commit();
    written.push({ files, rows: rows.length });
  }
  return written;
}

export interface Verdict {
  readonly reason: string;
  readonly detail: string;
}

/** Runs near on these shards. @returns what was dropped, by uid, and what near itself says */
export async function dropped(
  storage: Storage,
  shards: readonly NearShard[],
  rules: NearTask['rules'],
  dimension: number,
): Promise<{ verdicts: Map<string, Verdict>; result: Awaited<ReturnType<typeof near>> }> {
  const signal = new AbortController().signal;
  const result = await near({ shards, rules, dimension }, { storage, signal, progress: () => undefined });
  const verdicts = new Map<string, Verdict>();
  for (const { path } of result.files.filter((file) => file.path.startsWith('dropped/'))) {
    const source = await storage.open(path);
    for await (const { uid, reason, detail } of readParquetRows(source, DROPPED_COLUMNS, { name: path }))
      verdicts.set(uid, { reason, detail });
    await source.close();
  }
  return { verdicts, result };
}
