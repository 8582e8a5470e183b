import { npyInfo } from '../../formats/index.ts';
import type { RecordFile } from '../../storage/index.ts';
import type { StageContext } from '../stage.ts';
import type { Embeddings } from './clusters.ts';
import { embeddingWords } from './meanings.ts';
import { damaged, type NearShard } from './ranks.ts';

/** Bytes of embeddings that are read at once, about. */
const BLOCK_BYTES = 1 << 20;
/** Exponent bits of a float16: all of them are set in infinity and in what is no number. */
const NOT_FINITE = 0x7c00;

/**
 * The image embeddings of some rows, read from their shards in the order of these.
 *
 * @param rows number of the row and rank of each, in order of the former
 * @throws GleanerError DAMAGED, at reading, where a matrix is not the one that belongs to the shard
 */
export function embeddedRows(
  shards: readonly NearShard[],
  dimension: number,
  rows: RecordFile,
  ctx: StageContext,
): Embeddings {
  return { size: rows.size, read };

  async function* read(): AsyncGenerator<Uint32Array> {
    const picks = pairsOf(rows);
    let pick = await picks.next();
    let firstRow = 0;
    for (const { files, rows: shardRows } of shards) {
      ctx.signal.throwIfAborted();
      const end = firstRow + shardRows;
      const mine: number[] = [];
      const ranks: number[] = [];
      for (; !pick.done && pick.value.row < end; pick = await picks.next()) {
        mine.push(pick.value.row - firstRow);
        ranks.push(pick.value.rank);
      }
      if (mine.length > 0) yield* readShard(files.imageEmbeddings, shardRows, mine, ranks);
      firstRow = end;
    }
  }

  async function* readShard(
    path: string,
    shardRows: number,
    picks: readonly number[],
    ranks: readonly number[],
  ): AsyncGenerator<Uint32Array> {
    const source = await ctx.storage.open(path);
    try {
      const info = await npyInfo(source, path);
      if (info.rows !== shardRows || info.columns !== dimension || info.dtype !== 'float16')
        throw damaged(
          ctx,
          path,
          `is a matrix of ${info.rows} × ${info.columns} ${info.dtype}, not of ${shardRows} × ${dimension} float16`,
        );
      const perBlock = Math.max(1, Math.floor(BLOCK_BYTES / (2 * dimension)));
      for (let from = 0, next = 0; from < shardRows; from += perBlock) {
        const to = Math.min(from + perBlock, shardRows);
        const start = next;
        while ((picks[next] ?? Number.POSITIVE_INFINITY) < to) next++;
        if (next === start) continue;
        const bytes = await source.slice(
          info.dataOffset + 2 * dimension * from,
          info.dataOffset + 2 * dimension * to,
        );
        const halves = new Uint16Array(bytes);
        if (halves.some((half) => (half & NOT_FINITE) === NOT_FINITE))
          throw damaged(ctx, path, `has a number that is not finite in rows ${from} to ${to - 1}`);
        const words = embeddingWords(dimension);
        const block = new Uint32Array((next - start) * words);
        const numbers = new Uint16Array(block.buffer);
        for (let i = start; i < next; i++) {
          const row = (picks[i] ?? 0) - from;
          block[(i - start) * words] = ranks[i] ?? 0;
          numbers.set(halves.subarray(row * dimension, (row + 1) * dimension), 2 * ((i - start) * words + 1));
        }
        yield block;
      }
    } finally {
      await source.close();
    }
  }
}

async function* pairsOf(rows: RecordFile): AsyncGenerator<{ readonly row: number; readonly rank: number }> {
  for await (const block of rows.read())
    for (let at = 0; at < block.length; at += 2) yield { row: block[at] ?? 0, rank: block[at + 1] ?? 0 };
}
