import { createParquetWriter } from '../../formats/index.ts';
import type { DroppedRow, Ledger } from '../../schema/index.ts';
import type { ByteSink, Storage } from '../../storage/index.ts';
import { UNNAMED } from '../known-content.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { shardPath } from '../tables.ts';
import { createTrailWriter, type TrailWriter } from '../trail.ts';
import { writeFiles } from '../write-file.ts';
import { conditionOf, type MetadataRow, readGroups } from './draw.ts';
import { describeStep, drawOf, type Selection } from './step.ts';

/** What the trail tells of a pair that is left out. */
const TRAIL_NAMES = [
  'uid',
  'URL',
  'TEXT',
  'page_url',
  'wat',
  'LICENSE',
  'language',
  'language_confidence',
  'similarity',
] as const;

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
  const { where, sample, cut } = selection;
  const condition = where === null ? undefined : await conditionOf(parent, task.metadata, where);
  const names = new Set<string>([...TRAIL_NAMES, ...(condition?.columns ?? [])]);
  const isDrawn = (row: MetadataRow) =>
    sample === null || cut === null || drawOf(sample.seed, String(row.uid)) <= cut;
  const details = {
    where: describeStep({ where, sample: null }),
    sample: describeStep({ where: null, sample }),
  };
  let [rows, taken] = [0, 0];
  const paths = [
    shardPath('selected', task.index),
    shardPath(`dropped/select${task.generation > 1 ? task.generation : ''}`, task.index),
  ];
  const files = await writeFiles(ctx.storage, paths, async ([selected, dropped]) => {
    const table = createParquetWriter(selected as ByteSink, SELECTED_COLUMNS);
    const trail = createTrailWriter(dropped as ByteSink);
    let held: { row: number }[] = [];
    for await (const group of readGroups(parent, task.metadata, names)) {
      ctx.signal.throwIfAborted();
      for (const row of group) {
        const fulfils = !condition || condition.holds(row);
        if (fulfils && isDrawn(row)) held.push({ row: rows });
        else await leaveOut(trail, droppedRow(row, fulfils ? details.sample : details.where));
        rows++;
      }
      ctx.progress(group.length);
      if (held.length < ROWS_PER_GROUP) continue;
      await table.writeRowGroup(held);
      held = [];
    }
    await table.writeRowGroup(held);
    taken = table.rows;
    for (let n = 0; n < task.gone; n++)
      await leaveOut(trail, { ...UNNAMED, reason: 'not_in_subset', detail: 'taken down before' });
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

async function leaveOut(trail: TrailWriter, row: DroppedRow): Promise<void> {
  trail.add(row);
  if (trail.full) await trail.flush();
}

function droppedRow(row: MetadataRow, detail: string): DroppedRow {
  const {
    uid,
    URL: url,
    TEXT: text,
    page_url,
    wat,
    LICENSE,
    language,
    language_confidence,
    similarity,
  } = row;
  return {
    uid: String(uid),
    url: String(url),
    text: String(text),
    pageUrl: String(page_url),
    wat: String(wat),
    license: String(LICENSE),
    language: String(language),
    languageConfidence: Number(language_confidence),
    reason: 'not_in_subset',
    detail,
    similarity: Number(similarity),
  };
}
