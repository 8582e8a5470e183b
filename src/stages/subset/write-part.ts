import {
  type Column,
  createParquetWriter,
  createTarWriter,
  npyHeader,
  npyInfo,
  parquetInfo,
  type RowOf,
  readParquetRowGroup,
  readWebdataset,
} from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import {
  type ByteSink,
  type ByteSource,
  type FileInfo,
  type Storage,
  withSource,
} from '../../storage/index.ts';
import { type ReleaseFiles, releaseFiles } from '../released.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { writeFile, writeFiles } from '../write-file.ts';
import { columnsOf } from './draw.ts';
import { SELECTED_COLUMNS } from './select.ts';

/** Rows of a row group of the metadata: those of a release. */
const ROWS_PER_GROUP = 50_000;
/** Digits of a key: those of a release. */
const KEY_DIGITS = 12;
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
  readonly rows: Int32Array;
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
      const columns = await withSource(parent, task.like, (source) => allColumns(source, task.like));
      const table = new MetadataTable(metadata as ByteSink, columns);
      const tar = createTarWriter(images as ByteSink);
      for (const slice of slices) {
        const keys = await copyMetadata(parent, slice, table, ctx);
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

async function readSelected(storage: Storage, { selected, start, end }: TakenSlice): Promise<Int32Array> {
  return withSource(storage, selected, async (source) => {
    const info = await parquetInfo(source, selected);
    const rows = new Int32Array(end - start);
    for (const [i, group] of info.rowGroups.entries()) {
      const [from, to] = [Math.max(start, group.rowStart), Math.min(end, group.rowStart + group.rows)];
      if (from >= to) continue;
      const values = await readParquetRowGroup(source, SELECTED_COLUMNS, i, { name: selected, info });
      for (let at = from; at < to; at++) rows[at - start] = values[at - group.rowStart]?.row ?? 0;
    }
    return rows;
  });
}

async function allColumns(source: ByteSource, path: string): Promise<Column[]> {
  const info = await parquetInfo(source, path);
  return columnsOf(
    path,
    info,
    info.columns.map(({ name }) => name),
  );
}

/** The metadata of a part of the subset, with the columns that the parent has. */
class MetadataTable {
  readonly columns: readonly Column[];
  readonly #writer: ReturnType<typeof createParquetWriter>;
  #held: RowOf<readonly Column[]>[] = [];

  constructor(sink: ByteSink, columns: readonly Column[]) {
    this.columns = columns;
    this.#writer = createParquetWriter(sink, columns, { codec: 'SNAPPY' });
  }

  async add(row: RowOf<readonly Column[]>): Promise<void> {
    this.#held.push(row);
    if (this.#held.length === ROWS_PER_GROUP) await this.#flush();
  }

  async #flush(): Promise<void> {
    await this.#writer.writeRowGroup(this.#held);
    this.#held = [];
  }

  async finish(): Promise<void> {
    await this.#flush();
    await this.#writer.finish();
  }
}

/** @returns the keys that the rows have in the parent */
async function copyMetadata(
  parent: Storage,
  { from: { metadata: path }, rows, firstId }: Slice,
  table: MetadataTable,
  ctx: StageContext,
): Promise<readonly string[]> {
  return withSource(parent, path, async (source) => {
    const info = await parquetInfo(source, path);
    const keys: string[] = [];
    for (const [i, group] of info.rowGroups.entries()) {
      const end = group.rowStart + group.rows;
      if ((rows[keys.length] ?? Number.POSITIVE_INFINITY) >= end) continue;
      const records = await readParquetRowGroup(source, table.columns, i, { name: path, info });
      for (let row = rows[keys.length]; row !== undefined && row < end; row = rows[keys.length]) {
        ctx.signal.throwIfAborted();
        const record = records[row - group.rowStart];
        const id = firstId + keys.length;
        keys.push(String(record?.key));
        await table.add({ ...record, SAMPLE_ID: BigInt(id), key: keyOf(id) });
      }
    }
    if (keys.length !== rows.length)
      throw new GleanerError('DAMAGED', {
        path,
        problem: 'has become shorter since its rows were selected.',
      });
    return keys;
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
  const fail = (problem: string) => new GleanerError('DAMAGED', { path, problem: `${problem}.` });
  let [at, row] = [0, 0];
  if (rows.length === 0) return;
  for await (const { key, files } of readWebdataset(parent.stream(path), { name: path })) {
    if (row++ !== rows[at]) continue;
    ctx.signal.throwIfAborted();
    if (key !== keys[at]) throw fail(`sample ${row - 1} is ${key}, where its metadata has ${keys[at]}`);
    const sampleId = firstId + at;
    const renamed = keyOf(sampleId);
    for (const [extension, { bytes }] of files) {
      if (bytes === null) throw fail(`${key}.${extension} is larger than any that gleaner writes`);
      const content = extension === 'json' ? renumbered(bytes, renamed, sampleId, fail) : bytes;
      await tar.add(`${renamed}.${extension}`, content);
    }
    ctx.progress(1);
    if (++at === rows.length) return;
  }
  throw fail(`has ${row} samples, fewer than its metadata has rows`);
}

function renumbered(
  json: Uint8Array,
  key: string,
  sampleId: number,
  fail: (problem: string) => GleanerError,
): Uint8Array {
  let sample: unknown;
  try {
    sample = JSON.parse(new TextDecoder().decode(json));
  } catch {
    throw fail('holds a sample whose .json is none');
  }
  if (typeof sample !== 'object' || sample === null) throw fail('holds a sample whose .json is no object');
  return new TextEncoder().encode(JSON.stringify({ ...sample, key, sample_id: sampleId }));
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
  rows: Int32Array,
  rowBytes: number,
): Generator<{ first: number; last: number; picks: Int32Array }, void, undefined> {
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
function pickRows(bytes: Uint8Array, picks: Int32Array, first: number, rowBytes: number): Uint8Array {
  if (picks.length * rowBytes === bytes.length) return bytes;
  let at = 0;
  for (const row of picks) {
    const from = (row - first) * rowBytes;
    bytes.copyWithin(at, from, from + rowBytes);
    at += rowBytes;
  }
  return bytes.subarray(0, at);
}
