import {
  type Column,
  type ColumnValues,
  createParquetWriter,
  freeColumn,
  type PlainStrings,
  pickRows,
  plainStrings,
  readParquetColumns,
} from '../../formats/index.ts';
import type { Ledger } from '../../schema/index.ts';
import { type ByteSink, type Storage, withSource } from '../../storage/index.ts';
import { UNNAMED } from '../known-content.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { shardPath } from '../tables.ts';
import { createTrailWriter, type TrailWriter } from '../trail.ts';
import { writeFiles } from '../write-file.ts';
import { conditionOf, type MetadataRow, readGroups, splitCondition } from './draw.ts';
import { describeStep, drawOf, type Selection } from './step.ts';

/** What the trail tells of a pair that is left out: the columns of a pair by their released names, then its similarity. */
const TRAIL_COLUMNS = [
  { name: 'uid', type: 'string' },
  { name: 'URL', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'page_url', type: 'string' },
  { name: 'wat', type: 'string' },
  { name: 'LICENSE', type: 'string' },
  { name: 'language', type: 'string' },
  { name: 'language_confidence', type: 'float' },
  { name: 'similarity', type: 'double' },
] as const satisfies readonly Column[];

/** Columns of selected/*.parquet: rows of a part of the parent that are taken, ascending from 0. */
export const SELECTED_COLUMNS = [{ name: 'row', type: 'int32' }] as const;

/** Rows that are held before they are written as one row group. */
const ROWS_PER_GROUP = 100_000;

/** One part of the parent release. */
export interface SelectTask {
  readonly index: number;
  /** Path of its metadata. */
  readonly metadata: string;
  /** Which subset of a subset this is, from 1: names the trail, so that it stands beside those before. */
  readonly generation: number;
  /** Pairs that the parent counts among its own and no longer has, as after a takedown: they are listed without a name. */
  readonly gone: number;
}

/**
 * Decides about the pairs of one part: leaves the numbers of the rows that are taken, and the trail of those that are not.
 * Memory does not grow with the rows of a part beyond one row group.
 *
 * @param parent the run that the pairs are taken of
 * @throws GleanerError DAMAGED
 */
export async function selectRows(
  task: SelectTask,
  selection: Selection,
  parent: Storage,
  ctx: StageContext,
): Promise<StageResult> {
  const { where, sample, split, cut } = selection;
  const condition = where === null ? undefined : await conditionOf(parent, task.metadata, where);
  const inSplit = await splitCondition(parent, split);
  const names = new Set<string>(['uid', ...inSplit.columns, ...(condition?.columns ?? [])]);
  const isDrawn = (row: MetadataRow) =>
    sample === null || cut === null || drawOf(sample.seed, String(row.uid)) <= cut;
  const details = plainStrings([
    describeStep({ where, sample: null }),
    describeStep({ where: null, sample }),
    describeStep({ where: null, sample: null, ...(split && { split }) }),
  ]);
  let [rows, taken] = [0, 0];
  const paths = [
    shardPath('selected', task.index),
    shardPath(`dropped/select${task.generation > 1 ? task.generation : ''}`, task.index),
  ];
  const files = await writeFiles(ctx.storage, paths, async ([selected, dropped]) => {
    const table = createParquetWriter(selected as ByteSink, SELECTED_COLUMNS);
    const trail = createTrailWriter(dropped as ByteSink);
    let held: { row: number }[] = [];
    let number = 0;
    for await (const group of readGroups(parent, task.metadata, names)) {
      ctx.signal.throwIfAborted();
      const [left, why]: [number[], number[]] = [[], []];
      for (const [i, row] of group.entries()) {
        const isOfSplit = inSplit.holds(row);
        const fulfils = isOfSplit && (!condition || condition.holds(row));
        if (fulfils && isDrawn(row)) held.push({ row: rows + i });
        else {
          left.push(i);
          why.push(isOfSplit ? Number(fulfils) : 2);
        }
      }
      if (left.length > 0) await leaveOut(trail, parent, task.metadata, number, left, details, why);
      number++;
      rows += group.length;
      ctx.progress(group.length);
      if (held.length < ROWS_PER_GROUP) continue;
      await table.writeRowGroup(held);
      held = [];
    }
    await table.writeRowGroup(held);
    taken = table.rows;
    for (let n = 0; n < task.gone; n++) {
      trail.add({ ...UNNAMED, reason: 'not_in_subset', detail: 'taken down before' });
      if (trail.full) await trail.flush();
    }
    await trail.finish();
    await table.finish();
  });
  const left = rows - taken + task.gone;
  const selected: Ledger = {
    in: rows + task.gone,
    out: taken,
    dropped: left > 0 ? { not_in_subset: left } : {},
  };
  return { files, ledgers: { selected }, facts: { rows: taken } };
}

/** Writes rows of a row group to the trail, without making rows of them. */
async function leaveOut(
  trail: TrailWriter,
  parent: Storage,
  path: string,
  group: number,
  left: readonly number[],
  dictionary: PlainStrings,
  why: readonly number[],
): Promise<void> {
  const picks = Uint32Array.from(left);
  const columns: ColumnValues[] = [];
  await withSource(parent, path, async (source) => {
    for await (const values of readParquetColumns(source, TRAIL_COLUMNS, group, { name: path }))
      columns.push(pickRows(values, picks));
  });
  const similarities = columns.pop();
  if (similarities?.kind !== 'fixed') throw new Error('similarities are numbers');
  const reasons: ColumnValues = {
    kind: 'dictionary',
    dictionary: plainStrings(['not_in_subset']),
    indices: new Uint32Array(left.length),
  };
  const details: ColumnValues = { kind: 'dictionary', dictionary, indices: Uint32Array.from(why) };
  await trail.addPairs(columns, reasons, details, similarities);
  for (const values of columns) freeColumn(values);
}
