import type { NearRules } from '../../config/index.ts';
import { LedgerCounter } from '../../schema/index.ts';
import { type RecordFile, Scratch, scratchFolder } from '../../storage/index.ts';
import type { StageContext, StageResult } from '../stage.ts';
import { clustersOf } from './clusters.ts';
import { confirm } from './confirm.ts';
import { CRITERIA, type Criterion } from './criteria.ts';
import { Drops } from './drops.ts';
import { embeddedRows } from './embedded-rows.ts';
import { DROP_WORDS, floatWord, keepFirst } from './kept-set.ts';
import { writeLeftOut } from './left-out.ts';
import { embeddingWords, KeptMeanings } from './meanings.ts';
import { KeptPictures, PICTURE_WORDS, saysEnough } from './pictures.ts';
import { RankSet } from './rank-set.ts';
import {
  DIGEST_AT,
  isTakenDown,
  type NearShard,
  PICTURE_AT,
  RANKED_WORDS,
  ROW_AT,
  rankRows,
} from './ranks.ts';

/** How often pictures that hashes take for the same, and embeddings do not, are held against each other again. */
const ROUNDS = 4;
/** Words of a SHA-256. */
const DIGEST_WORDS = 8;

export interface NearTask {
  /** In the order of the release. */
  readonly shards: readonly NearShard[];
  readonly rules: NearRules;
  /** Width of the embeddings. */
  readonly dimension: number;
}

/**
 * Finds rows that are alike, over all shards: the same bytes (SHA-256), the same picture (distance of perceptual hashes),
 * the same meaning (cosine of image embeddings within a cluster: SemDeDup, Abbas et al. 2023). Of rows that are alike the
 * one with the greatest similarity of image and text is kept, of equal ones that with the least uid (`rankRows`,
 * `keepFirst`). What is kept is a function of the rows alone.
 *
 * Leaves `near/NNNNN.parquet` with the rows that the release leaves out and `dropped/near/NNNNN.parquet`, the trail, for each
 * shard that loses any. Ledger: distinct. Facts: rows, of each shard those that are left.
 *
 * Memory: some 700 MB at most, and one bit a row; what does not fit lies on disk, unseen (`scratchFolder`).
 * @param memoryBytes of each sorter. @default 64 MiB
 * @throws GleanerError DAMAGED
 */
export async function near(task: NearTask, ctx: StageContext, memoryBytes?: number): Promise<StageResult> {
  const scratch = new Scratch(scratchFolder(ctx.storage, 'near'), memoryBytes);
  const { shards, rules } = task;
  await using ranked = await rankRows(shards, scratch, ctx);
  await using drops = new Drops(scratch, ranked.size);
  const search: Search = { ...task, ctx, scratch, ranked, drops };
  if (rules.sameBytes) await apply(search, 'same_bytes', sameBytes(search));
  if (rules.samePicture) await apply(search, 'same_picture', samePicture(search, rules.samePicture));
  if (rules.sameMeaning) await apply(search, 'same_meaning', sameMeaning(search, rules.sameMeaning));
  const { files, lost } = await writeLeftOut(shards, drops.told(ranked), ctx);
  const counter = new LedgerCounter();
  counter.in(ranked.size);
  for (const counts of lost) for (const reason of CRITERIA) counter.drop(reason, counts[reason]);
  const left = shards.map(({ rows }, i) => rows - CRITERIA.reduce((sum, c) => sum + (lost[i]?.[c] ?? 0), 0));
  counter.out(left.reduce((sum, rows) => sum + rows, 0));
  return { files, ledgers: { distinct: counter.ledger() }, facts: { rows: left } };
}

interface Search extends NearTask {
  readonly ctx: StageContext;
  readonly scratch: Scratch;
  readonly ranked: RecordFile;
  readonly drops: Drops;
}

async function apply(
  { drops, ctx, ranked }: Search,
  reason: Criterion,
  found: AsyncIterable<Uint32Array>,
): Promise<void> {
  for await (const block of found) {
    ctx.signal.throwIfAborted();
    await drops.add(block, CRITERIA.indexOf(reason));
  }
  ctx.progress(ranked.size);
}

/** What no criterion has dropped yet, in order of rank: some words of each, after its rank. */
async function* stillThere({ ranked, drops }: Search, words: readonly number[]): AsyncGenerator<Uint32Array> {
  let rank = 0;
  for await (const block of ranked.read()) {
    const records = new Uint32Array((block.length / RANKED_WORDS) * (1 + words.length));
    let to = 0;
    for (let at = 0; at < block.length; at += RANKED_WORDS, rank++) {
      if (drops.has(rank) || isTakenDown(block, at)) continue;
      records[to++] = rank;
      for (const word of words) records[to++] = block[at + word] ?? 0;
    }
    yield records.subarray(0, to);
  }
}

