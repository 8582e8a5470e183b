import { closeSync, fstatSync } from 'node:fs';
import type { Centres } from './ivf-bytes.ts';
import { codeStride, planeStride } from './ivf-codes.ts';
import {
  damaged,
  openToRead,
  readAt,
  readCells,
  readLists,
  readSegments,
  type Segment,
  type SegmentFile,
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
  /** Addresses of codes (both planes) and factors, or of the vectors of a flat index, of the first `resident` rows. */
  readonly highAt: number;
  readonly lowAt: number;
  readonly factorsAt: number;
  readonly vectorsAt: number;
  readonly resident: number;
  /** Files that stay open; those of codes and factors are -1 where all rows are resident. */
  readonly vectorsFile: number;
  readonly highFile: number;
  readonly lowFile: number;
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
    // Four at once are multiplied: room for three behind the last.
    const at = memory.reserve(bytes.length + 3 * stride);
    memory.bytes(at, bytes.length).set(bytes);
    return at;
  };
  const centresAt = read ? place(read.centres) : 0;
  const groupsAt = read ? place(read.groups) : 0;
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
  const cellsAt = { meanLength, centresAt, lengths, groupsAt, groupStarts };
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
    const none = {
      highAt: 0,
      lowAt: 0,
      factorsAt: 0,
      vectorsAt: 0,
      highFile: -1,
      lowFile: -1,
      factorsFile: -1,
    };
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
    const plane = planeStride(dimension);
    const open = (file: SegmentFile, rowBytes: number) => {
      const fd = openToRead(path, segmentFile(path, number, file));
      opened.push(fd);
      if (fstatSync(fd).size !== rows * rowBytes) throw damaged(path);
      return fd;
    };
    const [highFile, lowFile] = [open('high', plane), open('low', plane)];
    const factorsFile = open('factors', 4);
    const resident = residentRows(lists, Math.floor(Math.max(0, left) / (2 * plane + 4)));
    const load = (fd: number, rowBytes: number) => {
      // Up to three rows behind the last are read.
      const at = memory.reserve((resident + 3) * rowBytes);
      readAt(path, fd, memory.bytes(at, resident * rowBytes), 0);
      return at;
    };
    const [highAt, lowAt, factorsAt] = [load(highFile, plane), load(lowFile, plane), load(factorsFile, 4)];
    const loaded = { ...none, segment, first, lists, ids, highAt, lowAt, factorsAt, vectorsFile, resident };
    if (resident < rows) return { ...loaded, highFile, lowFile, factorsFile };
    for (const fd of [highFile, lowFile, factorsFile]) closeSync(fd);
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
  for (const { vectorsFile, highFile, lowFile, factorsFile } of segments)
    for (const fd of [vectorsFile, highFile, lowFile, factorsFile]) if (fd >= 0) closeSync(fd);
}
