import { type ReadOptions, readPlaces, readShard, type StoredSample } from './read-shard.ts';
import { type Draw, shardOrder, shuffled } from './shuffle.ts';
import { FIRST, type LoaderState, type Position } from './state.ts';

/** Which samples are gone through, and in what order. */
export interface EpochOptions extends ReadOptions {
  readonly seed: number;
  readonly shuffle: number;
  readonly share: { readonly index: number; readonly count: number };
}

/** A sample that was drawn, or the end of an epoch. */
export type Step = { readonly epoch: number } & ({ readonly draw: Draw } | { readonly ended: true });

/** The samples of epoch after epoch, from a state on. @param epochs how many there are, in all */
export async function* steps(
  state: LoaderState,
  epochs: number,
  options: EpochOptions,
): AsyncGenerator<Step, void, undefined> {
  const { seed, shuffle, signal } = options;
  let held: readonly StoredSample[] = await readPlaces(state.buffer, options);
  let from: Pick<LoaderState, 'drawn' | 'next'> = state;
  for (let { epoch } = state; epoch < epochs; epoch++) {
    const samples = readEpoch(epoch, from.next, options);
    try {
      for await (const draw of shuffled(samples, held, from, { seed, epoch, size: shuffle })) {
        signal.throwIfAborted();
        yield { epoch, draw };
      }
    } finally {
      await samples.return();
    }
    yield { epoch, ended: true };
    held = [];
    from = { drawn: 0, next: FIRST };
  }
}

/** The samples of this share of an epoch, in the order of the shards, with where reading goes on behind each. */
async function* readEpoch(
  epoch: number,
  from: Position,
  options: EpochOptions,
): AsyncGenerator<{ readonly sample: StoredSample; readonly next: Position }, void, undefined> {
  const { seed, shuffle, shards, share } = options;
  const all = shuffle > 0 ? shardOrder(shards.length, seed, epoch) : Uint32Array.from(shards.keys());
  // Where there are fewer shards than shares, each goes through all of them.
  const whole = shards.length >= share.count;
  const mine = whole ? all.filter((_, i) => i % share.count === share.index) : all;
  // Counted on from shard to shard: the first samples of short shards would all be the first shares'.
  let number = from.sample;
  for (let shard = from.shard; shard < mine.length; shard++) {
    const byte = shard === from.shard ? from.byte : 0;
    const passed = number;
    const wants = (n: number) => whole || (passed + n) % share.count === share.index;
    for await (const { sample, place } of readShard(mine[shard] ?? 0, byte, options, wants)) {
      number++;
      if (sample) yield { sample, next: { shard, byte: place[2], sample: number } };
    }
  }
}
