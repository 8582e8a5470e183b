import { setImmediate } from 'node:timers/promises';

/** Cosine from which clip-retrieval takes two results for one picture (`get_non_uniques`, clip_back.py). */
const SAME_COSINE = 0.94;
/** Numbers compared before it is asked whether the rest can still matter. */
const STEP = 64;
/** Rows compared before others get a turn. */
const ROWS_A_TURN = 32;

/**
 * Which results stay when near-duplicates go: of those that hang together by a cosine of at least 0.94, directly or
 * through others, the first. As clip-retrieval's `connected_components_dedup`.
 *
 * @param vectors normalised, best first
 * @returns for each whether it stays
 */
export async function firstOfEach(vectors: readonly Float32Array[]): Promise<boolean[]> {
  const parent = vectors.map((_, i) => i);
  const root = (i: number): number => {
    let at = i;
    for (let up = parent[at] ?? at; up !== at; up = parent[at] ?? at) {
      parent[at] = parent[up] ?? up;
      at = up;
    }
    return at;
  };
  const tails = vectors.map(tailNorms);
  for (const [i, a] of vectors.entries()) {
    if (i % ROWS_A_TURN === ROWS_A_TURN - 1) await setImmediate();
    for (let j = 0; j < i; j++) {
      const [ri, rj] = [root(i), root(j)];
      const [b, tailsA, tailsB] = [vectors[j], tails[i], tails[j]];
      // The smaller root is the better result, and stands for the group.
      if (ri !== rj && b && tailsA && tailsB && near(a, b, tailsA, tailsB))
        parent[Math.max(ri, rj)] = Math.min(ri, rj);
    }
  }
  return vectors.map((_, i) => root(i) === i);
}

/**
 * Rows of a list as they come, best first: which of them are like one that came before, directly or through others that
 * came before. What is said of a row depends on no later one, so that pages of a list fit together.
 */
export class SeenVectors {
  readonly #seen: { readonly vector: Float32Array; readonly tails: Float64Array }[] = [];

  /** Whether a normalised vector is like one before it, which it is itself for those that follow. */
  isLike(vector: Float32Array): boolean {
    const tails = tailNorms(vector);
    const like = this.#seen.some((one) => near(vector, one.vector, tails, one.tails));
    this.#seen.push({ vector, tails });
    return like;
  }
}

/** Length of what follows each step of a vector. */
function tailNorms(vector: Float32Array): Float64Array {
  const norms = new Float64Array(Math.ceil(vector.length / STEP) + 1);
  let sum = 0;
  for (let step = norms.length - 2; step >= 0; step--) {
    for (let i = step * STEP; i < Math.min((step + 1) * STEP, vector.length); i++)
      sum += (vector[i] ?? 0) ** 2;
    norms[step] = Math.sqrt(sum);
  }
  return norms;
}

/** Whether the cosine reaches SAME_COSINE. Ends early where Cauchy and Schwarz leave no hope: nearly always soon. */
function near(a: Float32Array, b: Float32Array, tailsA: Float64Array, tailsB: Float64Array): boolean {
  let sum = 0;
  for (let step = 0, i = 0; i < a.length; step++) {
    if (sum + (tailsA[step] ?? 0) * (tailsB[step] ?? 0) < SAME_COSINE) return false;
    for (const end = Math.min(i + STEP, a.length); i < end; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  }
  return sum >= SAME_COSINE;
}
