import {
  createTarWriter,
  npyHeader,
  npyInfo,
  parquetInfo,
  readParquetRowGroup,
} from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { type ByteSink, type FileInfo, type Storage, withSource } from '../../storage/index.ts';
import { KEY_DIGITS, type ReleaseFiles, releaseFiles } from '../released.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { writeFile, writeFiles } from '../write-file.ts';
import { allColumns, PickedTable } from './picked-table.ts';
import { SampleTar } from './sample-tar.ts';
import { SELECTED_COLUMNS } from './select.ts';

/** Embeddings are read in stretches of at most so many bytes, */
const MAX_STRETCH_BYTES = 4 << 20;
/** and rows between two that are taken are read along rather than passed over, if they are fewer bytes. */
const MAX_GAP_BYTES = 64 << 10;

/** Rows of one part of the parent that stand in a part of the subset. */
export interface TakenSlice {
  /** Files of the part of the parent. */
  readonly from: ReleaseFiles;
  /** Path of the numbers of all rows that are taken of it. */
  readonly selected: string;
  /** Which of these: from the number `start` up to, not with, `end`. */
  readonly start: number;
  readonly end: number;
}

/** One part of the subset: rows [rowStart, rowStart + those of the slices). */
export interface SubsetPartTask {
  readonly index: number;
  readonly parts: number;
  readonly rowStart: number;
  /** Width of the embeddings. */
  readonly dimension: number;
  readonly slices: readonly TakenSlice[];
  /** Path of metadata of the parent that has the columns of all of it: a part may have no row. */
  readonly like: string;
}

interface Slice extends TakenSlice {
  /** Numbers of the rows in the files of the parent's part, ascending. */
  readonly rows: Uint32Array;
  readonly firstId: number;
}

/**
 * Writes one part of a subset: metadata, both embeddings and images of the pairs that are taken, row for row, out of the
 * parts of the parent. All is copied as it is but what says the place in the release: SAMPLE_ID, key, and the names in
 * the tar. Embeddings are copied as bytes. Streams; memory does not depend on the number of rows.
 *
 * @throws GleanerError DAMAGED where files of the parent do not belong together
 */
export async function writeSubsetPart(
  task: SubsetPartTask,
  parent: Storage,
  ctx: StageContext,
): Promise<StageResult> {
  const files = releaseFiles(task.index, task.parts);
  const slices: Slice[] = [];
  let rows = 0;
  for (const slice of task.slices) {
    const taken = await readSelected(ctx.storage, slice);
    slices.push({ ...slice, rows: taken, firstId: task.rowStart + rows });
    rows += taken.length;
  }
  const written = await writeFiles(
    ctx.storage,
    [files.metadata, files.images],
    async ([metadata, images]) => {
      const table = new PickedTable(metadata as ByteSink, await allColumns(parent, task.like));
      const tar = createTarWriter(images as ByteSink);
      for (const slice of slices) {
        const { from, rows, firstId } = slice;
        const keys = await table.add(parent, from.metadata, rows, firstId, ctx.signal);
        await copyImages(parent, slice, keys, tar, ctx);
      }
      await table.finish();
      await tar.finish();
    },
  );
  for (const kind of ['imageEmbeddings', 'textEmbeddings'] as const)
    written.push(await copyEmbeddings(parent, kind, files[kind], { ...task, rows, slices }, ctx));
  return { files: written, ledgers: {}, facts: { rows } };
}

async function readSelected(storage: Storage, { selected, start, end }: TakenSlice): Promise<Uint32Array> {
  return withSource(storage, selected, async (source) => {
    const info = await parquetInfo(source, selected);
    const rows = new Uint32Array(end - start);
    for (const [i, group] of info.rowGroups.entries()) {
      const [from, to] = [Math.max(start, group.rowStart), Math.min(end, group.rowStart + group.rows)];
      if (from >= to) continue;
      const values = await readParquetRowGroup(source, SELECTED_COLUMNS, i, { name: selected, info });
      for (let at = from; at < to; at++) rows[at - start] = values[at - group.rowStart]?.row ?? 0;
    }
    return rows;
  });
}

function keyOf(sampleId: number): string {
  return String(sampleId).padStart(KEY_DIGITS, '0');
}

