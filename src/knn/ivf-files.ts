import { openSync, readFileSync, readSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { byteStride, type Centres } from './ivf-cells.ts';
import type { Cells } from './ivf-codes.ts';
import type { CellPlan } from './ivf-plan.ts';

/*
 * Files of an index, beside knn.json. All numbers are little-endian. Rows of a segment stand cell after cell.
 *
 *   segments.json       the segments, written anew with each change and put in place by rename
 *   centres.bytes       for each cell its centre (`byteStride(dimension)` bytes)
 *   centres.lengths     for each cell, float32
 *   N.lists             where each cell's rows begin in segment N, and at last their number: nList + 1 uint32
 *   N.ids               uint32 a row; NO_ID where it was taken out
 *   N.codes             `codeStride(dimension)` bytes a row
 *   N.factors           float32 a row; not a number where it was taken out
 *   N.vectors           the vectors, float16 or float32, of length 1 but for rounding; not rotated
 *
 * A flat index has ids and vectors alone.
 */

/** The id of a row that was taken out. Ids are below it. */
export const NO_ID = 0xffff_ffff;

const CENTRES = 'centres.bytes';
const LENGTHS = 'centres.lengths';
const SEGMENTS = 'segments.json';

export type SegmentFile = 'lists' | 'ids' | 'codes' | 'factors' | 'vectors';

export function segmentFile(path: string, number: number, file: SegmentFile): string {
  return join(path, `${number}.${file}`);
}

const segmentsSchema = z.array(z.object({ number: z.int().min(0), rows: z.int().min(0) }));
/** A part of an index that was written at once; `rows` counts those that were taken out since. */
export type Segment = z.infer<typeof segmentsSchema>[number];

/** @throws GleanerError DAMAGED */
export function readSegments(path: string): Segment[] {
  try {
    return segmentsSchema.parse(JSON.parse(readFileSync(join(path, SEGMENTS), 'utf8')));
  } catch (cause) {
    throw damaged(path, cause);
  }
}

export function writeSegments(path: string, segments: readonly Segment[]): void {
  const pending = join(path, `.${SEGMENTS}`);
  writeFileSync(pending, `${JSON.stringify(segments)}\n`, { flush: true });
  renameSync(pending, join(path, SEGMENTS));
}

export function writeCells(path: string, { centres, lengths }: Cells): void {
  writeFileSync(join(path, CENTRES), centres.bytes, { flush: true });
  writeFileSync(join(path, LENGTHS), bytesOf(lengths), { flush: true });
}

/** @throws GleanerError DAMAGED */
export function readCells(path: string, dimension: number, { nList, centreScale }: CellPlan): Cells {
  const stride = byteStride(dimension);
  const bytes = readWhole(path, join(path, CENTRES), nList * stride);
  const lengths = new Float32Array(readWhole(path, join(path, LENGTHS), nList * 4).buffer);
  const centres: Centres = { count: nList, dimension, stride, scale: centreScale, bytes };
  return { centres, lengths };
}

/** The cells' beginnings in a segment. @throws GleanerError DAMAGED */
export function readLists(path: string, { number, rows }: Segment, cells: number): Uint32Array {
  const file = segmentFile(path, number, 'lists');
  const lists = new Uint32Array(readWhole(path, file, (cells + 1) * 4).buffer);
  const ascends = lists.every((start, i) => i === 0 || start >= (lists[i - 1] ?? 0));
  if (!ascends || lists[0] !== 0 || lists[cells] !== rows) throw damaged(path);
  return lists;
}

/** A file of so many bytes, in memory of its own. @throws GleanerError DAMAGED */
function readWhole(path: string, file: string, length: number): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw damaged(path, cause);
  }
  if (bytes.length !== length) throw damaged(path);
  return new Uint8Array(bytes);
}

/** @throws GleanerError DAMAGED where it is not there */
export function openToRead(path: string, file: string): number {
  try {
    return openSync(file, 'r');
  } catch (cause) {
    throw damaged(path, cause);
  }
}

/** Reads that are larger than this are parted: one call reads 2 GiB at most. */
const MOST_BYTES = 64 << 20;

/** Fills `bytes` from a place of a file. @throws GleanerError DAMAGED where it ends before */
export function readAt(path: string, fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const some = readSync(fd, bytes, done, Math.min(MOST_BYTES, bytes.length - done), position + done);
    if (some === 0) throw damaged(path);
    done += some;
  }
}

export function writeAt(fd: number, bytes: Uint8Array, position: number | null): void {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(MOST_BYTES, bytes.length - done);
    done += writeSync(fd, bytes, done, length, position === null ? null : position + done);
  }
}

export function bytesOf(numbers: Float32Array | Uint32Array | Uint16Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

export function damaged(path: string, cause?: unknown): GleanerError {
  const problem = 'is damaged. Make it again with gleaner index.';
  return new GleanerError('DAMAGED', { path, problem }, cause === undefined ? {} : { cause });
}
