import { closeSync, fstatSync } from 'node:fs';
import { byteStride, type Centres } from './ivf-bytes.ts';
import { codeStride } from './ivf-codes.ts';
import {
  damaged,
  openToRead,
  readAt,
  readCells,
  readLists,
  readSegments,
  type Segment,
  segmentFile,
} from './ivf-files.ts';
import { IvfMemory } from './ivf-memory.ts';
import type { IvfPlan } from './ivf-plan.ts';

/** What codes may take of a memory of 4 GiB, in bytes: some fifteen million rows of 512 dimensions. Those beyond are read from their file by each search. */
const MOST_RESIDENT_BYTES = 3.5 * 2 ** 30;

/** A segment in memory: places [first, first + rows) of the index. */
export interface LoadedSegment {
  readonly segment: Segment;
  readonly first: number;
  /** Where each cell's rows begin; empty in a flat index. */
  readonly lists: Uint32Array;
  /** By place, less `first`. */
  readonly ids: Uint32Array;
  /** Addresses of codes and factors, or of the vectors of a flat index, of the first `resident` rows. */
  readonly codesAt: number;
  readonly factorsAt: number;
  readonly vectorsAt: number;
  readonly resident: number;
  /** Files that stay open; codes and factors are -1 where all rows are resident. */
  readonly vectorsFile: number;
  readonly codesFile: number;
  readonly factorsFile: number;
}

/** An index as it is searched: codes, centres, and ids in memory, vectors in their files. */
export interface LoadedIvf {
  readonly path: string;
  readonly dimension: number;
  readonly plan: IvfPlan;
  readonly memory: IvfMemory;
  readonly segments: readonly LoadedSegment[];
  /** Places in all segments. */
  readonly places: number;
  /** Address of the centres; for each cell its length. */
  readonly centresAt: number;
  readonly lengths: Float32Array;
  /** The mean of these. */
  readonly meanLength: number;
  /** Address of the groups' centres; where the cells of each begin. */
  readonly groupsAt: number;
  readonly groupStarts: Uint32Array;
  /** Addresses of the centres' codes and factors. */
  readonly centreCodesAt: number;
  readonly centreFactorsAt: number;
  /** Bytes a stored vector. */
  readonly vectorBytes: number;
  /** Where the memory is free. */
  readonly scratchAt: number;
}

/**
 * @param mostBytes that codes may take
 * @throws GleanerError DAMAGED
 */
export function loadIvf(
  path: string,
  dimension: number,
  plan: IvfPlan,
  mostBytes = MOST_RESIDENT_BYTES,
): LoadedIvf {
  const memory = new IvfMemory();
  const vectorBytes = dimension * (plan.precision === 'float16' ? 2 : 4);
  const read = plan.index === 'ivf' ? readCells(path, dimension, plan) : undefined;
  const cells = read?.centres.count ?? 0;
  const place = ({ bytes, stride }: Centres) => {
    // Two at once are multiplied: room for one behind the last.
    const at = memory.reserve(bytes.length + stride);
    memory.bytes(at, bytes.length).set(bytes);
    return at;
  };
  const centresAt = read ? place(read.centres) : 0;
  const groupsAt = read ? place(read.groups) : 0;
  const centreCodesAt = memory.reserve(cells * codeStride(dimension));
  const centreFactorsAt = memory.reserve(cells * 4);
  if (read) {
    memory.bytes(centreCodesAt, read.codes.length).set(read.codes);
    memory.floats(centreFactorsAt, cells).set(read.factors);
  }
  const segments: LoadedSegment[] = [];
  let first = 0;
  let left = mostBytes;
  try {
    for (const segment of readSegments(path)) {
      const loaded = loadSegment(path, segment, { first, memory, vectorBytes, dimension, cells, left });
      segments.push(loaded);
      first += segment.rows;
      left -= loaded.resident * (cells > 0 ? codeStride(dimension) + 4 : vectorBytes);
    }
  } catch (error) {
    closeFiles(segments);
    throw error;
  }
  const { lengths = new Float32Array(), groupStarts = new Uint32Array() } = read ?? {};
  const meanLength = lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, cells);
  const cellsAt = { meanLength, centresAt, lengths, groupsAt, groupStarts, centreCodesAt, centreFactorsAt };
  return {
    path,
    dimension,
    plan,
    memory,
    segments,
    places: first,
    ...cellsAt,
    vectorBytes,
    scratchAt: memory.reserved,
  };
}

interface Loading {
  readonly first: number;
  readonly memory: IvfMemory;
  readonly vectorBytes: number;
  readonly dimension: number;
  /** 0 in a flat index. */
  readonly cells: number;
  /** Bytes that may still be taken. */
  readonly left: number;
}

function loadSegment(
  path: string,
  segment: Segment,
  { first, memory, vectorBytes, dimension, cells, left }: Loading,
): LoadedSegment {
  const { number, rows } = segment;
  const idsFile = openToRead(path, segmentFile(path, number, 'ids'));
  const ids = new Uint32Array(new SharedArrayBuffer(rows * 4));
  try {
    if (fstatSync(idsFile).size !== rows * 4) throw damaged(path);
    readAt(path, idsFile, new Uint8Array(ids.buffer), 0);
  } finally {
    closeSync(idsFile);
  }
  const vectorsFile = openToRead(path, segmentFile(path, number, 'vectors'));
  const opened = [vectorsFile];
  try {
    if (fstatSync(vectorsFile).size !== rows * vectorBytes) throw damaged(path);
    const none = { codesAt: 0, factorsAt: 0, vectorsAt: 0, codesFile: -1, factorsFile: -1 };
    if (cells === 0) {
      const vectorsAt = memory.reserve(rows * vectorBytes);
      readAt(path, vectorsFile, memory.bytes(vectorsAt, rows * vectorBytes), 0);
      return {
        ...none,
        segment,
        first,
        lists: new Uint32Array(),
        ids,
        vectorsAt,
        vectorsFile,
        resident: rows,
      };
    }
    const lists = readLists(path, segment, cells);
    const stride = codeStride(dimension);
    const codesFile = openToRead(path, segmentFile(path, number, 'codes'));
    opened.push(codesFile);
    const factorsFile = openToRead(path, segmentFile(path, number, 'factors'));
    opened.push(factorsFile);
    if (fstatSync(codesFile).size !== rows * stride || fstatSync(factorsFile).size !== rows * 4)
      throw damaged(path);
    const resident = residentRows(lists, Math.floor(Math.max(0, left) / (stride + 4)));
    const codesAt = memory.reserve(resident * stride);
    const factorsAt = memory.reserve(resident * 4);
    readAt(path, codesFile, memory.bytes(codesAt, resident * stride), 0);
    readAt(path, factorsFile, memory.bytes(factorsAt, resident * 4), 0);
    const loaded = { ...none, segment, first, lists, ids, codesAt, factorsAt, vectorsFile, resident };
    if (resident < rows) return { ...loaded, codesFile, factorsFile };
    closeSync(codesFile);
    closeSync(factorsFile);
    return loaded;
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  }
}

/** The rows of as many whole cells as there is room for. */
function residentRows(lists: Uint32Array, room: number): number {
  let resident = 0;
  for (const start of lists) {
    if (start > room) break;
    resident = start;
  }
  return resident;
}

export function closeFiles(segments: readonly LoadedSegment[]): void {
  for (const { vectorsFile, codesFile, factorsFile } of segments)
    for (const fd of [vectorsFile, codesFile, factorsFile]) if (fd >= 0) closeSync(fd);
}

/** Bytes a row of a query in memory. */
export function queryStride(dimension: number): number {
  return byteStride(dimension);
}
