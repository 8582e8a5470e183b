import { closeSync, fsyncSync, openSync, rmSync } from 'node:fs';
import { writeFull } from '../storage/index.ts';
import { Encoder, planeStride } from './ivf-codes.ts';
import {
  NO_ID,
  readAt,
  readCells,
  readSegments,
  type Segment,
  type SegmentFile,
  segmentFile,
  writeSegments,
} from './ivf-files.ts';
import { chunkOf, DifferentIds, turns } from './ivf-intake.ts';
import { closeFiles, type LoadedIvf, loadIvf } from './ivf-load.ts';
import { Places } from './ivf-places.ts';
import { CHUNK_ROWS, type IvfPlan } from './ivf-plan.ts';
import { SearchPool } from './ivf-pool.ts';
import { IvfSearcher } from './ivf-search.ts';
import { type RowChunk, rowsOf, unpackVectors, writeSegment } from './ivf-write.ts';
import type { RowSet } from './row-set.ts';
import type {
  KnnBatch,
  KnnHit,
  KnnIndex,
  KnnOpenOptions,
  KnnRangeOptions,
  KnnSearchOptions,
  KnnStats,
} from './types.ts';
import { normalizeQuery } from './vector.ts';

/** Of the files: another one where they change. */
export const VERSION = '1';
/** An open index of `ivfEngine`. */
export class IvfIndex implements KnnIndex {
  readonly dimension: number;
  readonly #path: string;
  readonly #plan: IvfPlan;
  readonly #readOnly: boolean;
  readonly #threads: number;
  #loaded: LoadedIvf;
  #searcher: IvfSearcher;
  #pool: SearchPool | undefined;
  readonly #counts = new WeakMap<RowSet, number>();
  /** Where each id is, made when it is first asked. */
  #places: Places | undefined;
  #closed = false;

  constructor(
    path: string,
    dimension: number,
    plan: IvfPlan,
    { readOnly, threads }: Required<KnnOpenOptions>,
  ) {
    this.#path = path;
    this.dimension = dimension;
    this.#plan = plan;
    this.#readOnly = readOnly;
    this.#threads = threads;
    this.#loaded = loadIvf(path, dimension, plan);
    this.#searcher = new IvfSearcher(this.#loaded);
    this.#pool = this.#newPool();
  }

