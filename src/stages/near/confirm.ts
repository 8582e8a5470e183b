import { dot } from '../../knn/vector.ts';
import type { RecordFile, Scratch } from '../../storage/index.ts';
import type { StageContext } from '../stage.ts';
import { Cursor } from './cursor.ts';
import { embeddedRows } from './embedded-rows.ts';
import { DROP_WORDS } from './kept-set.ts';
import { embeddingsOf, embeddingWords } from './meanings.ts';
import { type NearShard, RANKED_WORDS, ROW_AT } from './ranks.ts';

/** Where the embeddings of ranked rows are found. */
export interface RankedShards {
  readonly shards: readonly NearShard[];
  readonly dimension: number;
  readonly ranked: RecordFile;
  readonly scratch: Scratch;
  readonly ctx: StageContext;
}

/**
 * Holds drops against the embeddings of both rows. Embeddings are read in their order, and lie on disk meanwhile: of each
 * drop two.
 *
 * @param found drops, `DROP_WORDS` words each
 * @yields drops whose cosine is at least `minCosine`, and the ranks of the rows of the others
 */
export async function* confirm(
  { shards, dimension, ranked, scratch, ctx }: RankedShards,
  found: RecordFile,
  minCosine: number,
): AsyncGenerator<{ readonly drops: Uint32Array; readonly refused: Uint32Array }> {
  // Of drop n the row has number 2 n, and the one that it is like 2 n + 1.
  await using byRank = scratch.sorter(2, 1);
  let number = 0;
  for await (const block of found.read()) {
    const ends = new Uint32Array((block.length / DROP_WORDS) * 4);
    for (let at = 0, to = 0; at < block.length; at += DROP_WORDS, to += 4)
      ends.set([block[at] ?? 0, number++, block[at + 1] ?? 0, number++], to);
    await byRank.add(ends);
  }
  await using byRow = scratch.sorter(2, 1);
  const rows = new Cursor(ranked.read(), RANKED_WORDS);
  for await (const block of byRank.sorted()) {
    for (let at = 0; at < block.length; at += 2) block[at] = (await rows.number(block[at] ?? 0))[ROW_AT] ?? 0;
    await byRow.add(block);
  }
  await using picks = scratch.file(2);
  for await (const block of byRow.sorted()) await picks.append(block);
  const words = embeddingWords(dimension);
  await using byNumber = scratch.sorter(words, 1);
  for await (const block of embeddedRows(shards, dimension, picks, ctx).read()) await byNumber.add(block);
  const embeddings = new Cursor(byNumber.sorted(), words);
  number = 0;
  for await (const block of found.read()) {
    const drops: number[] = [];
    const refused: number[] = [];
    for (let at = 0; at < block.length; at += DROP_WORDS) {
      const [one, other] = [
        embeddingsOf(await embeddings.number(number++), dimension),
        embeddingsOf(await embeddings.number(number++), dimension),
      ];
      if (cosine(one, other) >= minCosine) drops.push(...block.subarray(at, at + DROP_WORDS));
      else refused.push(block[at] ?? 0);
    }
    yield { drops: Uint32Array.from(drops), refused: Uint32Array.from(refused) };
  }
}

/** 0 where a row is of length zero. */
function cosine(a: Float32Array, b: Float32Array): number {
  const length = a.length;
  const norm = Math.sqrt(dot(a, 0, a, 0, length) * dot(b, 0, b, 0, length));
  return norm === 0 ? 0 : dot(a, 0, b, 0, length) / norm;
}
