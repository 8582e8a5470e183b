import { readdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { readDelimited, readLines } from '../../formats/delimited.ts';
import { GleanerError } from '../../schema/index.ts';
import type { SampleRecord } from '../../stages/download/columns.ts';
import type { InputColumn } from '../../stages/download/options.ts';
import { expandPattern, isRemote, locationName, openFile, streamLocation } from '../../storage/index.ts';

/** How a list of URLs is written; each but parquet plain or gzip. */
const LIST_FORMATS = ['txt', 'csv', 'tsv', 'json', 'jsonl', 'parquet'] as const;
export type ListFormat = (typeof LIST_FORMATS)[number];

export interface UrlList {
  /** Absolute path, or the URL: http:, https: or s3:. */
  readonly path: string;
  /** Its base name. */
  readonly name: string;
  /** 0 where it is not known. */
  readonly bytes: number;
  readonly format: ListFormat;
}

/** Which columns of a list are taken, by the names that they have there. */
export interface ListColumns {
  readonly url: string;
  readonly caption: string | null;
  readonly additional: readonly string[];
}

/**
 * Looks at what the user named: paths, patterns, folders (their lists, by extension), http://, https:// and s3:// URLs.
 * @param format of all of them; without it each file's extension says it
 * @throws GleanerError FILE_NOT_FOUND, USAGE
 */
export async function openLists(named: readonly string[], format?: ListFormat): Promise<UrlList[]> {
  const lists: UrlList[] = [];
  for (const name of named) {
    if (isRemote(name)) {
      lists.push({ path: name, name: locationName(name), bytes: 0, format: format ?? formatOf(name) });
      continue;
    }
    for (const path of await expandPattern(name)) lists.push(...(await openList(path, format)));
  }
  const remote = lists.find((list) => list.format === 'parquet' && isRemote(list.path));
  if (remote) throw usage(`${remote.path}: Parquet files have to lie on this machine.`);
  return lists;
}

async function openList(path: string, format: ListFormat | undefined): Promise<UrlList[]> {
  const found = await stat(path).catch(() => undefined);
  if (!found) throw new GleanerError('FILE_NOT_FOUND', { path, hint: 'Name lists of URLs that exist.' });
  if (!found.isDirectory())
    return [
      { path: resolve(path), name: basename(path), bytes: found.size, format: format ?? formatOf(path) },
    ];
  const names = (await readdir(path)).sort();
  const lists = names.filter((name) => (format ? endsIn(name, format) : guessFormat(name) !== undefined));
  if (lists.length === 0)
    throw usage(`${path}: holds no lists of URLs${format ? ` that end in .${format}` : ''}.`);
  return (await Promise.all(lists.map((name) => openList(join(path, name), format)))).flat();
}

const endsIn = (name: string, format: ListFormat) => new RegExp(`\\.${format}(?:\\.gz)?$`, 'i').test(name);

function guessFormat(name: string): ListFormat | undefined {
  return LIST_FORMATS.find((format) => endsIn(name, format));
}

function formatOf(path: string): ListFormat {
  const format = guessFormat(path.split(/[?#]/, 1)[0] ?? '');
  if (!format) throw usage(`${path}: say what it is with '--input-format' (${LIST_FORMATS.join(', ')}).`);
  return format;
}

/** A value of a list, by the name that its column will have. */
export type ListRow = SampleRecord;

/**
 * The rows of a list: `url`, `caption` where one is asked for, and the additional columns by their own names. Values of
 * CSV and TSV files are strings, empty ones null.
 * @param read called with the bytes of the file read so far
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED, USAGE where a column is missing
 */
export async function* readList(
  list: UrlList,
  columns: ListColumns,
  signal: AbortSignal,
  read?: (bytes: number) => void,
): AsyncGenerator<ListRow, void, undefined> {
  const { path, format } = list;
  if (format === 'parquet') {
    yield* readParquetList(path, columns, read);
    return;
  }
  const chunks = unzip(counted(streamLocation(path, { signal }), read), path);
  if (format === 'txt') {
    for await (const url of readLines(chunks, { name: path })) if (url !== '') yield { url };
  } else if (format === 'csv' || format === 'tsv')
    yield* readDelimitedList(chunks, path, format === 'csv' ? ',' : '\t', columns);
  else yield* readJsonList(chunks, path, columns);
}

/** Loaded where a list is one: the process that reads lists stays 12 MB smaller. */
const parquetFormat = () => import('../../formats/parquet.ts');

/** Names in the list by the names that the columns will have. */
function sources({ url, caption, additional }: ListColumns): [string, string][] {
  const named: [string, string][] = additional.map((name) => [name, name]);
  if (caption !== null) named.push(['caption', caption]);
  named.push(['url', url]);
  return named;
}

async function* readParquetList(
  path: string,
  columns: ListColumns,
  read: ((bytes: number) => void) | undefined,
): AsyncGenerator<ListRow> {
  const { parquetInfo, readParquetRows } = await parquetFormat();
  const source = await openFile(path);
  try {
    const info = await parquetInfo(source, path);
    const named = sources(columns);
    const wanted = named.map(([, name]) => {
      const column = info.columns.find((have) => have.name === name);
      if (!column)
        throw missing(
          path,
          name,
          info.columns.map((have) => have.name),
        );
      if (column.type === 'other')
        throw usage(`${path}: column '${name}' is of a type that cannot be carried over.`);
      return { name, type: column.type, nullable: true };
    });
    let rows = 0;
    for await (const row of readParquetRows(source, wanted, { name: path, info })) {
      if (rows++ % 1000 === 0) read?.((source.byteLength * rows) / info.rows);
      yield Object.fromEntries(named.map(([name, from]) => [name, row[from] ?? null]));
    }
  } finally {
    await source.close();
  }
}

/** The columns of a Parquet file have types; those of other lists are told from their first rows. */
export async function parquetTypes(
  path: string,
  columns: ListColumns,
): Promise<ReadonlyMap<string, InputColumn['type']>> {
  const { parquetInfo } = await parquetFormat();
  const source = await openFile(path);
  try {
    const info = await parquetInfo(source, path);
    const types = new Map<string, InputColumn['type']>();
    for (const [name, from] of sources(columns)) {
      const type = info.columns.find((have) => have.name === from)?.type;
      if (type && type !== 'other' && type !== 'binary') types.set(name, type);
    }
    return types;
  } finally {
    await source.close();
  }
}

async function* readDelimitedList(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  delimiter: ',' | '\t',
  columns: ListColumns,
): AsyncGenerator<ListRow> {
  let places: [string, number][] | undefined;
  for await (const { fields, line } of readDelimited(chunks, { delimiter, name: path })) {
    if (!places) {
      places = sources(columns).map(([name, from]) => {
        const place = fields.indexOf(from);
        if (place < 0) throw missing(path, from, fields);
        return [name, place];
      });
      continue;
    }
    const row: Record<string, string | null> = {};
    for (const [name, place] of places) {
      const value = fields[place];
      if (value === undefined)
        throw new GleanerError('DAMAGED', {
          path,
          problem: `line ${line} has only ${fields.length} fields.`,
        });
      // An empty caption is a caption; of anything else an empty field says that there is none (pyarrow's rule).
      row[name] = value === '' && name !== 'caption' ? null : value;
    }
    yield row;
  }
}

async function* readJsonList(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  columns: ListColumns,
): AsyncGenerator<ListRow> {
  const named = sources(columns);
  let line = 0;
  for await (const text of jsonTexts(chunks, path)) {
    line++;
    for (const value of parseJson(text, path, line)) {
      if (typeof value !== 'object' || value === null)
        throw new GleanerError('DAMAGED', { path, problem: `line ${line} is no JSON object.` });
      const row: Record<string, SampleRecord[string]> = {};
      for (const [name, from] of named)
        row[name] = cell(Object.entries(value).find(([key]) => key === from)?.[1]);
      yield row;
    }
  }
}

/** Numbers are numbers; what is neither number nor text, as a list, is its JSON. */
function cell(value: unknown): SampleRecord[string] {
  if (value === null || value === undefined) return null;
  if (typeof value === 'string' || typeof value === 'number') return value;
  return JSON.stringify(value);
}

/** A file that begins with '[' is one array, which is read whole; any other has an object on each line. */
async function* jsonTexts(chunks: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<string> {
  let whole: string[] | undefined;
  let first = true;
  for await (const text of readLines(chunks, { name: path })) {
    if (first && text.trimStart().startsWith('[')) whole = [];
    first = false;
    if (whole) whole.push(text);
    else if (text.trim() !== '') yield text;
  }
  if (whole) yield whole.join('\n');
}

function parseJson(text: string, path: string, line: number): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : [value];
  } catch (cause) {
    throw new GleanerError('DAMAGED', { path, problem: `line ${line} is no JSON.` }, { cause });
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  read: ((bytes: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    read?.(bytes);
    yield chunk;
  }
}

/** Takes gzip off where there is any, by its first bytes. */
async function* unzip(chunks: AsyncIterable<Uint8Array>, path: string): AsyncGenerator<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done) return;
  const all = (async function* () {
    yield first.value;
    for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
  })();
  if (first.value[0] !== 0x1f || first.value[1] !== 0x8b) {
    yield* all;
    return;
  }
  try {
    const gunzip = createGunzip();
    // Errors of the source reach the reader through it: pipeline destroys it with them.
    pipeline(Readable.from(all), gunzip, () => undefined);
    yield* gunzip as AsyncIterable<Uint8Array>;
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && String(cause.code).startsWith('Z_'))) throw cause;
    throw new GleanerError('DAMAGED', { path, problem: 'is no whole gzip file.' }, { cause });
  }
}

function missing(path: string, column: string, have: readonly string[]): GleanerError {
  return usage(`${path}: has no column '${column}' (it has ${have.join(', ')}).`);
}

function usage(problem: string): GleanerError<'USAGE'> {
  return new GleanerError('USAGE', { problem });
}
