import { createHash } from 'node:crypto';
import { GleanerError } from '../../schema/index.ts';
import type { SampleRecord } from '../../stages/download/columns.ts';
import type { InputColumn } from '../../stages/download/options.ts';
import { type ListColumns, parquetTypes, readList, type UrlList } from './url-lists.ts';

/** The rows of one shard as columns, in the order of the options' columns: plain data for another process. */
export interface ShardInput {
  readonly index: number;
  readonly rows: number;
  readonly values: readonly (readonly SampleRecord[string][])[];
  /** Names its content. */
  readonly sha256: string;
}

/** How far the reading of the lists has come. */
export interface ReadingHooks {
  readonly signal: AbortSignal;
  /** Called before rows are handed out: bytes of lists read so far, rows read so far. */
  readonly read?: (bytes: number, rows: number) => void;
}

/** Rows that are looked at to tell the types of columns that have none. */
const TYPING_ROWS = 10_000;

/**
 * The columns that the lists give, with their types: those of the first list, of which a Parquet file says them, and any
 * other shows them by its first 10,000 rows. `url` and `caption` are strings.
 * @throws GleanerError as readList
 */
export async function inputColumns(
  lists: readonly UrlList[],
  columns: ListColumns,
  signal: AbortSignal,
): Promise<InputColumn[]> {
  const [first] = lists;
  const { additional, caption } = columns;
  let types: ReadonlyMap<string, InputColumn['type']> = new Map();
  if (first?.format === 'parquet') types = await parquetTypes(first.path, columns);
  else if (first && additional.length > 0) types = await typesOfRows(first, columns, signal);
  return [
    ...additional.map((name) => ({ name, type: types.get(name) ?? 'string' })),
    ...(caption === null ? [] : [{ name: 'caption', type: 'string' } as const]),
    { name: 'url', type: 'string' },
  ];
}

async function typesOfRows(
  list: UrlList,
  columns: ListColumns,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, InputColumn['type']>> {
  const seen = new Map<string, Set<InputColumn['type']>>();
  let rows = 0;
  for await (const row of readList(list, columns, signal)) {
    for (const name of columns.additional) {
      const value = row[name];
      if (value === null || value === undefined) continue;
      const types = seen.get(name) ?? new Set();
      seen.set(name, types.add(typeOf(value)));
    }
    if (++rows >= TYPING_ROWS) break;
  }
  const told = (types: ReadonlySet<InputColumn['type']>) =>
    types.has('string') ? 'string' : types.has('double') ? 'double' : 'int64';
  return new Map([...seen].map(([name, types]) => [name, told(types)]));
}

function typeOf(value: SampleRecord[string]): InputColumn['type'] {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'int64' : 'double';
  const text = String(value);
  // 18 digits fit into 64 bits whatever they are; a number with a leading zero is a code.
  if (/^-?(?:0|[1-9]\d{0,17})$/.test(text)) return 'int64';
  return /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(text) && !/^-?0\d/.test(text) ? 'double' : 'string';
}

/** A value as its column's type has it. @throws GleanerError DAMAGED */
function convert(
  value: SampleRecord[string],
  { name, type }: InputColumn,
  path: string,
): SampleRecord[string] {
  if (value === null || value === undefined) return null;
  if (type === 'string') return typeof value === 'string' ? value.toWellFormed() : String(value);
  if (type === 'int64') {
    if (typeof value === 'bigint') return value;
    if (typeOf(value) === 'int64') return BigInt(String(value));
  } else if (typeof value === 'number') return value;
  else if (typeOf(value) !== 'string') return Number(value);
  const problem = `column '${name}' holds ${JSON.stringify(String(value))}, but numbers in the rows before.`;
  throw new GleanerError('DAMAGED', { path, problem });
}

export interface CutOptions {
  readonly columns: ListColumns;
  readonly types: readonly InputColumn[];
  readonly samplesPerShard: number;
  /** Number of the first shard. */
  readonly first: number;
}

/** Cuts lists into shards: each list into its own, the last of each maybe shorter, as img2dataset does (reader.py). */
export async function* cutShards(
  lists: readonly UrlList[],
  { columns, types, samplesPerShard, first }: CutOptions,
  hooks: ReadingHooks,
): AsyncGenerator<ShardInput, void, undefined> {
  let index = first;
  let bytesBefore = 0;
  let rows = 0;
  for (const list of lists) {
    const before = bytesBefore;
    const open = () => types.map((): SampleRecord[string][] => []);
    let values = open();
    const read = (bytes: number) => hooks.read?.(before + bytes, rows);
    for await (const row of readList(list, columns, hooks.signal, read)) {
      for (let c = 0; c < types.length; c++) {
        const column = types[c] as InputColumn;
        values[c]?.push(convert(row[column.name] ?? null, column, list.path));
      }
      rows++;
      if (values[0]?.length !== samplesPerShard) continue;
      yield shardOf(index++, values);
      values = open();
    }
    if (values[0]?.length) yield shardOf(index++, values);
    bytesBefore += list.bytes;
  }
}

function shardOf(index: number, values: readonly (readonly SampleRecord[string][])[]): ShardInput {
  const text = JSON.stringify(values, (_, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : value,
  );
  const sha256 = createHash('sha256').update(text).digest('hex');
  return { index, rows: values[0]?.length ?? 0, values, sha256 };
}
