import { z } from 'zod';

const precision = z.enum(['float16', 'float32']);
const count = z.int().positive();
const planSchema = z.discriminatedUnion('index', [
  z.object({ index: z.literal('flat'), precision }),
  z.object({
    index: z.literal('ivf'),
    precision,
    /** Cells of the index. */
    nList: count,
    /** Groups of cells. */
    nGroups: count,
    /** Cells that a search looks at, at most. */
    nProbe: count,
    /**
     * A search looks no further when the query's cosine to the next cell's centre, at the mean length of centres, is by so much
     * less than the estimate of the worst of its candidates.
     */
    reach: z.number().positive(),
    /** Candidates by their codes, as a multiple of k, that are measured by their vectors. */
    rerank: z.number().min(1),
    /** What a byte of a cell's centre is to be multiplied with. */
    centreScale: z.number().positive(),
    /** The same of its group's centre. */
    groupScale: z.number().positive(),
    /** Of the rotation and of the cells. */
    seed: z.int().min(0),
  }),
]);
/** What an index is and how it is searched: the parameters of its knn.json. */
export type IvfPlan = z.infer<typeof planSchema>;
export type CellPlan = Extract<IvfPlan, { index: 'ivf' }>;

/** Reads a plan back; undefined where it is none. */
export function parsePlan(parameters: unknown): IvfPlan | undefined {
  return planSchema.safeParse(parameters).data;
}

/** Up to this many rows every vector is compared: exact, and nothing to train. 5,000 × 512 take some 2 ms (one core of an AMD EPYC). */
export const FLAT_MAX_ROWS = 5000;

/**
 * Cells for a number of rows: the power of two nearest to 9·√rows, 4,096 at 200,000 rows. Faiss' guide ("Guidelines to
 * choose an index") has 4·√n to 16·√n. More cells mean fewer rows to look at and more centres; with so many the two cost
 * about the same, and to look at as many true neighbours fewer than half of the rows are touched as with a quarter of the
 * cells (`npm run bench -- knn`).
 */
export function cellsFor(rows: number): number {
  return 2 ** Math.max(1, Math.round(Math.log2(9 * Math.sqrt(rows))));
}

/**
 * Cells to look at, at most: eight times the square root of their number, 512 of 4,096. Most searches end before, by their
 * reach; one that has no near neighbours would look at most of the index.
 */
export function probesFor(cells: number): number {
  return Math.max(1, Math.min(cells, Math.round(8 * Math.sqrt(cells))));
}

/** How far to look where nobody has tuned it: text queries of `npm run bench -- knn` find .95 of the ten nearest by it, image queries .99. */
export const REACH = 0.096;

/** Rows to train on for each cell: faiss warns below 39 (`min_points_per_centroid`). */
const ROWS_A_CELL = 40;
/** What a build may take where nobody says, in bytes. */
export const BUILD_BYTES = 512 << 20;
/** Rows in hand at once, when they are read or moved. */
export const CHUNK_ROWS = 4096;

/**
 * Rows to train on: 40 a cell, or as many as may be held. They are held as bytes, three times: as the sample, as those
 * that a step assigns, and as the sums of the centres.
 */
export function sampleFor(rows: number, dimension: number, memoryBytes: number): number {
  return Math.max(1, Math.min(rows, ROWS_A_CELL * cellsFor(rows), Math.floor(memoryBytes / 3 / dimension)));
}

/** About what a build takes, in bytes: the sample, the centres (as float32 twice, and as bytes), and rows in hand. */
export function buildBytes(rows: number, dimension: number, memoryBytes: number = BUILD_BYTES): number {
  if (rows <= FLAT_MAX_ROWS) return CHUNK_ROWS * dimension * 8;
  const sample = sampleFor(rows, dimension, memoryBytes) * (dimension + 4);
  const centres = cellsFor(rows) * dimension * 10;
  return sample + centres + CHUNK_ROWS * dimension * 16 + rows / 8;
}
