import { filled, RecordFile, RecordSorter } from '../../storage/index.ts';
import { Cursor } from './cursor.ts';
import { DROP_WORDS } from './kept-set.ts';
import { RankSet } from './rank-set.ts';
import { RANKED_WORDS, ROW_AT, UID_AT } from './ranks.ts';

/** Words of a drop that is told: row, criterion, how like, uid of the one kept (4), uid of the one that it is like (4). */
export const TOLD_WORDS = 11;

/** What is dropped, by several criteria one after the other. */
export class Drops implements AsyncDisposable {
  readonly #folder: string;
  /** Rank, criterion, rank of the one that it is like, how like. */
  readonly #file: RecordFile;
  readonly #dropped: RankSet;

  /** @param rows ranks are below it: one bit each in memory */
  constructor(folder: string, rows: number) {
    this.#folder = folder;
    this.#file = new RecordFile(folder, 4);
    this.#dropped = new RankSet(rows);
  }

  has(rank: number): boolean {
    return this.#dropped.has(rank);
  }

  /** @param drops `DROP_WORDS` words each, of rows that were not dropped before */
  async add(drops: Uint32Array, criterion: number): Promise<void> {
    const records = new Uint32Array((drops.length / DROP_WORDS) * 4);
    for (let at = 0, to = 0; at < drops.length; at += DROP_WORDS, to += 4) {
      const [rank = 0, like = 0, measure = 0] = drops.subarray(at, at + DROP_WORDS);
      this.#dropped.add(rank);
      records.set([rank, criterion, like, measure], to);
    }
    await this.#file.append(records);
  }

  /**
   * Says of each what is kept in its place. The one that a row is like may have been dropped by a later criterion: then what
   * was kept for that one.
   *
   * @param ranked as `rankRows` gives it; it is gone through three times
   * @returns records of `TOLD_WORDS`, in the order of their rows
   */
  async *told(ranked: RecordFile): AsyncGenerator<Uint32Array> {
    await using byKept = await this.#kept();
    await using byLike = this.#sorter(8);
    await joined(byKept, ranked, 5, (drop, kept) => {
      const [, rank = 0, criterion = 0, like = 0, measure = 0] = drop;
      return byLike.add(Uint32Array.of(like, rank, criterion, measure, ...uidOf(kept)));
    });
    await using byRank = this.#sorter(11);
    await joined(byLike, ranked, 8, (drop, like) =>
      byRank.add(Uint32Array.of(...drop.subarray(1), ...uidOf(like))),
    );
    await using byRow = this.#sorter(TOLD_WORDS);
    await joined(byRank, ranked, 11, (drop, own) =>
      byRow.add(Uint32Array.of(own[ROW_AT] ?? 0, ...drop.subarray(1))),
    );
    yield* byRow.sorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  #sorter(words: number): RecordSorter {
    return new RecordSorter(this.#folder, { words, keyWords: 1 });
  }

  /** Rank of the one kept, rank, criterion, rank of the one that it is like, how like. */
  async #kept(): Promise<RecordSorter> {
    let astray = 0;
    let sorter = await filled(this.#sorter(5), async (first) => {
      for await (const block of this.#file.read())
        for (let at = 0; at < block.length; at += 4) {
          const [rank = 0, criterion = 0, like = 0, measure = 0] = block.subarray(at, at + 4);
          astray += Number(this.has(like));
          await first.add(Uint32Array.of(like, rank, criterion, like, measure));
        }
    });
    // Each time round what was dropped itself is followed by one step, and a step leads to a later criterion: so few.
    while (astray > 0) {
      await using before = sorter;
      await using links = this.#sorter(4);
      for await (const block of this.#file.read()) await links.add(block);
      const link = new Cursor(links.sorted(), 4);
      astray = 0;
      sorter = await filled(this.#sorter(5), async (after) => {
        for await (const block of before.sorted())
          for (let at = 0; at < block.length; at += 5) {
            const [end = 0, ...rest] = block.subarray(at, at + 5);
            const kept = this.has(end) ? ((await link.find(end))[2] ?? 0) : end;
            astray += Number(this.has(kept));
            await after.add(Uint32Array.of(kept, ...rest));
          }
      });
    }
    return sorter;
  }
}

function uidOf(ranked: Uint32Array): Uint32Array {
  return ranked.subarray(UID_AT, UID_AT + 4);
}

/** Goes through records in the order of their first word, which is a rank, each with the ranked row that it names. */
async function joined(
  records: RecordSorter,
  ranked: RecordFile,
  words: number,
  each: (record: Uint32Array, ranked: Uint32Array) => Promise<void>,
): Promise<void> {
  const rows = new Cursor(ranked.read(), RANKED_WORDS);
  for await (const block of records.sorted())
    for (let at = 0; at < block.length; at += words) {
      const record = block.subarray(at, at + words);
      await each(record, await rows.number(record[0] ?? 0));
    }
}