  async add(batch: KnnBatch): Promise<void> {
    this.#check(true);
    const chunk = chunkOf(batch, this.dimension);
    new DifferentIds().add(chunk.ids);
    if (chunk.ids.length === 0) return;
    await this.remove(batch.ids);
    const segments = readSegments(this.#path);
    const number = 1 + Math.max(-1, ...segments.map((segment) => segment.number));
    await this.#write({ number, rows: chunk.ids.length }, rowsOf(chunk));
    writeSegments(this.#path, [...segments, { number, rows: chunk.ids.length }]);
    await this.#merge();
    await this.#load();
  }

  async remove(ids: readonly number[]): Promise<number> {
    this.#check(true);
    const places = this.#placesOf();
    let removed = 0;
    for (const { segment, first, ids: own } of this.#loaded.segments) {
      const mine = ids.flatMap((id) => {
        const place = places.get(id);
        return place === undefined || place < first || place >= first + segment.rows ? [] : [place - first];
      });
      if (mine.length === 0) continue;
      this.#blank(segment, mine);
      for (const at of mine) {
        places.delete(own[at] ?? NO_ID);
        own[at] = NO_ID;
        removed++;
      }
    }
    return removed;
  }

  async search(vector: Float32Array, options: KnnSearchOptions): Promise<readonly KnnHit[]> {
    this.#check();
    const query = normalizeQuery(vector, this.dimension);
    const { k, effort, among, vectors } = options;
    const asked = { k, effort, vectors, among: among && { set: among, count: this.#countOf(among) } };
    const hits = await (this.#pool?.search(query, asked) ?? this.#searcher.search(query, asked));
    this.#check();
    return Array.from(hits.ids, (id, i) => {
      const hit: KnnHit = { id, cosine: hits.scores[i] ?? 0 };
      return hits.vectors ? { ...hit, vector: this.#row(hits.vectors, i) } : hit;
    });
  }

  async searchRange(
    vector: Float32Array,
    { minCosine, limit, ...options }: KnnRangeOptions,
  ): Promise<readonly KnnHit[]> {
    for (let k = Math.min(limit, 128); ; k = Math.min(limit, 4 * k)) {
      const hits = await this.search(vector, { ...options, k });
      const far = hits.findIndex(({ cosine }) => cosine < minCosine);
      if (far >= 0) return hits.slice(0, far);
      if (hits.length < k || k === limit) return hits;
    }
  }

  async fetch(ids: readonly number[]): Promise<ReadonlyMap<number, Float32Array>> {
    this.#check();
    const places = this.#placesOf();
    const there = [...new Set(ids)].filter((id) => places.get(id) !== undefined);
    const vectors = this.#searcher.vectorsAt(Uint32Array.from(there, (id) => places.get(id) ?? 0));
    return new Map(there.map((id, i) => [id, this.#row(vectors, i)]));
  }

  async stats(): Promise<KnnStats> {
    this.#check();
    let rows = 0;
    for (const { ids } of this.#loaded.segments) for (const id of ids) if (id !== NO_ID) rows++;
    const { dimension } = this;
    return { engine: 'ivf', version: VERSION, rows, dimension, parameters: { ...this.#plan } };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pool?.close();
    closeFiles(this.#loaded.segments);
  }

  async #load(): Promise<void> {
    await this.#pool?.close();
    closeFiles(this.#loaded.segments);
    this.#loaded = loadIvf(this.#path, this.dimension, this.#plan);
    this.#searcher = new IvfSearcher(this.#loaded);
    this.#pool = this.#newPool();
    this.#places = undefined;
  }

  #newPool(): SearchPool | undefined {
    if (this.#threads === 0) return undefined;
    const { memory } = this.#loaded;
    // As much as the searcher of this thread took, for each.
    const end = memory.reserved;
    const bytes = end - this.#loaded.scratchAt;
    const scratchAts = Array.from({ length: this.#threads }, () => memory.reserve(bytes));
    return new SearchPool(this.#loaded, scratchAts);
  }

  /** A set that was given to a search does not change; counting it takes as long as reading it. */
  #countOf(among: RowSet): number {
    const known = this.#counts.get(among) ?? among.count;
    this.#counts.set(among, known);
    return known;
  }

  #row(vectors: Float32Array, i: number): Float32Array {
    return vectors.subarray(i * this.dimension, (i + 1) * this.dimension);
  }

  #placesOf(): Places {
    this.#places ??= new Places(this.#loaded.segments);
    return this.#places;
  }

  async #write(segment: Segment, rows: () => Iterable<RowChunk>): Promise<void> {
    const { dimension } = this;
    const { precision } = this.#plan;
    const cells = this.#plan.index === 'ivf' ? readCells(this.#path, dimension, this.#plan) : undefined;
    const encoder = new Encoder(dimension, this.#plan.index === 'ivf' ? this.#plan.seed : 0);
    const onStep = turns(undefined, undefined, 0, 1);
    await writeSegment(this.#path, segment, rows, { dimension, precision, encoder, cells, onStep });
  }

  /**
   * Joins the last two segments as long as the one before is not twice as large: so there are never many, and each row is
   * moved a few times only.
   */
  async #merge(): Promise<void> {
    for (;;) {
      const segments = readSegments(this.#path);
      const [before, last] = segments.slice(-2);
      if (!before || !last || before.rows >= 2 * last.rows) return;
      const number = last.number + 1;
      const rows = this.#countRows(before) + this.#countRows(last);
      const both = function* (this: IvfIndex) {
        yield* this.#rowsIn(before);
        yield* this.#rowsIn(last);
      }.bind(this);
      await this.#write({ number, rows }, both);
      writeSegments(this.#path, [...segments.slice(0, -2), { number, rows }]);
      for (const old of [before, last])
        for (const file of ['lists', 'ids', 'high', 'low', 'factors', 'vectors'] as const)
          rmSync(segmentFile(this.#path, old.number, file), { force: true });
    }
  }

  /** How many rows of a segment were not taken out. */
  #countRows({ number, rows }: Segment): number {
    const fd = openSync(segmentFile(this.#path, number, 'ids'), 'r');
    try {
      const ids = new Uint32Array(rows);
      readAt(this.#path, fd, new Uint8Array(ids.buffer), 0);
      return ids.reduce((count, id) => (id === NO_ID ? count : count + 1), 0);
    } finally {
      closeSync(fd);
    }
  }

  /** The rows of a segment that were not taken out. */
  *#rowsIn({ number, rows }: Segment): Generator<RowChunk, void, undefined> {
    const idsFile = openSync(segmentFile(this.#path, number, 'ids'), 'r');
    const vectorsFile = openSync(segmentFile(this.#path, number, 'vectors'), 'r');
    const { vectorBytes } = this.#loaded;
    try {
      for (let start = 0; start < rows; start += CHUNK_ROWS) {
        const count = Math.min(CHUNK_ROWS, rows - start);
        const ids = new Uint32Array(count);
        readAt(this.#path, idsFile, new Uint8Array(ids.buffer), start * 4);
        const bytes = new Uint8Array(count * vectorBytes);
        readAt(this.#path, vectorsFile, bytes, start * vectorBytes);
        const kept = [...ids.keys()].filter((i) => ids[i] !== NO_ID);
        const packed = Buffer.concat(kept.map((i) => bytes.subarray(i * vectorBytes, (i + 1) * vectorBytes)));
        yield {
          ids: Uint32Array.from(kept, (i) => ids[i] ?? 0),
          vectors: unpackVectors(packed, this.#plan.precision),
        };
      }
    } finally {
      closeSync(idsFile);
      closeSync(vectorsFile);
    }
  }

  /** Overwrites rows of a segment: nothing of them is left, and no search finds them. */
  #blank(segment: Segment, positions: readonly number[]): void {
    const blank = (file: SegmentFile, row: Uint8Array) => {
      const fd = openSync(segmentFile(this.#path, segment.number, file), 'r+');
      try {
        for (const at of positions) writeFull(fd, row, at * row.length);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
    };
    const { memory, segments, vectorBytes, plan } = this.#loaded;
    const loaded = segments.find((one) => one.segment.number === segment.number);
    blank('vectors', new Uint8Array(vectorBytes));
    if (plan.index !== 'flat') {
      blank('factors', new Uint8Array(Float32Array.of(Number.NaN).buffer));
      for (const file of ['high', 'low'] as const) blank(file, new Uint8Array(planeStride(this.dimension)));
    }
    // Last: by them a removal that was stopped finds, when it is done again, what is still to be overwritten.
    blank('ids', new Uint8Array(Uint32Array.of(NO_ID).buffer));
    if (plan.index === 'flat') return;
    for (const at of positions)
      if (loaded && at < loaded.resident) memory.floats(loaded.factorsAt, loaded.resident)[at] = Number.NaN;
  }

  #check(toWrite = false): void {
    if (this.#closed) throw new Error('the index is closed');
    if (toWrite && this.#readOnly) throw new Error('the index is open for reading only');
  }
}
