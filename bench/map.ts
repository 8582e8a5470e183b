/** What the map of a release costs, and how true its neighbours are: `npm run bench -- map [--vectors FILE.npy] [--rows N]`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createNpyWriter, npyInfo, readNpyRows } from '../src/formats/index.ts';
import { normalizeRows } from '../src/knn/vector.ts';
import { INDEX_FILES } from '../src/stages/index-files.ts';
import { drawMap } from '../src/stages/map/draw-map.ts';
import { MAP_FILES, POINT_BYTES, readMapInfo } from '../src/stages/map/map-files.ts';
import { releaseFiles } from '../src/stages/released.ts';
import { fileStorage, openFile, type Storage } from '../src/storage/index.ts';
import { mulberry } from '../test/support/random.ts';
import { makeRelease } from './made-release.ts';

const PARTS = 32;
const DIMENSION = 512;
const CENTRES = 2000;
/** Rows that neighbours are looked for among, and of how many. */
const [AMONG, LOOKED_AT, NEIGHBOURS] = [4000, 1000, 15];

export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { vectors: { type: 'string' }, rows: { type: 'string', default: '200000' } },
  });
  const dir = await mkdtemp(join(tmpdir(), 'gleaner-bench-map-'));
  try {
    const storage = fileStorage(dir);
    const vectors = values.vectors === undefined ? made() : await readFrom(values.vectors);
    const rows = Math.min(Number(values.rows), vectors.rows);
    await makeRelease(storage, rows, 0);
    await writeVectors(storage, rows, vectors);
    await writeCaptions(storage, rows);
    const parts = Array.from({ length: PARTS }, (_, part) => releaseFiles(part, PARTS));
    const before = process.cpuUsage();
    await drawMap(
      { root: dir, parts, rows, places: rows, dimension: vectors.dimension, at: (path) => path },
      { storage, signal: new AbortController().signal, progress: () => {} },
    );
    const { user, system } = process.cpuUsage(before);
    const seconds = (user + system) / 1e6;
    const bytes = (await storage.size(MAP_FILES.points)) ?? 0;
    const { tiles = [] } = (await readMapInfo(storage)) ?? {};
    process.stdout.write(
      `${rows} rows of ${vectors.dimension}: ${seconds.toFixed(1)} CPU-s, ${(bytes / 1e6).toFixed(1)} MB in ${tiles.length} tiles, ` +
        `peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB, ` +
        `trustworthiness at ${NEIGHBOURS} ${(await trustworthiness(storage, rows, vectors)).toFixed(3)}\n`,
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Vectors {
  readonly rows: number;
  readonly dimension: number;
  /** Rows `start` up to, not with, `end`. */
  read(start: number, end: number): Promise<Float32Array>;
}

async function readFrom(path: string): Promise<Vectors> {
  const source = await openFile(path);
  const info = await npyInfo(source, path);
  return {
    rows: info.rows,
    dimension: info.columns,
    read: (rowStart, rowEnd) => readNpyRows(source, { rowStart, rowEnd, info, name: path }),
  };
}

/** Vectors round centres, as many as are wanted. */
function made(): Vectors {
  const next = mulberry(3);
  const centres = Float32Array.from({ length: CENTRES * DIMENSION }, () => next() - 0.5);
  return {
    rows: Number.POSITIVE_INFINITY,
    dimension: DIMENSION,
    read: async (start, end) => {
      const out = new Float32Array((end - start) * DIMENSION);
      for (let row = start; row < end; row++) {
        const random = mulberry(row);
        const centre = Math.floor(random() * CENTRES);
        for (let i = 0; i < DIMENSION; i++)
          out[(row - start) * DIMENSION + i] = (centres[centre * DIMENSION + i] ?? 0) + random() - 0.5;
      }
      return normalizeRows(out, DIMENSION);
    },
  };
}

async function writeVectors(storage: Storage, rows: number, { dimension, read }: Vectors): Promise<void> {
  for (let part = 0; part < PARTS; part++) {
    const [from, to] = [Math.floor((part * rows) / PARTS), Math.floor(((part + 1) * rows) / PARTS)];
    const file = await storage.create(releaseFiles(part, PARTS).imageEmbeddings);
    const matrix = await createNpyWriter(file, { dtype: 'float16', rows: to - from, columns: dimension });
    for (let at = from; at < to; at += 4096) await matrix.writeRows(await read(at, Math.min(to, at + 4096)));
    await matrix.finish();
    await file.commit();
  }
}

/** The tables of metadata, as far as the map reads them. */
async function writeCaptions(storage: Storage, rows: number): Promise<void> {
  const words = 'red blue green picture house garden summer winter product shop vintage guide view'.split(
    ' ',
  );
  const next = mulberry(7);
  const lines = await storage.create(INDEX_FILES.metadata);
  const offsets = new BigUint64Array(rows + 1);
  let position = 0;
  for (let from = 0; from < rows; from += 10_000) {
    const some = Array.from({ length: Math.min(10_000, rows - from) }, (_, i) => {
      const text = Array.from({ length: 8 }, () => words[Math.floor(next() * words.length)]).join(' ');
      const line = `${JSON.stringify({ URL: `https://example.com/${from + i}.jpg`, TEXT: text, NSFW: 'UNLIKELY' })}\n`;
      offsets[from + i] = BigInt(position);
      position += line.length;
      return line;
    });
    await lines.write(Buffer.from(some.join('')));
  }
  offsets[rows] = BigInt(position);
  await lines.commit();
  await storage.put(INDEX_FILES.metadataOffsets, new Uint8Array(offsets.buffer));
}

/**
 * How far those that are neighbours on the map are from being neighbours by cosine, 1 where all are (Venna, Kaski 2001),
 * among a sample.
 */
async function trustworthiness(storage: Storage, rows: number, vectors: Vectors): Promise<number> {
  const { dimension } = vectors;
  const count = Math.min(AMONG, rows);
  const sample = new Map(
    Array.from({ length: count }, (_, i) => [Math.floor(((i + 0.5) * rows) / count), i]),
  );
  const all = new Float32Array(count * dimension);
  for (const [row, i] of sample)
    all.set(normalizeRows(await vectors.read(row, row + 1), dimension), i * dimension);
  const places = new Float32Array(2 * count);
  const points = Buffer.from(await storage.read(MAP_FILES.points));
  for (let at = 0; at < points.length; at += POINT_BYTES) {
    const i = sample.get(points.readUInt32LE(at));
    if (i !== undefined) places.set([points.readUInt16LE(at + 4), points.readUInt16LE(at + 6)], 2 * i);
  }
  let far = 0;
  const looked = Math.min(LOOKED_AT, count);
  for (let q = 0; q < looked; q++) {
    const i = Math.floor((q * count) / looked);
    const cosines = new Float64Array(count);
    const distances = new Float64Array(count);
    for (let j = 0; j < count; j++) {
      let cosine = 0;
      for (let c = 0; c < dimension; c++)
        cosine += (all[i * dimension + c] ?? 0) * (all[j * dimension + c] ?? 0);
      cosines[j] = j === i ? Number.NEGATIVE_INFINITY : cosine;
      distances[j] =
        j === i
          ? Number.POSITIVE_INFINITY
          : Math.hypot(
              (places[2 * i] ?? 0) - (places[2 * j] ?? 0),
              (places[2 * i + 1] ?? 0) - (places[2 * j + 1] ?? 0),
            );
    }
    const near = [...distances.keys()].sort((a, b) => (distances[a] ?? 0) - (distances[b] ?? 0));
    for (const j of near.slice(0, NEIGHBOURS)) {
      const rank = 1 + cosines.reduce((sum, cosine) => sum + (cosine > (cosines[j] ?? 0) ? 1 : 0), 0);
      far += Math.max(0, rank - NEIGHBOURS);
    }
  }
  return 1 - (2 * far) / (looked * NEIGHBOURS * (2 * count - 3 * NEIGHBOURS - 1));
}
