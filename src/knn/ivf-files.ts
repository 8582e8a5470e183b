import { openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { readFull } from '../storage/index.ts';
import { byteStride } from './ivf-bytes.ts';
import type { Cells } from './ivf-cells.ts';
import type { CellPlan } from './ivf-plan.ts';

/*
 * Files of an index, beside knn.json. All numbers are little-endian. Rows of a segment stand cell after cell.
 *
 *   segments.json       the segments, written anew with each change and put in place by rename
 *   centres.bytes       for each cell its centre (`byteStride(dimension)` bytes)
 *   centres.lengths     for each cell, float32
 *   groups.bytes        for each group of cells its centre
 *   groups.starts       where each group's cells begin, and at last their number: uint32
 *   N.lists             where each cell's rows begin in segment N, and at last their number: nList + 1 uint32
 *   N.ids               uint32 a row; NO_ID where it was taken out
 *   N.high, N.low       the planes of its code, `planeStride(dimension)` bytes a row each
 *   N.factors           float32 a row; not a number where it was taken out
 *   N.vectors           the vectors, float16 or float32, of length 1 but for rounding; not rotated
 *
 * A flat index has ids and vectors alone.
 */

/** The id of a row that was taken out. Ids are below it. */
export const NO_ID = 0xffff_ffff;

const CENTRES = 'centres.bytes';
const LENGTHS = 'centres.lengths';
const GROUPS = 'groups.bytes';
const GROUP_STARTS = 'groups.starts';
const SEGMENTS = 'segments.json';

export type SegmentFile = 'lists' | 'ids' | 'high' | 'low' | 'factors' | 'vectors';

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

export function writeCells(path: string, cells: Cells): void {
  const { centres, lengths, groups, groupStarts } = cells;
  writeFileSync(join(path, CENTRES), centres.bytes, { flush: true });
  writeFileSync(join(path, LENGTHS), bytesOf(lengths), { flush: true });
  writeFileSync(join(path, GROUPS), groups.bytes, { flush: true });
  writeFileSync(join(path, GROUP_STARTS), bytesOf(groupStarts), { flush: true });
}

/** @throws GleanerError DAMAGED */
export function readCells(path: string, dimension: number, plan: CellPlan): Cells {
  const { nList, nGroups } = plan;
  const stride = byteStride(dimension);
  const read = (file: string, length: number) => readWhole(path, join(path, file), length);
  const groupStarts = ascending(path, read(GROUP_STARTS, (nGroups + 1) * 4), nList);
  return {
    centres: {
      count: nList,
      dimension,
      stride,
      scale: plan.centreScale,
      bytes: read(CENTRES, nList * stride),
    },
    lengths: new Float32Array(read(LENGTHS, nList * 4).buffer),
    groups: {
      count: nGroups,
      dimension,
      stride,
      scale: 1,
      bytes: read(GROUPS, nGroups * stride),
    },
    groupStarts,
  };
}

/** The cells' beginnings in a segment. @throws GleanerError DAMAGED */
export function readLists(path: string, { number, rows }: Segment, cells: number): Uint32Array {
  return ascending(path, readWhole(path, segmentFile(path, number, 'lists'), (cells + 1) * 4), rows);
}

/** Numbers from 0 up to `end`. @throws GleanerError DAMAGED */
function ascending(path: string, bytes: Uint8Array<ArrayBuffer>, end: number): Uint32Array {
  const starts = new Uint32Array(bytes.buffer);
  const ascends = starts.every((start, i) => i === 0 || start >= (starts[i - 1] ?? 0));
  if (!ascends || starts[0] !== 0 || starts.at(-1) !== end) throw damaged(path);
  return starts;
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

/** Fills `bytes` from a place of a file. @throws GleanerError DAMAGED where it ends before */
export function readAt(path: string, fd: number, bytes: Uint8Array, position: number): void {
  if (!readFull(fd, bytes, position)) throw damaged(path);
}

export function bytesOf(numbers: Float32Array | Uint32Array | Uint16Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

export function damaged(path: string, cause?: unknown): GleanerError {
  const problem = 'is damaged. Make it again with gleaner index.';
  return new GleanerError('DAMAGED', { path, problem }, cause === undefined ? {} : { cause });
}
