import { readFileSync } from 'node:fs';

/** What the collection is made of and how it is searched. */
export type ZvecPlan =
  | { readonly index: 'flat' }
  | { readonly index: 'ivf_rabitq'; readonly nList: number; readonly nProbe: number }
  | { readonly index: 'hnsw'; readonly m: number; readonly efConstruction: number; readonly ef: number };

/**
 * Up to this many rows every vector is compared: exact, nothing to train, and 20,000 × 512 take 2 to 4 ms (zvec
 * 0.7.0, one core of an AMD EPYC; IVF-RaBitQ at 50,000: 1.5 ms).
 */
const FLAT_MAX_ROWS = 20_000;

/**
 * The parameters for a number of rows.
 *
 * IVF with RaBitQ codes where zvec has it (Linux on x86-64 with AVX2): nList is the power of two nearest to 2·√rows
 * (1,024 at 200,000 rows, with which DESIGN's .959 and .979 were measured; faiss' guide for indices under a million
 * is 4·√n to 16·√n, more cells than k-means trains well here), nProbe a sixteenth of the cells, 16 at least.
 * Elsewhere HNSW, with m and ef as faiss' and autofaiss' HNSW32. (zvec's plain IVF is no way out: in 0.7.0 a filter
 * that leaves a tenth of the rows makes it fail with "Failed to search vector".)
 */
export function planZvec(rows: number, rabitq = hasRabitq()): ZvecPlan {
  if (rows <= FLAT_MAX_ROWS) return { index: 'flat' };
  if (!rabitq) return { index: 'hnsw', m: 32, efConstruction: 200, ef: 200 };
  const nList = 2 ** Math.round(Math.log2(2 * Math.sqrt(rows)));
  return { index: 'ivf_rabitq', nList, nProbe: Math.max(16, nList / 16) };
}

/** Reads back what `planZvec` gave, from the numbers kept beside the index. */
export function parsePlan(parameters: Readonly<Record<string, string | number>>): ZvecPlan | undefined {
  const { index, nList, nProbe, m, efConstruction, ef } = parameters;
  if (index === 'flat') return { index };
  if (index === 'ivf_rabitq' && isCount(nList) && isCount(nProbe)) return { index, nList, nProbe };
  if (index === 'hnsw' && isCount(m) && isCount(efConstruction) && isCount(ef))
    return { index, m, efConstruction, ef };
  return undefined;
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) > 0;
}

/** RaBitQ is in zvec's Linux x86-64 builds only, and asks for AVX2 (d.ts of @zvec/zvec, "Platform support"). */
function hasRabitq(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false;
  try {
    return / avx2 /.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}
