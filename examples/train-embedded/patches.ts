/** Learning a bank of patch filters from pictures alone: no label, no gradient (Coates, Ng and Lee, AISTATS 2011). */
import type { Rng } from '../autodiff/rng.ts';
import type { MatMul } from '../autodiff/runtime.ts';
import { whiteningOf } from './whiten.ts';

/** Side of the pictures that the encoder sees. */
export const IMAGE_SIZE = 64;
export const PATCH = 6;
/** Values of a patch: 3 channels × 6 × 6. */
export const PATCH_VALUES = 3 * PATCH * PATCH;
/** Added to a patch's variance before it is divided by its root (pixels are 0..1). */
export const VARIANCE_FLOOR = 0.01;
const EIGENVALUE_FLOOR = 0.1;
const ROUNDS = 10;

/** Linear filters over normalised patches; `response = patch · filter - offset`. */
export interface FilterBank {
  readonly count: number;
  /** [count, 3, 6, 6] */
  readonly filters: Float32Array;
  /** [count] */
  readonly offsets: Float32Array;
}

/**
 * Cuts random patches out of pictures and normalises each: less its mean, over the root of its variance.
 *
 * @param pixels - [pictures, 3, side, side]
 * @returns [count, 108]
 */
export function samplePatches(pixels: Float32Array, side: number, count: number, rng: Rng): Float32Array {
  const plane = side * side;
  const pictures = pixels.length / (3 * plane);
  const patches = new Float32Array(count * PATCH_VALUES);
  for (let i = 0; i < count; i++) {
    const patch = patches.subarray(i * PATCH_VALUES, (i + 1) * PATCH_VALUES);
    const corner = rng.int(side - PATCH + 1) * side + rng.int(side - PATCH + 1);
    const from = rng.int(pictures) * 3 * plane + corner;
    let at = 0;
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < PATCH; y++) {
        for (let x = 0; x < PATCH; x++) patch[at++] = pixels[from + c * plane + y * side + x]!;
      }
    }
    const mean = patch.reduce((sum, v) => sum + v, 0) / PATCH_VALUES;
    const variance = patch.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (PATCH_VALUES - 1);
    const scale = 1 / Math.sqrt(variance + VARIANCE_FLOOR);
    for (let k = 0; k < PATCH_VALUES; k++) patch[k] = (patch[k]! - mean) * scale;
  }
  return patches;
}

function normalizeRows(rows: Float32Array, n: number): void {
  for (let r = 0; r < rows.length; r += n) {
    let squares = 0;
    for (let i = r; i < r + n; i++) squares += rows[i]! ** 2;
    const scale = 1 / Math.sqrt(squares + 1e-12);
    for (let i = r; i < r + n; i++) rows[i]! *= scale;
  }
}

function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(matrix.length);
  for (let r = 0; r < rows; r++)
    for (let c = 0; c < columns; c++) out[c * rows + r] = matrix[r * columns + c]!;
  return out;
}

/** One round of spherical k-means: each row goes to the centre with the largest |dot product|, centres follow. */
function moveCentres(rows: Float32Array, responses: Float32Array, centres: Float32Array, rng: Rng): void {
  const n = PATCH_VALUES;
  const count = centres.length / n;
  const sums = Float32Array.from(centres, () => rng.normal(1e-4)); // a centre without rows starts anew
  for (let r = 0; r < rows.length / n; r++) {
    let best = 0;
    let bestResponse = 0;
    for (let k = 0; k < count; k++) {
      const response = responses[r * count + k]!;
      if (Math.abs(response) > Math.abs(bestResponse)) [best, bestResponse] = [k, response];
    }
    for (let i = 0; i < n; i++) sums[best * n + i]! += bestResponse * rows[r * n + i]!;
  }
  normalizeRows(sums, n);
  centres.set(sums);
}

/** Whitens normalised patches and clusters their directions; whitening is folded into the filters. */
export async function learnFilterBank(
  patches: Float32Array,
  count: number,
  matmul: MatMul,
  rng: Rng,
): Promise<FilterBank> {
  const n = PATCH_VALUES;
  const rows = patches.length / n;
  const whitening = whiteningOf(patches, n, EIGENVALUE_FLOOR);
  const matrix = Float32Array.from(whitening.matrix);
  const centred = patches.map((v, i) => v - whitening.mean[i % n]!);
  const white = await matmul(centred, matrix, rows, n, n);
  normalizeRows(white, n);
  const centres = Float32Array.from({ length: count * n }, () => rng.normal());
  normalizeRows(centres, n);
  for (let round = 0; round < ROUNDS; round++) {
    const responses = await matmul(white, transpose(centres, count, n), rows, n, count);
    moveCentres(white, responses, centres, rng);
  }
  const filters = await matmul(centres, matrix, count, n, n); // the whitening matrix is symmetric
  const offsets = new Float32Array(count);
  for (let k = 0; k < count; k++) {
    for (let i = 0; i < n; i++) offsets[k]! += filters[k * n + i]! * whitening.mean[i]!;
  }
  return { count, filters, offsets };
}
