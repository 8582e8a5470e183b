import { createHash } from 'node:crypto';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { locationName } from '../storage/index.ts';
import type { LoaderOptions } from './options.ts';
import type { Shard } from './shards.ts';

const count = z.int().min(0);

/** A sample by its place: number of its shard as named, first byte of its first header there, and the byte after its last file. */
const placeSchema = z.tuple([count, count, count]).readonly();
export type Place = z.infer<typeof placeSchema>;

/** Where a loader reads on: number of a shard in the epoch's order, byte in it, samples of the epoch that were gone over. */
const positionSchema = z.object({ shard: count, byte: count, sample: count }).readonly();
export type Position = z.infer<typeof positionSchema>;

export const loaderStateSchema = z
  .object({
    version: z.literal(1),
    /** What the order follows from. */
    of: z
      .object({ tars: z.string(), seed: count, shuffle: count, shard: z.string(), split: z.string() })
      .readonly(),
    /** Batches given, in all. */
    step: count,
    epoch: count,
    /** Batches given of this epoch. */
    batches: count,
    /** Samples drawn of this epoch. */
    drawn: count,
    next: positionSchema,
    /** The shuffle buffer. */
    buffer: z.array(placeSchema).readonly(),
    counts: z
      .object({ samples: count, undecodable: count, withoutImage: count, withoutText: count })
      .readonly(),
  })
  .readonly();
/** What a loader needs to go on behind a batch; JSON takes it as it is. */
export type LoaderState = z.infer<typeof loaderStateSchema>;

/** The state before anything was read. @param splitDigest names the rows that are taken, '' where all are */
export function beginning(
  { seed = 1, shuffle = 1000, shard }: LoaderOptions,
  shards: readonly Shard[],
  splitDigest: string,
): LoaderState {
  const tars = createHash('sha256');
  // By their names alone: a dataset may lie elsewhere when the training goes on. Sizes tell whether it is still the same.
  for (const { path, bytes } of shards) tars.update(`${locationName(path)}\0${bytes ?? ''}\n`);
  return {
    version: 1,
    of: {
      tars: `${shards.length} of ${tars.digest('hex').slice(0, 16)}`,
      seed,
      shuffle,
      shard: shard && shard.count > 1 ? `${shard.index} of ${shard.count}` : '0 of 1',
      split: splitDigest,
    },
    ...{ step: 0, epoch: 0, batches: 0, drawn: 0, next: FIRST, buffer: [] },
    counts: { samples: 0, undecodable: 0, withoutImage: 0, withoutText: 0 },
  };
}

export const FIRST: Position = { shard: 0, byte: 0, sample: 0 };

/** A state that was kept, where it belongs to what is read now. @throws GleanerError USAGE */
export function resumed(given: unknown, { of }: LoaderState, shards: number): LoaderState {
  const parsed = loaderStateSchema.safeParse(given);
  const refuse = (problem: string) =>
    new GleanerError('USAGE', {
      problem: `loader: the state ${problem}. Give what it was left with, or begin anew.`,
    });
  if (!parsed.success) throw refuse('is none of a loader');
  const state = parsed.data;
  for (const name of ['tars', 'seed', 'shuffle', 'shard', 'split'] as const)
    if (state.of[name] !== of[name])
      throw refuse(`is of other ${name} (${state.of[name] || 'none'}, here ${of[name] || 'none'})`);
  if (state.buffer.some(([shard, start, end]) => shard >= shards || end <= start))
    throw refuse('names samples that cannot be');
  return state;
}
