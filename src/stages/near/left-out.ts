import { type Column, createParquetWriter, type RowOf, readParquetRows } from '../../formats/index.ts';
import { type ByteSink, type FileInfo, streamSource } from '../../storage/index.ts';
import type { StageContext } from '../stage.ts';
import { PAIR_COLUMNS, parsePair, shardPath } from '../tables.ts';
import { createTrailWriter } from '../trail.ts';
import { writeFiles } from '../write-file.ts';
import { CRITERIA, type Criterion } from './criteria.ts';
import { TOLD_WORDS } from './drops.ts';
import { wordFloat } from './kept-set.ts';
import type { NearShard } from './ranks.ts';

/** Columns of near/NNNNN.parquet, in the order of the rows of the shard. */
const LEFT_OUT_COLUMNS = [
  { name: 'row', type: 'int32' },
  { name: 'uid', type: 'string' },
  { name: 'reason', type: 'string' },
  { name: 'kept_uid', type: 'string' },
  { name: 'like_uid', type: 'string' },
  { name: 'distance', type: 'int32', nullable: true },
  { name: 'cosine', type: 'float', nullable: true },
] as const satisfies readonly Column[];

const ROW_COLUMNS = [
  ...PAIR_COLUMNS,
  { name: 'similarity', type: 'double' },
] as const satisfies readonly Column[];

/** A row that is left out. */
interface LeftOut {
  /** Number in the shard. */
  readonly row: number;
  readonly criterion: Criterion;
  /** uid of the one kept. */
  readonly kept: string;
  /** uid of the one that the row is like: `kept`, but where a later criterion dropped that. */
  readonly like: string;
  /** Bits, or a cosine. */
  readonly measure: number;
}

/** Rows that each shard loses, by criterion. */
export type LostRows = readonly Readonly<Record<Criterion, number>>[];

/**
 * Writes for each shard that loses rows which these are, and their trail.
 *
 * @param told as `Drops.told` gives it
 * @throws GleanerError DAMAGED
 */
export async function writeLeftOut(
  shards: readonly NearShard[],
  told: AsyncIterable<Uint32Array>,
  ctx: StageContext,
): Promise<{ readonly files: FileInfo[]; readonly lost: LostRows }> {
  const files: FileInfo[] = [];
  const lost: Record<Criterion, number>[] = [];
  const rows = leftOutRows(told);
  let next = await rows.next();
  let firstRow = 0;
  for (const [index, shard] of shards.entries()) {
    ctx.signal.throwIfAborted();
    const mine: LeftOut[] = [];
    const counts: Record<Criterion, number> = { same_bytes: 0, same_picture: 0, same_meaning: 0 };
    for (; !next.done && next.value.row < firstRow + shard.rows; next = await rows.next()) {
      mine.push({ ...next.value, row: next.value.row - firstRow });
      counts[next.value.criterion]++;
    }
    if (mine.length > 0) files.push(...(await writeShard(index, shard, mine, ctx)));
    lost.push(counts);
    firstRow += shard.rows;
  }
  return { files, lost };
}

async function* leftOutRows(told: AsyncIterable<Uint32Array>): AsyncGenerator<LeftOut> {
  for await (const block of told)
    for (let at = 0; at < block.length; at += TOLD_WORDS) {
      const [row = 0, number = 0, measure = 0] = block.subarray(at, at + 3);
      const criterion = CRITERIA[number];
      if (!criterion) throw new Error(`there is no criterion ${number}`);
      yield {
        row,
        criterion,
        measure: wordFloat(measure),
        kept: hex(block.subarray(at + 3, at + 7)),
        like: hex(block.subarray(at + 7, at + TOLD_WORDS)),
      };
    }
}

async function writeShard(
  index: number,
  { files }: NearShard,
  mine: readonly LeftOut[],
  ctx: StageContext,
): Promise<FileInfo[]> {
  const paths = [shardPath('near', index), shardPath('dropped/near', index)];
  return writeFiles(ctx.storage, paths, async ([sink, trailSink]) => {
    const trail = createTrailWriter(trailSink as ByteSink);
    const records: RowOf<typeof LEFT_OUT_COLUMNS>[] = [];
    let number = 0;
    for await (const record of streamSource(ctx.storage, files.rows, (source) =>
      readParquetRows(source, ROW_COLUMNS, { name: files.rows }),
    )) {
      const left = mine[records.length];
      if (left?.row !== number++) continue;
      const { uid } = record;
      records.push({ row: left.row, uid, reason: left.criterion, ...namesOf(left) });
      const { similarity } = record;
      trail.add({
        ...parsePair(record, files.rows),
        reason: left.criterion,
        detail: detailOf(left),
        similarity,
      });
      if (trail.full) await trail.flush();
    }
    await trail.finish();
    const writer = createParquetWriter(sink as ByteSink, LEFT_OUT_COLUMNS);
    await writer.writeRowGroup(records);
    await writer.finish();
  });
}

function namesOf({ criterion, kept, like, measure }: LeftOut) {
  return {
    kept_uid: kept,
    like_uid: like,
    distance: criterion === 'same_picture' ? measure : null,
    cosine: criterion === 'same_meaning' ? measure : null,
  };
}

/** As the trail says it: first the uid of the one kept. */
function detailOf({ criterion, kept, like, measure }: LeftOut): string {
  const how = {
    same_bytes: like === kept ? '' : ', same bytes',
    same_picture: `, distance ${measure}`,
    same_meaning: `, cosine ${measure.toFixed(4)}`,
  }[criterion];
  return like === kept
    ? `${kept}${how}`
    : `${kept}${how}${criterion === 'same_bytes' ? ' as' : ' to'} ${like}`;
}

function hex(words: Uint32Array): string {
  return Array.from(words, (word) => word.toString(16).padStart(8, '0')).join('');
}