/** @param keys of the rows, as the parent's tar has them */
async function copyImages(
  parent: Storage,
  { from: { images: path }, rows, firstId }: Slice,
  keys: readonly string[],
  tar: ReturnType<typeof createTarWriter>,
  ctx: StageContext,
): Promise<void> {
  if (rows.length === 0) return;
  const samples = new SampleTar(parent, path);
  try {
    for (const [i, key] of keys.entries()) {
      ctx.signal.throwIfAborted();
      while (samples.samples < (rows[i] ?? 0)) await samples.pass();
      const renamed = keyOf(firstId + i);
      await samples.take(key, (extension, bytes) =>
        tar.add(
          `${renamed}.${extension}`,
          extension === 'json' ? renumbered(bytes, { from: key, to: renamed, id: firstId + i, path }) : bytes,
        ),
      );
      ctx.progress(1);
    }
  } finally {
    await samples.close();
  }
}

/** Before the number in a sample's .json. Within a string its quotes would have a backslash before them. */
const SAMPLE_ID = Buffer.from(',"sample_id":');

/** The .json of a sample with another key and another number; all else is copied. */
function renumbered(
  json: Uint8Array,
  { from, to, id, path }: { from: string; to: string; id: number; path: string },
): Uint8Array {
  const bytes = Buffer.from(json.buffer, json.byteOffset, json.length);
  const key = Buffer.from(`{"key":"${from}"`);
  const number = bytes.indexOf(SAMPLE_ID) + SAMPLE_ID.length;
  let end = number;
  while (isDigit(bytes[end])) end++;
  if (bytes.compare(key, 0, key.length, 0, key.length) !== 0 || number < SAMPLE_ID.length || end === number)
    throw new GleanerError('DAMAGED', { path, problem: `${from}.json is not what a release has.` });
  return Buffer.concat([
    Buffer.from(`{"key":"${to}"`),
    bytes.subarray(key.length, number),
    Buffer.from(String(id)),
    bytes.subarray(end),
  ]);
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

async function copyEmbeddings(
  parent: Storage,
  kind: 'imageEmbeddings' | 'textEmbeddings',
  to: string,
  { rows, dimension, slices }: { rows: number; dimension: number; slices: readonly Slice[] },
  ctx: StageContext,
): Promise<FileInfo> {
  return writeFile(ctx.storage, to, async (sink) => {
    await sink.write(npyHeader({ dtype: 'float16', rows, columns: dimension }));
    for (const slice of slices) {
      const path = slice.from[kind];
      await withSource(parent, path, async (source) => {
        const info = await npyInfo(source, path);
        if (info.dtype !== 'float16' || info.columns !== dimension || info.rows <= (slice.rows.at(-1) ?? -1))
          throw new GleanerError('DAMAGED', {
            path,
            problem: `is ${info.rows} x ${info.columns} of ${info.dtype}, not what its metadata and the model ask for.`,
          });
        const rowBytes = 2 * dimension;
        for (const { first, last, picks } of stretches(slice.rows, rowBytes)) {
          ctx.signal.throwIfAborted();
          const bytes = new Uint8Array(
            await source.slice(info.dataOffset + first * rowBytes, info.dataOffset + (last + 1) * rowBytes),
          );
          await sink.write(pickRows(bytes, picks, first, rowBytes));
        }
      });
    }
  });
}

/** Cuts rows into stretches, each of which is read at once. */
function* stretches(
  rows: Uint32Array,
  rowBytes: number,
): Generator<{ first: number; last: number; picks: Uint32Array }, void, undefined> {
  for (let from = 0; from < rows.length; ) {
    const first = rows[from] ?? 0;
    let to = from + 1;
    for (; to < rows.length; to++) {
      const row = rows[to] ?? 0;
      const gap = (row - (rows[to - 1] ?? 0) - 1) * rowBytes;
      if (gap > MAX_GAP_BYTES || (row + 1 - first) * rowBytes > MAX_STRETCH_BYTES) break;
    }
    yield { first, last: rows[to - 1] ?? first, picks: rows.subarray(from, to) };
    from = to;
  }
}

/** Rows of a stretch that begins with row `first`, one after the other; in place, since none moves to the right. */
function pickRows(bytes: Uint8Array, picks: Uint32Array, first: number, rowBytes: number): Uint8Array {
  if (picks.length * rowBytes === bytes.length) return bytes;
  let at = 0;
  for (const row of picks) {
    const from = (row - first) * rowBytes;
    bytes.copyWithin(at, from, from + rowBytes);
    at += rowBytes;
  }
  return bytes.subarray(0, at);
}
