import type { RecordFile, Scratch } from '../../storage/index.ts';

/** Words of a drop: rank of the row, rank of the one that it is like, how like (a float32: bits, or a cosine). */
export const DROP_WORDS = 3;

/** What is kept of rows that come in order of rank, the best first, as much of it as memory holds. */
export interface KeptSet {
  /**
   * Holds rows against what is kept, one after the other, and keeps those that are like none of it.
   * @param records one or several, of which the first word is the rank
   */
  take(records: Uint32Array): {
    /** Rows that are like one that is kept: `DROP_WORDS` words each. */
    readonly drops: Uint32Array;
    /** Records that are like none, and for which there was no room. */
    readonly rest: Uint32Array;
  };
}

/**
 * Goes through rows in order of rank: a row is dropped where it is like one that is kept, else it is kept. So no two are
 * kept that are alike, each that is dropped is like one that is kept, and chains do not join: where A is like B and B like
 * C, but A not like C, A and C are kept.
 *
 * Where more is kept than memory holds, what is left over goes on disk and is gone through again: as if there had been
 * memory for all.
 *
 * @param records in order of rank, in blocks
 * @param newSet one for each time that rows are gone through
 * @yields drops
 */
export async function* keepFirst(
  records: AsyncIterable<Uint32Array>,
  {
    words,
    scratch,
    newSet,
  }: { readonly words: number; readonly scratch: Scratch; readonly newSet: () => KeptSet },
): AsyncGenerator<Uint32Array> {
  let from = records;
  let before: RecordFile | undefined;
  let rest: RecordFile | undefined;
  try {
    do {
      rest = scratch.file(words);
      const set = newSet();
      for await (const block of from) {
        const taken = set.take(block);
        await rest.append(taken.rest);
        if (taken.drops.length > 0) yield taken.drops;
      }
      await before?.[Symbol.asyncDispose]();
      before = rest;
      from = rest.read();
    } while (rest.size > 0);
  } finally {
    await before?.[Symbol.asyncDispose]();
    await rest?.[Symbol.asyncDispose]();
  }
}

const FLOAT = new Float32Array(1);
const WORD = new Uint32Array(FLOAT.buffer);

/** The bits of a float32. */
export function floatWord(value: number): number {
  FLOAT[0] = value;
  return WORD[0] ?? 0;
}

/** The float32 that a word is. */
export function wordFloat(word: number): number {
  WORD[0] = word;
  return FLOAT[0] ?? 0;
}
