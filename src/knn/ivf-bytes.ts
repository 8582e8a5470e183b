/** Bytes of centres are 1 to 127: this one is zero. */
export const CENTRE_ZERO = 64;

/** Centres of cells as bytes: number i of centre c is (bytes[c * stride + i] - CENTRE_ZERO) * scale. */
export interface Centres {
  readonly count: number;
  readonly dimension: number;
  /** Bytes a centre: the dimension, filled up to a multiple of 32. */
  readonly stride: number;
  readonly scale: number;
  readonly bytes: Uint8Array;
}

/** Bytes of a row of `dimension` bytes in memory. */
export function byteStride(dimension: number): number {
  return Math.ceil(dimension / 32) * 32;
}

/** Centres of length 1 as bytes. @param rows float32, one after the other */
export function quantizeCentres(rows: Float32Array, dimension: number): Centres {
  const count = rows.length / dimension;
  const stride = byteStride(dimension);
  let most = 0;
  for (const x of rows) most = Math.max(most, Math.abs(x));
  const scale = most === 0 ? 1 : most / 63;
  const bytes = new Uint8Array(count * stride).fill(CENTRE_ZERO);
  for (let c = 0; c < count; c++)
    for (let i = 0; i < dimension; i++)
      bytes[c * stride + i] = CENTRE_ZERO + Math.round((rows[c * dimension + i] ?? 0) / scale);
  return { count, dimension, stride, scale, bytes };
}

/**
 * A row as signed bytes.
 *
 * @param to receives them
 * @returns what a byte is to be multiplied with
 */
export function quantizeRow(row: Float32Array, to: Int8Array): number {
  let most = 0;
  for (let i = 0; i < row.length; i++) most = Math.max(most, Math.abs(row[i] ?? 0));
  if (most === 0) {
    to.fill(0);
    return 0;
  }
  const scale = most / 127;
  const inverse = 127 / most;
  for (let i = 0; i < row.length; i++) to[i] = Math.round((row[i] ?? 0) * inverse);
  return scale;
}
