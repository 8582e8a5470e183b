import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { readLayout, writeLayout } from './layout.ts';
import type {
  KnnBatch,
  KnnEngine,
  KnnFields,
  KnnHit,
  KnnIndex,
  KnnSearchOptions,
  KnnStats,
} from './types.ts';
import { compareHits, dot, matches, normalizeQuery, normalizeRows } from './vector.ts';

const rowsSchema = z.array(
  z.object({
    id: z.int().min(0),
    fields: z.object({
      nsfw: z.string(),
      width: z.number(),
      height: z.number(),
      similarity: z.number(),
      language: z.string(),
      license: z.string(),
    }),
  }),
);

/**
 * Compares the query with every vector: recall is 1 by construction. All vectors are in memory
 * (4 × dimension bytes each), a search of 100,000 × 512 takes some 50 ms. The reference of the other engines, and
 * the engine for machines that zvec does not run on.
 */
export const exactEngine: KnnEngine = {
  name: 'exact',
  async build(path, { dimension, signal }, batches) {
    await mkdir(path);
    const index = new ExactIndex(path, dimension, false, true);
    for await (const batch of batches) {
      signal?.throwIfAborted();
      await index.add(batch);
    }
    const stats = await index.stats();
    await index.close();
    await writeLayout(path, stats);
    return stats;
  },
  async open(path, { readOnly = true } = {}) {
    const { engine, dimension } = await readLayout(path);
    if (engine !== 'exact') throw new GleanerError('DAMAGED', { path, problem: `is an index of ${engine}.` });
    const index = new ExactIndex(path, dimension, readOnly);
    await index.load();
    return index;
  },
};

interface Item {
  readonly vector: Float32Array;
  readonly fields: KnnFields;
}

class ExactIndex implements KnnIndex {
  readonly dimension: number;
  readonly #path: string;
  readonly #readOnly: boolean;
  readonly #items = new Map<number, Item>();
  /** Whether the files are behind what is in memory. */
  #changed: boolean;
  #closed = false;

  constructor(path: string, dimension: number, readOnly: boolean, isNew = false) {
    this.#path = path;
    this.#changed = isNew;
    this.dimension = dimension;
    this.#readOnly = readOnly;
  }

  async load(): Promise<void> {
    try {
      const rows = rowsSchema.parse(JSON.parse(await readFile(join(this.#path, 'rows.json'), 'utf8')));
      const bytes = await readFile(join(this.#path, 'vectors.f32'));
      if (bytes.length !== rows.length * this.dimension * 4)
        throw new Error('vectors and rows differ in number');
      const vectors = new Float32Array(new Uint8Array(bytes).buffer);
      rows.forEach(({ id, fields }, i) => {
        this.#items.set(id, {
          fields,
          vector: vectors.subarray(i * this.dimension, (i + 1) * this.dimension),
        });
      });
    } catch (cause) {
      const problem = 'is damaged. Make it again with gleaner index.';
      throw new GleanerError('DAMAGED', { path: this.#path, problem }, { cause });
    }
  }

  async add({ ids, vectors, fields }: KnnBatch): Promise<void> {
    this.#check(true);
    const rows = normalizeRows(vectors, this.dimension);
    if (rows.length !== ids.length * this.dimension || fields.length !== ids.length)
      throw new RangeError('ids, vectors and fields differ in number');
    ids.forEach((id, i) => {
      const of = fields[i];
      if (of)
        this.#items.set(id, { fields: of, vector: rows.slice(i * this.dimension, (i + 1) * this.dimension) });
    });
    this.#changed = true;
  }

  async remove(ids: readonly number[]): Promise<number> {
    this.#check(true);
    this.#changed = true;
    return ids.filter((id) => this.#items.delete(id)).length;
  }

  async search(vector: Float32Array, { k, filter, vectors }: KnnSearchOptions): Promise<readonly KnnHit[]> {
    this.#check();
    const query = normalizeQuery(vector, this.dimension);
    const hits: KnnHit[] = [];
    for (const [id, item] of this.#items)
      if (!filter || matches(item.fields, filter)) {
        const cosine = dot(query, 0, item.vector, 0, this.dimension);
        hits.push(vectors ? { id, cosine, vector: item.vector } : { id, cosine });
      }
    return hits.sort(compareHits).slice(0, k);
  }

  async fetch(ids: readonly number[]): Promise<ReadonlyMap<number, Float32Array>> {
    this.#check();
    return new Map(
      ids.flatMap((id) => {
        const item = this.#items.get(id);
        return item ? [[id, item.vector] as const] : [];
      }),
    );
  }

  async stats(): Promise<KnnStats> {
    this.#check();
    return {
      engine: 'exact',
      version: '1',
      rows: this.#items.size,
      dimension: this.dimension,
      parameters: { index: 'flat' },
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (!this.#changed) return;
    const rows = [...this.#items].map(([id, { fields }]) => ({ id, fields }));
    const vectors = new Float32Array(this.#items.size * this.dimension);
    [...this.#items.values()].forEach((item, i) => {
      vectors.set(item.vector, i * this.dimension);
    });
    await writeFile(join(this.#path, 'vectors.f32'), new Uint8Array(vectors.buffer));
    await writeFile(join(this.#path, 'rows.json'), JSON.stringify(rows));
  }

  #check(toWrite = false): void {
    if (this.#closed) throw new Error('the index is closed');
    if (toWrite && this.#readOnly) throw new Error('the index is open for reading only');
  }
}
