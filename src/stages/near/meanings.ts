import { toFloat32 } from '../../formats/index.ts';
import { DotProducts } from '../../knn/dot-products.ts';
import { normalizeRows } from '../../knn/vector.ts';
import { floatWord, type KeptSet } from './kept-set.ts';

/** Memory for embeddings that are kept at once, in bytes. */
const MAX_BYTES = 128 << 20;
/** Rows that are held against what is kept together. */
const BATCH = 32;

/** Words of an embedding: its rank, then float16 numbers, two in a word. */
export function embeddingWords(dimension: number): number {
  return 1 + Math.ceil(dimension / 2);
}

/** The embeddings of some records as float32, one after the other. */
export function embeddingsOf(records: Uint32Array, dimension: number): Float32Array {
  const words = embeddingWords(dimension);
  const halves = new Uint16Array((records.length / words) * dimension);
  const from = new Uint16Array(records.buffer, records.byteOffset, 2 * records.length);
  for (let row = 0; row * words < records.length; row++) {
    const start = 2 * (row * words + 1);
    halves.set(from.subarray(start, start + dimension), row * dimension);
  }
  return toFloat32(halves);
}

/** Embeddings that are kept, found by their cosine: each row is held against all of them. */
export class KeptMeanings implements KeptSet {
  readonly #dimension: number;
  readonly #minCosine: number;
  readonly #maxKept: number;
  readonly #kept: DotProducts;
  /** Those of a batch among themselves. */
  readonly #batch: DotProducts;
  #ranks: number[] = [];

  /** @param maxKept what memory holds. @default as many as 128 MiB hold */
  constructor(dimension: number, minCosine: number, maxKept = Math.floor(MAX_BYTES / (4 * dimension))) {
    this.#dimension = dimension;
    this.#minCosine = minCosine;
    this.#maxKept = maxKept;
    this.#kept = new DotProducts(dimension);
    this.#batch = new DotProducts(dimension);
  }

  /** Forgets what is kept; its memory serves the next cluster. */
  clear(): void {
    this.#kept.clear();
    this.#ranks = [];
  }

  take(records: Uint32Array): { drops: Uint32Array; rest: Uint32Array } {
    const words = embeddingWords(this.#dimension);
    const drops: number[] = [];
    const rest: Uint32Array[] = [];
    for (let at = 0; at < records.length; at += BATCH * words)
      this.#takeBatch(records.subarray(at, at + BATCH * words), drops, rest);
    return { drops: Uint32Array.from(drops), rest: joined(rest) };
  }

  #takeBatch(records: Uint32Array, drops: number[], rest: Uint32Array[]): void {
    const [words, dimension] = [embeddingWords(this.#dimension), this.#dimension];
    const rows = normalizeRows(embeddingsOf(records, dimension), dimension);
    const count = records.length / words;
    /** For each row the rank of the first that is kept and like it, and the cosine. */
    const likes: ({ readonly rank: number; readonly cosine: number } | undefined)[] = new Array(count);
    this.#kept.multiply(rows, (row, firstKept, cosines) => {
      if (likes[row]) return;
      const i = cosines.findIndex((cosine) => cosine >= this.#minCosine);
      if (i >= 0) likes[row] = { rank: this.#ranks[firstKept + i] ?? 0, cosine: cosines[i] ?? 0 };
    });
    const open = Array.from({ length: count }, (_, row) => row).filter((row) => !likes[row]);
    const among = this.#among(rows, open);
    const mine: number[] = [];
    for (const [i, row] of open.entries()) {
      const cosines = among[i];
      const like = mine.find((j) => (cosines?.[j] ?? 0) >= this.#minCosine);
      if (like !== undefined) {
        const rank = records[(open[like] ?? 0) * words] ?? 0;
        likes[row] = { rank, cosine: cosines?.[like] ?? 0 };
      } else if (this.#kept.rows < this.#maxKept) {
        mine.push(i);
        this.#kept.add(rows.subarray(row * dimension, (row + 1) * dimension));
        this.#ranks.push(records[row * words] ?? 0);
      } else rest.push(records.subarray(row * words, (row + 1) * words));
    }
    for (const [row, like] of likes.entries())
      if (like) drops.push(records[row * words] ?? 0, like.rank, floatWord(like.cosine));
  }

  /** Cosines of some rows among themselves. */
  #among(rows: Float32Array, picks: readonly number[]): readonly Float32Array[] {
    const dimension = this.#dimension;
    const some = new Float32Array(picks.length * dimension);
    this.#batch.clear();
    for (const [i, row] of picks.entries()) {
      const vector = rows.subarray(row * dimension, (row + 1) * dimension);
      some.set(vector, i * dimension);
      this.#batch.add(vector);
    }
    const among: Float32Array[] = [];
    this.#batch.multiply(some, (i, _first, cosines) => {
      among[i] = cosines.slice();
    });
    return among;
  }
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
