import { mkdir } from 'node:fs/promises';
import { GleanerError } from '../schema/index.ts';
import { byteStride } from './ivf-bytes.ts';
import { type Cells, trainCells } from './ivf-cells.ts';
import { Encoder } from './ivf-codes.ts';
import { type Segment, writeCells, writeSegments } from './ivf-files.ts';
import { IvfIndex, VERSION } from './ivf-index.ts';
import { chunkOf, DifferentIds, turns } from './ivf-intake.ts';
import {
  BUILD_BYTES,
  cellsFor,
  FLAT_MAX_ROWS,
  type IvfPlan,
  parsePlan,
  probesFor,
  REACH,
  sampleFor,
} from './ivf-plan.ts';
import { Arrivals, writeSegment } from './ivf-write.ts';
import { readLayout, writeLayout } from './layout.ts';
import type { KnnEngine, KnnPrecision, KnnStats } from './types.ts';

/** Of rotation and cells. */
const SEED = 1;
/** Candidates by their codes, as a multiple of k: `npm run bench -- knn`. */
const RERANK = 2;

/**
 * An inverted file: rows lie in cells, a search looks at the nearest of these, estimates by codes of four bits a
 * coordinate (of what a row differs from its cell's centre by, rotated), and measures the best by their vectors, which
 * stay in a file. In memory: 256 + 8 bytes a row of 512 dimensions. Small indices are flat: every vector is compared.
 */
export const ivfEngine: KnnEngine = {
  name: 'ivf',
  async build(path, options, batches) {
    const { dimension, precision = 'float32', signal, onProgress, memoryBytes = BUILD_BYTES } = options;
    await mkdir(path);
    const arrivals = new Arrivals(path, dimension, precision);
    try {
      const ids = new DifferentIds();
      for await (const batch of batches) {
        signal?.throwIfAborted();
        const chunk = chunkOf(batch, dimension);
        ids.add(chunk.ids);
        arrivals.add(chunk);
      }
      const onStep = (from: number, to: number) => turns(signal, onProgress, from, to);
      const { rows } = arrivals;
      const encoder = new Encoder(dimension, SEED);
      let plan: IvfPlan = { index: 'flat', precision };
      let cells: Cells | undefined;
      if (rows > FLAT_MAX_ROWS) {
        cells = await train(arrivals, dimension, { encoder, memoryBytes, onStep: onStep(0, 0.7) });
        plan = planOf(cells, precision);
        writeCells(path, cells);
      }
      const segment: Segment = { number: 0, rows };
      const writing = { dimension, precision, encoder, cells, onStep: onStep(0.7, 1) };
      await writeSegment(path, segment, () => arrivals.all(), writing);
      writeSegments(path, [segment]);
      const stats: KnnStats = {
        engine: 'ivf',
        version: VERSION,
        rows,
        dimension,
        parameters: { ...plan },
      };
      await writeLayout(path, stats);
      return stats;
    } finally {
      arrivals.close();
    }
  },
  async setEffort(path, effort) {
    const { dimension, plan } = await readPlan(path);
    const parameters = { ...tuned(plan, effort) };
    await writeLayout(path, { engine: 'ivf', version: VERSION, dimension, parameters });
    return parameters;
  },
  async open(path, { readOnly = true, threads = 0 } = {}) {
    const { dimension, plan } = await readPlan(path);
    return new IvfIndex(path, dimension, plan, { readOnly, threads });
  },
};

function planOf({ centres, groups }: Cells, precision: KnnPrecision): IvfPlan {
  const { count: nList, scale: centreScale } = centres;
  const nGroups = groups.count;
  const nProbe = probesFor(nList);
  const searching = { nProbe, reach: REACH, rerank: RERANK };
  return { index: 'ivf', precision, nList, nGroups, ...searching, centreScale, seed: SEED };
}

async function readPlan(path: string): Promise<{ dimension: number; plan: IvfPlan }> {
  const { engine, version, dimension, parameters } = await readLayout(path);
  const plan = parsePlan(parameters);
  if (engine === 'ivf' && version === VERSION && plan) return { dimension, plan };
  const problem = `is an index of ${engine} ${version}. Make it again with gleaner index.`;
  throw new GleanerError('DAMAGED', { path, problem });
}

function tuned(plan: IvfPlan, effort: number): IvfPlan {
  if (plan.index === 'flat') return plan;
  const nProbe = Math.min(plan.nList, Math.ceil(plan.nProbe * Math.max(1, effort)));
  return { ...plan, nProbe, reach: plan.reach * effort };
}

interface Training {
  readonly encoder: Encoder;
  readonly memoryBytes: number;
  readonly onStep: (share: number) => Promise<void>;
}

/** Cells of a sample: rows from all over, evenly. */
async function train(
  arrivals: Arrivals,
  dimension: number,
  { encoder, memoryBytes, onStep }: Training,
): Promise<Cells> {
  const stride = byteStride(dimension);
  const wanted = sampleFor(arrivals.rows, dimension, memoryBytes);
  const bytes = new Int8Array(wanted * stride);
  const scales = new Float32Array(wanted);
  let taken = 0;
  let seen = 0;
  for (const { ids, vectors } of arrivals.all()) {
    for (let i = 0; i < ids.length; i++, seen++) {
      if (Math.floor((taken * arrivals.rows) / wanted) !== seen || taken === wanted) continue;
      const row = vectors.slice(i * dimension, (i + 1) * dimension);
      encoder.rotate(row);
      scales[taken] = encoder.toBytes(row, bytes.subarray(taken * stride, (taken + 1) * stride));
      taken++;
    }
    await onStep(0);
  }
  const cells = cellsFor(arrivals.rows);
  return trainCells(bytes, scales, { dimension, cells, seed: SEED, onStep });
}
