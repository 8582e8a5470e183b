import { type Column, parquetInfo, readParquetRowGroup } from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { type Storage, withSource } from '../../storage/index.ts';
import { type Condition, parseCondition } from '../condition/index.ts';
import { SplitRows } from '../split/split-rows.ts';
import { SPLIT_FILE } from '../split/split-table.ts';
import { drawOf, type SubsetStep } from './step.ts';

/** Pairs are counted by so many leading hexadecimal digits of their draws: 4 MB of counters. */
const LEAD_DIGITS = 5;

const UID = { name: 'uid', type: 'string' } as const satisfies Column;

export interface DrawOptions {
  readonly signal: AbortSignal;
  /** Called with the number of rows gone over since the last call. */
  readonly progress: (rows: number) => void;
}

/** A row of some metadata, by those of its columns that were asked for. */
export type MetadataRow = Readonly<Record<string, unknown>>;

/** The columns of a table that have these names. @throws GleanerError DAMAGED where one is missing or of another type */
export function columnsOf(
  path: string,
  info: Awaited<ReturnType<typeof parquetInfo>>,
  names: Iterable<string>,
): Column[] {
  return [...new Set(names)].map((name) => {
    const column = info.columns.find((one) => one.name === name);
    if (!column || column.type === 'other')
      throw new GleanerError('DAMAGED', { path, problem: `has no column '${name}' that can be read.` });
    const { type, nullable } = column;
    return { name, type, nullable };
  });
}

/** The row groups of a metadata file, with some of its columns. @throws GleanerError DAMAGED */
export async function* readGroups(
  storage: Storage,
  path: string,
  names: Iterable<string>,
): AsyncGenerator<readonly MetadataRow[], void, undefined> {
  const source = await storage.open(path);
  try {
    const info = await parquetInfo(source, path);
    const columns = columnsOf(path, info, names);
    for (const group of info.rowGroups.keys())
      yield await readParquetRowGroup(source, columns, group, { name: path, info });
  } finally {
    await source.close();
  }
}

/** Reads a condition over the columns of a metadata file. @throws GleanerError USAGE */
export function conditionOf(storage: Storage, path: string, where: string): Promise<Condition> {
  return withSource(storage, path, async (source) =>
    parseCondition(where, (await parquetInfo(source, path)).columns),
  );
}

/** Whether a row is of a split of its release; all are where none is named. @throws GleanerError RUN_NOT_FOUND, DAMAGED, SPLIT_EMPTY */
export async function splitCondition(
  storage: Storage,
  split: SubsetStep['split'],
): Promise<{ readonly columns: readonly string[]; holds(row: MetadataRow): boolean }> {
  if (!split) return { columns: [], holds: () => true };
  const path = `${storage.location}/${SPLIT_FILE}`;
  const rows = await withSource(storage, SPLIT_FILE, (source) => SplitRows.read(source, path, split.name));
  return {
    columns: ['SAMPLE_ID', 'uid'],
    holds: (row) => rows.has(Number(row.SAMPLE_ID), String(row.uid)),
  };
}

/**
 * Looks at a release before a subset of it is begun: whether the condition can be asked and some pair fulfils it, and
 * where a sample ends. Without a sample it reads up to the first pair that fulfils the condition; with one it goes over
 * uids and the columns of the condition twice. Memory: 4 MB, and the draws that share their first digits with the last.
 *
 * @param paths metadata files of the release
 * @returns the greatest draw that is in the sample; null without a sample
 * @throws GleanerError USAGE at a condition that cannot be asked; SUBSET_EMPTY where no pair, or not as many as are to be
 *   drawn, are there
 */
export async function findCut(
  storage: Storage,
  paths: readonly string[],
  { where, sample, split }: Pick<SubsetStep, 'where' | 'sample' | 'split'>,
  options: DrawOptions,
): Promise<string | null> {
  const [first = ''] = paths;
  const condition = where === null ? undefined : await conditionOf(storage, first, where);
  const inSplit = await splitCondition(storage, split);
  const names = [...(sample ? ['uid'] : []), ...inSplit.columns, ...(condition?.columns ?? [])];
  const rows = async function* (): AsyncGenerator<MetadataRow, void, undefined> {
    // At least one column has to be read for there to be rows.
    for (const path of paths)
      for await (const group of readGroups(storage, path, names.length > 0 ? names : [UID.name])) {
        options.signal.throwIfAborted();
        for (const row of group) if (inSplit.holds(row) && (!condition || condition.holds(row))) yield row;
        options.progress(group.length);
      }
  };
  const refuse = (problem: string) => new GleanerError('SUBSET_EMPTY', { path: storage.location, problem });
  if (!sample) {
    for await (const _ of rows()) return null;
    throw refuse('no pair fulfils the condition');
  }
  const draw = (row: MetadataRow) => drawOf(sample.seed, String(row.uid));
  const lead = (drawn: string) => Number.parseInt(drawn.slice(0, LEAD_DIGITS), 16);
  const counts = new Uint32Array(16 ** LEAD_DIGITS);
  let found = 0;
  for await (const row of rows()) {
    const at = lead(draw(row));
    counts[at] = (counts[at] ?? 0) + 1;
    found++;
  }
  if (found < sample.size) {
    const fulfil = where === null ? (split ? 'the split has' : 'there are') : 'the condition leaves';
    throw refuse(`${sample.size} pairs are to be drawn, but ${fulfil} only ${found}`);
  }
  let [last, before] = [0, 0];
  for (; before + (counts[last] ?? 0) < sample.size; last++) before += counts[last] ?? 0;
  const drawn: string[] = [];
  for await (const row of rows()) {
    const one = draw(row);
    if (lead(one) === last) drawn.push(one);
  }
  const cut = drawn.sort()[sample.size - before - 1];
  if (cut === undefined) throw refuse('it changed while it was read');
  return cut;
}
