import { mkdir } from 'node:fs/promises';
import { toFloat16, toFloat32 } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { fileStorage } from '../storage/index.ts';
import { type Layout, readLayout, writeLayout } from './layout.ts';
import type { RowSet } from './row-set.ts';
import type {
  KnnBatch,
  KnnEngine,
  KnnHit,
  KnnIndex,
  KnnPrecision,
  KnnRangeOptions,
  KnnSearchOptions,
  KnnStats,
} from './types.ts';
import { compareHits, dot, normalizeQuery, normalizeRows } from './vector.ts';

/** The ids, uint32, then their vectors in the same order. */
const VECTORS_FILE = 'vectors.bin';
/** Vectors that are read or written at once. */
const STEP = 4096;

/**
 * Compares the query with every vector: recall is 1 by construction. All vectors are in memory
 * (4 × dimension bytes each), a search of 100,000 × 512 takes some 50 ms. The reference of the other engines.
 */
export const exactEngine: KnnEngine = {
  name: 'exact',
  async build(path, { dimension, precision = 'float32', signal }, batches) {
    await mkdir(path);
    const index = new ExactIndex(path, { dimension, precision, readOnly: false });
    for await (const batch of batches) {
      signal?.throwIfAborted();
      await index.add(batch);
    }
    const stats = await index.stats();
    await index.write();
    await writeLayout(path, stats);
    return stats;
  },
  async setEffort(path) {
    return (await readFlat(path)).parameters;
  },
  async open(path, { readOnly = true } = {}) {
    const { dimension, parameters } = await readFlat(path);
    const precision = parameters.precision === 'float16' ? 'float16' : 'float32';
    const index = new ExactIndex(path, { dimension, precision, readOnly });
    await index.load();
    return index;
  },
};

async function readFlat(path: string): Promise<Layout> {
  const layout = await readLayout(path);
  if (layout.engine === 'exact') return layout;
  throw new GleanerError('DAMAGED', { path, problem: `is an index of ${layout.engine}.` });
}

interface ExactOptions {
  readonly dimension: number;
  readonly precision: KnnPrecision;
  readonly readOnly: boolean;
}

class ExactIndex implements KnnIndex {
  readonly dimension: number;
  readonly #path: string;
  readonly #precision: KnnPrecision;
  readonly #readOnly: boolean;
  readonly #vectors = new Map<number, Float32Array>();
  /** Whether the file is behind what is in memory. */
  #changed = false;
  #closed = false;

  constructor(path: string, { dimension, precision, readOnly }: ExactOptions) {
    this.#path = path;
    this.dimension = dimension;
    this.#precision = precision;
    this.#readOnly = readOnly;
  }

  async load(): Promise<void> {
    try {
      const source = await fileStorage(this.#path).open(VECTORS_FILE);
      try {
        const rowBytes = this.dimension * this.#numberBytes;
        const rows = source.byteLength / (4 + rowBytes);
        if (!Number.isInteger(rows)) throw new Error('its length is not of whole rows');
        const ids = new Uint32Array(await source.slice(0, rows * 4));
        for (let first = 0; first < rows; first += STEP) {
          const some = ids.subarray(first, first + STEP);
          const at = rows * 4 + first * rowBytes;
          const bytes = await source.slice(at, at + some.length * rowBytes);
          const vectors =
            this.#precision === 'float16' ? toFloat32(new Uint16Array(bytes)) : new Float32Array(bytes);
          some.forEach((id, i) => {
            this.#vectors.set(id, vectors.subarray(i * this.dimension, (i + 1) * this.dimension));
          });
        }
      } finally {
        await source.close();
      }
    } catch (cause) {
      const problem = 'is damaged. Make it again with gleaner index.';
      throw new GleanerError('DAMAGED', { path: this.#path, problem }, { cause });
    }
  }

  async add({ ids, vectors }: KnnBatch): Promise<void> {
    this.#check(true);
    const normalized = normalizeRows(vectors, this.dimension);
    if (normalized.length !== ids.length * this.dimension)
      throw new RangeError('ids and vectors differ in number');
    const rows = this.#precision === 'float16' ? toFloat32(toFloat16(normalized)) : normalized;
    ids.forEach((id, i) => {
      this.#vectors.set(id, rows.slice(i * this.dimension, (i + 1) * this.dimension));
    });
    this.#changed = true;
  }

  async remove(ids: readonly number[]): Promise<number> {
    this.#check(true);
    this.#changed = true;
    return ids.filter((id) => this.#vectors.delete(id)).length;
  }

  async search(vector: Float32Array, { k, among, vectors }: KnnSearchOptions): Promise<readonly KnnHit[]> {
    return this.#hits(vector, among, vectors).slice(0, k);
  }

  async searchRange(
    vector: Float32Array,
    { minCosine, limit, among, vectors }: KnnRangeOptions,
  ): Promise<readonly KnnHit[]> {
    return this.#hits(vector, among, vectors)
      .filter(({ cosine }) => cosine >= minCosine)
      .slice(0, limit);
  }

  #hits(vector: Float32Array, among?: RowSet, withVectors = false): KnnHit[] {
    this.#check();
    const query = normalizeQuery(vector, this.dimension);
    const hits: KnnHit[] = [];
    for (const [id, stored] of this.#vectors) {
      if (among && !among.has(id)) continue;
      const cosine = dot(query, 0, stored, 0, this.dimension);
      hits.push(withVectors ? { id, cosine, vector: stored } : { id, cosine });
    }
    return hits.sort(compareHits);
  }

  async fetch(ids: readonly number[]): Promise<ReadonlyMap<number, Float32Array>> {
    this.#check();
    return new Map(
      ids.flatMap((id) => {
        const vector = this.#vectors.get(id);
        return vector ? [[id, vector] as const] : [];
      }),
    );
  }

  async stats(): Promise<KnnStats> {
    this.#check();
    return {
      engine: 'exact',
      version: '2',
      rows: this.#vectors.size,
      dimension: this.dimension,
      parameters: { index: 'flat', precision: this.#precision },
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#changed) await this.write();
  }

  /** The file anew, and whole in its place at once: what was taken out is in no file then. */
  async write(): Promise<void> {
    const file = await fileStorage(this.#path).create(VECTORS_FILE);
    try {
      await file.write(bytesOf(Uint32Array.from(this.#vectors.keys())));
      const all = [...this.#vectors.values()];
      for (let first = 0; first < all.length; first += STEP) {
        const some = all.slice(first, first + STEP);
        const numbers = new Float32Array(some.length * this.dimension);
        some.forEach((vector, i) => {
          numbers.set(vector, i * this.dimension);
        });
        await file.write(bytesOf(this.#precision === 'float16' ? toFloat16(numbers) : numbers));
      }
      await file.commit();
    } catch (error) {
      await file.abort();
      throw error;
    }
  }

  get #numberBytes(): number {
    return this.#precision === 'float16' ? 2 : 4;
  }

  #check(toWrite = false): void {
    if (this.#closed) throw new Error('the index is closed');
    if (toWrite && this.#readOnly) throw new Error('the index is open for reading only');
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Uint32Array | Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
