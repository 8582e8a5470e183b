import { drawNumbers, mix } from '../knn/k-means.ts';
import type { StoredSample } from './read-shard.ts';
import type { LoaderState, Place, Position } from './state.ts';

/** Bytes of the samples of a shuffle buffer, at most; one more may be above it. */
const BUFFER_BYTES = 256 << 20;

/** A sample that was drawn, and what that did to the shuffle buffer: by it a state can be kept up without the samples. */
export interface Draw {
  readonly sample: StoredSample;
  /** Samples that came into the buffer before it was drawn. */
  readonly added: readonly Place[];
  /** Place in the buffer that it was taken from: the last one is there now. */
  readonly slot: number;
  /** Where reading goes on after what is in the buffer. */
  readonly next: Position;
}

/** The order of the shards in an epoch: a shuffle by seed and epoch (Fisher and Yates). */
export function shardOrder(shards: number, seed: number, epoch: number): Uint32Array {
  return drawNumbers(shards, shards, mix(epoch, seed));
}

/** Which of so many is drawn the n-th time in an epoch. */
function slotOf(n: number, size: number, seed: number, epoch: number): number {
  return Math.floor((mix(n, mix(epoch, seed ^ DRAWS)) / 2 ** 32) * size);
}
/** Draws and shard orders follow from different seeds. */
const DRAWS = 0x5bd1e995;

/** Samples with where reading goes on behind each. */
export type Samples = AsyncIterator<
  { readonly sample: StoredSample; readonly next: Position },
  void,
  undefined
>;

export interface ShuffleOptions {
  readonly seed: number;
  readonly epoch: number;
  /** Samples that the buffer holds: 0 as 1, all in order. */
  readonly size: number;
}

/**
 * Draws the samples of one epoch through a buffer: it is filled, one is drawn, and so on until nothing is left.
 * @param held what the buffer has to begin with
 * @param from draws so far, and where reading stands
 */
export async function* shuffled(
  samples: Samples,
  held: readonly StoredSample[],
  from: Pick<LoaderState, 'drawn' | 'next'>,
  { seed, epoch, size }: ShuffleOptions,
): AsyncGenerator<Draw, void, undefined> {
  const buffer = [...held];
  const bytesOf = ({ image, text = '' }: StoredSample) => (image?.length ?? 0) + 2 * text.length;
  let bytes = buffer.reduce((sum, sample) => sum + bytesOf(sample), 0);
  let { next } = from;
  let ended = false;
  for (let n = from.drawn; ; n++) {
    const added: Place[] = [];
    while (!ended && (buffer.length === 0 || (buffer.length < size && bytes < BUFFER_BYTES))) {
      const read = await samples.next();
      if (read.done) {
        ended = true;
        break;
      }
      buffer.push(read.value.sample);
      added.push(read.value.sample.place);
      bytes += bytesOf(read.value.sample);
      next = read.value.next;
    }
    const slot = slotOf(n, buffer.length, seed, epoch);
    const sample = takeFrom(buffer, slot);
    if (!sample) return;
    bytes -= bytesOf(sample);
    yield { sample, added, slot, next };
  }
}

/** Takes one out; the last takes its place. */
export function takeFrom<T>(buffer: T[], slot: number): T | undefined {
  const taken = buffer[slot];
  const last = buffer.pop();
  if (last !== undefined && slot < buffer.length) buffer[slot] = last;
  return taken;
}
