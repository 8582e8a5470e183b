import { closeSync, fdatasyncSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { toFloat16, toFloat32 } from '../formats/index.ts';
import { writeFull } from '../storage/index.ts';
import { byteStride } from './ivf-bytes.ts';
import { CellFinder, type Cells } from './ivf-cells.ts';
import { codeStride, type Encoder } from './ivf-codes.ts';
import { bytesOf, readAt, type Segment, segmentFile } from './ivf-files.ts';
import { CHUNK_ROWS } from './ivf-plan.ts';
import type { KnnPrecision } from './types.ts';

/** Rows in hand: ids and vectors of length 1, one after the other. */
export interface RowChunk {
  readonly ids: Uint32Array;
  readonly vectors: Float32Array;
}

/** Rows that can be gone over more than once, in the same order, `CHUNK_ROWS` at a time at most. */
export type Rows = () => Iterable<RowChunk>;

/** The rows of one batch. */
export function rowsOf({ ids, vectors }: RowChunk): Rows {
  const dimension = ids.length === 0 ? 0 : vectors.length / ids.length;
  return function* () {
    for (let start = 0; start < ids.length; start += CHUNK_ROWS) {
      const end = Math.min(start + CHUNK_ROWS, ids.length);
      yield {
        ids: ids.subarray(start, end),
        vectors: vectors.subarray(start * dimension, end * dimension),
      };
    }
  };
}

/** Vectors as they are stored. */
function packVectors(vectors: Float32Array, precision: KnnPrecision): Uint8Array {
  return bytesOf(precision === 'float16' ? toFloat16(vectors) : vectors);
}

export function unpackVectors(bytes: Uint8Array, precision: KnnPrecision): Float32Array {
  const { buffer } = new Uint8Array(bytes);
  return precision === 'float16' ? toFloat32(new Uint16Array(buffer)) : new Float32Array(buffer);
}

/** Rows on their way into an index, in files that have no names: read as often as one likes, and gone with `close`. */
export class Arrivals {
  readonly #dimension: number;
  readonly #precision: KnnPrecision;
  readonly #ids: number;
  readonly #vectors: number;
  #rows = 0;

  constructor(path: string, dimension: number, precision: KnnPrecision) {
    this.#dimension = dimension;
    this.#precision = precision;
    this.#ids = openUnnamed(join(path, '.ids'));
    this.#vectors = openUnnamed(join(path, '.vectors'));
  }

  get rows(): number {
    return this.#rows;
  }

  add({ ids, vectors }: RowChunk): void {
    writeFull(this.#ids, bytesOf(ids), this.#rows * 4);
    writeFull(this.#vectors, packVectors(vectors, this.#precision), this.#rows * this.#rowBytes);
    this.#rows += ids.length;
  }

  /** Rows [start, end), at most `CHUNK_ROWS` of them. */
  read(start: number, end: number): RowChunk {
    const ids = new Uint32Array(end - start);
    readAt('', this.#ids, bytesOf(ids), start * 4);
    const bytes = new Uint8Array((end - start) * this.#rowBytes);
    readAt('', this.#vectors, bytes, start * this.#rowBytes);
    return { ids, vectors: unpackVectors(bytes, this.#precision) };
  }

  *all(): Generator<RowChunk, void, undefined> {
    for (let start = 0; start < this.#rows; start += CHUNK_ROWS)
      yield this.read(start, Math.min(start + CHUNK_ROWS, this.#rows));
  }

  close(): void {
    closeSync(this.#ids);
    closeSync(this.#vectors);
  }

  get #rowBytes(): number {
    return this.#dimension * (this.#precision === 'float16' ? 2 : 4);
  }
}

/** A file to write and read that nobody else sees, and that goes with the process. */
function openUnnamed(path: string): number {
  const fd = openSync(path, 'w+');
  unlinkSync(path);
  return fd;
}

export interface WriteOptions {
  readonly dimension: number;
  readonly precision: KnnPrecision;
  readonly encoder: Encoder;
  /** undefined in a flat index. */
  readonly cells: Cells | undefined;
  /** Told of every step, so that others get a turn: the share that is done, 0 to 1. */
  readonly onStep: (share: number) => Promise<void>;
}

/** Writes a segment in files of its own. Memory: a chunk of rows, and 8 bytes a cell. */
export async function writeSegment(
  path: string,
  segment: Segment,
  rows: Rows,
  options: WriteOptions,
): Promise<void> {
  if (!options.cells) return writeFlat(path, segment, rows, options);
  const cellsOfRows = openUnnamed(join(path, '.cells'));
  try {
    const lists = await assignRows(cellsOfRows, segment, rows, options, options.cells);
    const at = openSync(segmentFile(path, segment.number, 'lists'), 'w');
    writeFull(at, bytesOf(lists), 0);
    fdatasyncSync(at);
    closeSync(at);
    await placeRows(path, { cellsOfRows, lists }, segment, rows, options, options.cells);
  } finally {
    closeSync(cellsOfRows);
  }
}

async function writeFlat(
  path: string,
  segment: Segment,
  rows: Rows,
  { precision, onStep }: WriteOptions,
): Promise<void> {
  const ids = openSync(segmentFile(path, segment.number, 'ids'), 'w');
  const vectors = openSync(segmentFile(path, segment.number, 'vectors'), 'w');
  try {
    for (const chunk of rows()) {
      writeFull(ids, bytesOf(chunk.ids), null);
      writeFull(vectors, packVectors(chunk.vectors, precision), null);
      await onStep(0);
    }
    fdatasyncSync(ids);
    fdatasyncSync(vectors);
  } finally {
    closeSync(ids);
    closeSync(vectors);
  }
}

/** Writes down which cell each row belongs to. @returns where each cell's rows will begin */
async function assignRows(
  cellsOfRows: number,
  segment: Segment,
  rows: Rows,
  { dimension, encoder, onStep }: WriteOptions,
  { centres }: Cells,
): Promise<Uint32Array> {
  const stride = byteStride(dimension);
  const finder = new CellFinder(dimension, centres.count).use(centres);
  const bytes = new Int8Array(CHUNK_ROWS * stride);
  const nearest = new Uint32Array(CHUNK_ROWS);
  const lists = new Uint32Array(centres.count + 1);
  let done = 0;
  for (const { ids, vectors } of rows()) {
    for (let i = 0; i < ids.length; i++) {
      const row = vectors.slice(i * dimension, (i + 1) * dimension);
      encoder.rotate(row);
      encoder.toBytes(row, bytes.subarray(i * stride, (i + 1) * stride));
    }
    const found = nearest.subarray(0, ids.length);
    finder.find(bytes.subarray(0, ids.length * stride), found);
    for (const cell of found) lists[cell + 1] = (lists[cell + 1] ?? 0) + 1;
    writeFull(cellsOfRows, bytesOf(found), done * 4);
    done += ids.length;
    await onStep((0.5 * done) / segment.rows);
  }
  for (let cell = 0; cell < centres.count; cell++)
    lists[cell + 1] = (lists[cell + 1] ?? 0) + (lists[cell] ?? 0);
  return lists;
}

/** Writes each row where its cell is, then parts what belongs together into files. */
async function placeRows(
  path: string,
  { cellsOfRows, lists }: { readonly cellsOfRows: number; readonly lists: Uint32Array },
  segment: Segment,
  rows: Rows,
  { dimension, precision, encoder, onStep }: WriteOptions,
  cells: Cells,
): Promise<void> {
  const codeBytes = codeStride(dimension);
  const record = new Uint8Array(codeBytes + 8);
  const facts = new DataView(record.buffer, codeBytes);
  const next = lists.slice();
  const records = openUnnamed(join(path, '.records'));
  const vectorsFile = openSync(segmentFile(path, segment.number, 'vectors'), 'w');
  try {
    ftruncateSync(records, segment.rows * record.length);
    let done = 0;
    for (const { ids, vectors } of rows()) {
      const cellOf = new Uint32Array(ids.length);
      readAt(path, cellsOfRows, bytesOf(cellOf), done * 4);
      const packed = packVectors(vectors, precision);
      const rowBytes = packed.length / ids.length;
      for (let i = 0; i < ids.length; i++) {
        const cell = cellOf[i] ?? 0;
        const place = next[cell] ?? 0;
        next[cell] = place + 1;
        const row = vectors.slice(i * dimension, (i + 1) * dimension);
        encoder.rotate(row);
        facts.setFloat32(0, encoder.encode(row, cell, cells, record), true);
        facts.setUint32(4, ids[i] ?? 0, true);
        writeFull(records, record, place * record.length);
        writeFull(vectorsFile, packed.subarray(i * rowBytes, (i + 1) * rowBytes), place * rowBytes);
      }
      done += ids.length;
      await onStep(0.5 + (0.45 * done) / segment.rows);
    }
    fdatasyncSync(vectorsFile);
    await partRecords(path, records, segment, codeBytes, onStep);
  } finally {
    closeSync(records);
    closeSync(vectorsFile);
  }
}

/** Codes, factors and ids, from records of all three. */
async function partRecords(
  path: string,
  records: number,
  segment: Segment,
  codeBytes: number,
  onStep: WriteOptions['onStep'],
): Promise<void> {
  const recordBytes = codeBytes + 8;
  const files = (['high', 'low', 'factors', 'ids'] as const).map((file) =>
    openSync(segmentFile(path, segment.number, file), 'w'),
  );
  const [highFile = 0, lowFile = 0, factorsFile = 0, idsFile = 0] = files;
  const plane = codeBytes / 2;
  try {
    for (let start = 0; start < segment.rows; start += CHUNK_ROWS) {
      const count = Math.min(CHUNK_ROWS, segment.rows - start);
      const bytes = new Uint8Array(count * recordBytes);
      readAt(path, records, bytes, start * recordBytes);
      const high = new Uint8Array(count * plane);
      const low = new Uint8Array(count * plane);
      const factors = new Uint8Array(count * 4);
      const ids = new Uint8Array(count * 4);
      for (let i = 0; i < count; i++) {
        const at = i * recordBytes;
        high.set(bytes.subarray(at, at + plane), i * plane);
        low.set(bytes.subarray(at + plane, at + codeBytes), i * plane);
        factors.set(bytes.subarray(at + codeBytes, at + codeBytes + 4), i * 4);
        ids.set(bytes.subarray(at + codeBytes + 4, at + recordBytes), i * 4);
      }
      writeFull(highFile, high, null);
      writeFull(lowFile, low, null);
      writeFull(factorsFile, factors, null);
      writeFull(idsFile, ids, null);
      await onStep(0.95 + (0.05 * (start + count)) / segment.rows);
    }
    for (const fd of files) fdatasyncSync(fd);
  } finally {
    for (const fd of files) closeSync(fd);
  }
}
