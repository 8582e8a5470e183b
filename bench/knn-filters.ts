import { type KnnIndex, RowSet } from '../src/knn/index.ts';
import { baseBatches, QUERY_KINDS, type QueryKind, queriesOf } from './knn-data.ts';

/** What filters leave of the rows. */
const SHARES = [0.5, 0.1, 0.01, 0.001] as const;
const K = 10;
/** Queries of each kind: their true neighbours are found by comparing with every vector. */
const QUERIES = 100;
/** Searches before any is timed. */
const WARM_UP = 25;

export interface FilterRow {
  readonly share: number;
  readonly queries: QueryKind;
  /** 10-recall@10 among what the filter leaves. */
  readonly recall: number;
  readonly cpuMs: number;
}

/** Searches among the half, the tenth, the hundredth and the thousandth of the rows, drawn by a hash of their numbers. */
export async function filteredSearches(data: string, rows: number, index: KnnIndex): Promise<FilterRow[]> {
  const sets = SHARES.map((share) => {
    const set = new RowSet(rows);
    for (let id = 0; id < rows; id++) if (isIn(id, share)) set.add(id);
    return { share, set };
  });
  const queries = new Map<QueryKind, readonly Float32Array[]>();
  for (const kind of QUERY_KINDS) queries.set(kind, await queriesOf(data, kind, QUERIES));
  const truth = await nearestAmong(
    data,
    QUERY_KINDS.flatMap((kind) => queries.get(kind) ?? []),
  );
  const found: FilterRow[] = [];
  for (const [at, { share, set }] of sets.entries())
    for (const [of, kind] of QUERY_KINDS.entries()) {
      const asked = queries.get(kind) ?? [];
      for (const query of asked.slice(0, WARM_UP)) await index.search(query, { k: K, among: set });
      const before = process.cpuUsage();
      let hits = 0;
      for (const [i, query] of asked.entries()) {
        const true10 = truth[of * asked.length + i]?.[at]?.ids() ?? [];
        const answer = await index.search(query, { k: K, among: set });
        hits += answer.filter(({ id }) => true10.includes(id)).length;
      }
      const { user, system } = process.cpuUsage(before);
      found.push({
        ...{ share, queries: kind, recall: hits / (K * asked.length) },
        cpuMs: (user + system) / 1000 / asked.length,
      });
    }
  return found;
}

/** Knuth's multiplicative hash (TAOCP 6.4): a smaller share lies within a larger. */
function isIn(id: number, share: number): boolean {
  return (id * 2654435761) % 2 ** 32 < share * 2 ** 32;
}

/** The true nearest of each query among each share, by all inner products in double precision. */
async function nearestAmong(data: string, queries: readonly Float32Array[]): Promise<Nearest[][]> {
  const nearest = queries.map(() => SHARES.map(() => new Nearest()));
  for await (const { ids, vectors } of baseBatches(data)) {
    const columns = vectors.length / ids.length;
    for (const [row, id] of ids.entries()) {
      const within = SHARES.filter((share) => isIn(id, share)).length;
      if (within === 0) continue;
      const vector = vectors.subarray(row * columns, (row + 1) * columns);
      for (const [q, query] of queries.entries()) {
        const cosine = product(query, vector);
        for (let at = 0; at < within; at++) nearest[q]?.[at]?.offer(id, cosine);
      }
    }
  }
  return nearest;
}

/** The K best so far. */
class Nearest {
  readonly #best: { readonly id: number; readonly cosine: number }[] = [];

  offer(id: number, cosine: number): void {
    if (this.#best.length === K && cosine <= (this.#best.at(-1)?.cosine ?? 0)) return;
    const at = this.#best.findIndex((other) => other.cosine < cosine);
    this.#best.splice(at < 0 ? this.#best.length : at, 0, { id, cosine });
    this.#best.length = Math.min(this.#best.length, K);
  }

  ids(): readonly number[] {
    return this.#best.map(({ id }) => id);
  }
}

function product(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