async function* sameBytes(search: Search): AsyncGenerator<Uint32Array> {
  const words = DIGEST_WORDS + 1;
  await using sorter = search.scratch.sorter(words, words);
  const digest = Array.from({ length: DIGEST_WORDS }, (_, word) => word);
  for await (const block of stillThere(
    search,
    digest.map((word) => DIGEST_AT + word),
  )) {
    const records = new Uint32Array(block.length);
    for (let at = 0; at < block.length; at += words) {
      records.set(block.subarray(at + 1, at + words), at);
      records[at + DIGEST_WORDS] = block[at] ?? 0;
    }
    await sorter.add(records);
  }
  const measure = floatWord(0);
  let first = new Uint32Array(words);
  let any = false;
  for await (const block of sorter.sorted()) {
    const found: number[] = [];
    for (let at = 0; at < block.length; at += words) {
      const same = any && digest.every((word) => block[at + word] === first[word]);
      if (same) found.push(block[at + DIGEST_WORDS] ?? 0, first[DIGEST_WORDS] ?? 0, measure);
      else first = block.slice(at, at + words);
      any = true;
    }
    if (found.length > 0) yield Uint32Array.from(found);
  }
}

/**
 * Of a row the nearest that is kept is looked at: where their embeddings do not agree, the row is held against others that
 * had as little luck, a few times, and is kept in the end.
 */
async function* samePicture(
  search: Search,
  { maxDistance, minBits, minCosine }: NonNullable<NearRules['samePicture']>,
): AsyncGenerator<Uint32Array> {
  const { scratch } = search;
  const newSet = () => new KeptPictures(maxDistance);
  /** What the round before has refused. */
  let open: RecordFile | undefined;
  await using _last = { [Symbol.asyncDispose]: async () => open?.[Symbol.asyncDispose]() };
  for (let round = 0; round < ROUNDS; round++) {
    await using found = scratch.file(DROP_WORDS);
    await using before = open;
    const hashes = pictures(search, minBits, before);
    for await (const drops of keepFirst(hashes, { words: PICTURE_WORDS, scratch, newSet }))
      if (minCosine === null) yield drops;
      else await found.append(drops);
    if (minCosine === null || found.size === 0) return;
    open = scratch.file(1);
    for await (const { drops, refused } of confirm(search, found, minCosine)) {
      yield drops;
      await open.append(refused);
    }
  }
}

/** Hashes of pictures, in order of rank. @param ranks of those that are looked at, in any order. @default all */
async function* pictures(
  search: Search,
  minBits: number,
  ranks: RecordFile | undefined,
): AsyncGenerator<Uint32Array> {
  const picked = ranks && new RankSet(search.ranked.size);
  if (ranks) for await (const block of ranks.read()) for (const rank of block) picked?.add(rank);
  for await (const block of stillThere(search, [PICTURE_AT, PICTURE_AT + 1])) {
    let to = 0;
    for (let at = 0; at < block.length; at += PICTURE_WORDS) {
      const [rank = 0, high = 0, low = 0] = block.subarray(at, at + PICTURE_WORDS);
      if ((picked && !picked.has(rank)) || !saysEnough(high, low, minBits)) continue;
      block.copyWithin(to, at, at + PICTURE_WORDS);
      to += PICTURE_WORDS;
    }
    yield block.subarray(0, to);
  }
}

async function* sameMeaning(
  search: Search,
  rules: NonNullable<NearRules['sameMeaning']>,
): AsyncGenerator<Uint32Array> {
  const { scratch, dimension, shards, ctx } = search;
  await using sorter = scratch.sorter(2, 1);
  for await (const block of stillThere(search, [ROW_AT])) {
    // Row first: embeddings lie by row.
    for (let at = 0; at < block.length; at += 2) {
      const rank = block[at] ?? 0;
      block[at] = block[at + 1] ?? 0;
      block[at + 1] = rank;
    }
    await sorter.add(block);
  }
  await using rows = scratch.file(2);
  for await (const block of sorter.sorted()) await rows.append(block);
  const words = embeddingWords(dimension);
  const kept = new KeptMeanings(dimension, rules.minCosine);
  const newSet = () => {
    kept.clear();
    return kept;
  };
  const all = embeddedRows(shards, dimension, rows, ctx);
  for await (const cluster of clustersOf(all, { ...rules, dimension, scratch })) {
    ctx.signal.throwIfAborted();
    await using inOrder = scratch.sorter(words, 1);
    for await (const block of cluster.read()) await inOrder.add(block);
    yield* keepFirst(inOrder.sorted(), { words, scratch, newSet });
  }
}
