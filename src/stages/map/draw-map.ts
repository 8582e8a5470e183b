import { dirname, join } from 'node:path';
import { npyInfo, readNpyRows, readParquetRows } from '../../formats/index.ts';
import { normalizeRows } from '../../knn/vector.ts';
import { GleanerError } from '../../schema/index.ts';
import { type FileInfo, type Storage, withSource } from '../../storage/index.ts';
import { INDEX_FILES } from '../index-files.ts';
import type { ReleaseFiles } from '../released.ts';
import type { StageContext } from '../stage.ts';
import { writeFile } from '../write-file.ts';
import { sampledCaptions } from './captions.ts';
import { Landmarks } from './landmarks.ts';
import { MAP_FILES, type MapInfo } from './map-files.ts';
import { PointWriter } from './point-writer.ts';
import { RegionNames, type RegionTold } from './region-names.ts';
import { findRegions, type Regions } from './regions.ts';
import { Runs } from './runs.ts';
import { Tiles } from './tiles.ts';

export interface DrawMapOptions {
  /** The folder of the run on this machine. */
  readonly root: string;
  readonly parts: readonly ReleaseFiles[];
  readonly rows: number;
  /** SAMPLE_IDs in all, those of rows that were taken down among them. */
  readonly places: number;
  readonly dimension: number;
  /** What a file of DIR/index is called while the index is being made. */
  readonly at: (path: string) => string;
}

/** Times that `drawMap` goes over the rows, for whoever counts progress. */
export const MAP_PASSES = 1;

/** A map is the same for the same release. */
const SEED = 1;
/** Rows that are laid out; all others are placed by them. docs/benchmarks.md says what more of them would give and cost. */
const LANDMARKS = 4096;
/** Captions that regions are named by, at most. */
const CAPTIONS = 51_200;
/** Rows that are placed at once. */
const BATCH_ROWS = 4096;

/**
 * Draws the map of a release into the index that is being made: every row a point, near those whose pictures are alike, by
 * its image embedding. The tables of metadata have to be there. Memory: landmarks (4,096 × dimension × 4 bytes), some
 * 64 MiB for points that are sorted, the words of 51,200 captions.
 *
 * @throws GleanerError DAMAGED where the files of the release do not agree
 */
export async function drawMap(options: DrawMapOptions, ctx: StageContext): Promise<FileInfo[]> {
  const { at, places, rows, dimension } = options;
  const landmarks = new Landmarks(await sampledVectors(options, ctx), dimension, SEED);
  ctx.signal.throwIfAborted();
  const regions = findRegions(landmarks.places, SEED);
  const captions = new Runs(places, CAPTIONS);
  const writer = new PointWriter(landmarks.places, regions, captions);
  let tiles: MapInfo['tiles'] = [];
  const points = await writeFile(ctx.storage, at(MAP_FILES.points), async (sink) => {
    await using sorted = new Tiles(join(options.root, dirname(at(MAP_FILES.points))));
    for await (const batch of placedRows(options, landmarks, ctx)) await sorted.add(writer.points(batch));
    tiles = await sorted.write(sink);
  });
  const told = await nameRegions(options, captions, writer.captionRegions, regions, ctx.storage);
  const info: MapInfo = {
    version: 1,
    rows,
    landmarks: landmarks.count,
    seed: SEED,
    ...writer.summary(told),
    tiles,
    finest: regions.finest,
  };
  const written = await ctx.storage.put(at(MAP_FILES.info), `${JSON.stringify(info)}\n`);
  return written ? [points, written] : [points];
}

/** The vectors that become landmarks, of length 1, one after the other. */
async function sampledVectors(
  { parts, rows, dimension }: DrawMapOptions,
  ctx: StageContext,
): Promise<Float32Array> {
  const sample = new Runs(rows, LANDMARKS);
  const vectors = new Float32Array(sample.size * dimension);
  let [filled, first] = [0, 0];
  for (const { imageEmbeddings: path } of parts) {
    ctx.signal.throwIfAborted();
    first += await withSource(ctx.storage, path, async (source) => {
      const info = await npyInfo(source, path);
      for (const [from, to] of sample.within(first, first + info.rows)) {
        if (info.columns !== dimension) throw damaged(path, `has vectors of ${info.columns}`);
        const some = await readNpyRows(source, {
          rowStart: from - first,
          rowEnd: to - first,
          info,
          name: path,
        });
        vectors.set(some, filled);
        filled += some.length;
      }
      return info.rows;
    });
  }
  if (filled !== vectors.length) throw damaged('release/img_emb', `has ${first} rows of ${rows}`);
  return normalizeRows(vectors, dimension);
}

/** Columns that points are coloured and hidden by. */
const COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'NSFW', type: 'string' },
  { name: 'similarity', type: 'double' },
  { name: 'language', type: 'string' },
] as const;

/** A row with its place in the plane. */
export interface PlacedRow {
  readonly id: number;
  readonly x: number;
  readonly y: number;
  readonly nsfw: string;
  readonly similarity: number;
  readonly language: string;
}

async function* placedRows(
  { parts, dimension, rows }: DrawMapOptions,
  landmarks: Landmarks,
  ctx: StageContext,
): AsyncGenerator<readonly PlacedRow[]> {
  let first = 0;
  for (const { metadata, imageEmbeddings: path } of parts) {
    const vectors = await ctx.storage.open(path);
    try {
      const table = await ctx.storage.open(metadata);
      try {
        const info = await npyInfo(vectors, path);
        const records = readParquetRows(table, COLUMNS, { name: metadata });
        for (let rowStart = 0; rowStart < info.rows; rowStart += BATCH_ROWS) {
          ctx.signal.throwIfAborted();
          const rowEnd = Math.min(rowStart + BATCH_ROWS, info.rows);
          const whole = await readNpyRows(vectors, { rowStart, rowEnd, info, name: path });
          const places =
            landmarks.count === rows
              ? landmarks.places.subarray(2 * (first + rowStart), 2 * (first + rowEnd))
              : landmarks.place(normalizeRows(whole, dimension), first + rowStart);
          const batch: PlacedRow[] = [];
          for (let i = 0; i < rowEnd - rowStart; i++) {
            const { value: row } = await records.next();
            if (!row) throw damaged(path, `has ${info.rows} rows, more than its metadata`);
            const { SAMPLE_ID, NSFW: nsfw, similarity, language } = row;
            const [x = 0, y = 0] = [places[2 * i], places[2 * i + 1]];
            batch.push({ id: Number(SAMPLE_ID), x, y, nsfw, similarity, language });
          }
          yield batch;
          ctx.progress(batch.length);
        }
        first += info.rows;
      } finally {
        await table.close();
      }
    } finally {
      await vectors.close();
    }
  }
}

/** What regions are told by, by the captions of a sample. */
async function nameRegions(
  { at, places }: DrawMapOptions,
  sample: Runs,
  regionAt: Uint8Array,
  regions: Regions,
  storage: Storage,
): Promise<readonly RegionTold[]> {
  const names = new RegionNames(regions);
  const tables = { metadata: at(INDEX_FILES.metadata), offsets: at(INDEX_FILES.metadataOffsets) };
  for await (const { id, caption } of sampledCaptions(storage, tables, sample, places))
    names.add(regionAt[sample.indexOf(id)] ?? 0, id, caption);
  return names.told();
}

function damaged(path: string, problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path, problem: `${problem}.` });
}
