/** What a training goes through: batches of the train split, out of memory where it fits, and held-out pairs. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type LoaderState, loaderStateSchema, openLoader } from '../../src/loader/index.ts';
import { GleanerError } from '../../src/schema/index.ts';
import { SPLIT_FILE } from '../../src/stages/split/split-table.ts';
import { Rng, seedOf } from '../autodiff/index.ts';

/** Pairs of a batch: [n, 3, side, side], 0 to 255. */
export interface Pairs {
  readonly images: Uint8Array;
  readonly texts: readonly string[];
  readonly keys: readonly string[];
}

/** @property state - Where the data goes on behind this batch, as JSON. */
export type TrainingBatch = Pairs & { readonly state: unknown };

export interface Source {
  /** Folder of a run. */
  readonly dir: string;
  /** `split.parquet` of it. */
  readonly file: string;
  /** Pixels a side. */
  readonly side: number;
  /** Threads that decode; 0: none, this thread does it. */
  readonly workers: number;
}

/** Shares of the splits where the release is not parted yet: more is held out than is usual, since the demo is small. */
const SHARES = 'train=0.8,validation=0.05,test=0.15';
/** Most held-out pairs that are measured on: the gallery of CLIP's evaluation on COCO has 5,000 pictures. */
export const MOST_HELD_OUT = 5000;

/** The split of a release; parts it if nobody has yet. @throws GleanerError as `splitRun` */
export async function findSplit(dir: string, say: (line: string) => void): Promise<string> {
  const file = join(dir, SPLIT_FILE);
  if (existsSync(file)) return file;
  const { splitRun } = await import('../../src/executors/split.ts');
  const { rows, groups } = await splitRun({ dir, shares: SHARES });
  say(`parted ${rows} pairs, ${groups} groups of duplicates, by ${SHARES}: ${file}`);
  return file;
}

/** All pairs of one split, as far as they fit. @throws GleanerError SPLIT_EMPTY; DAMAGED at a broken shard */
export async function readPairs(
  { dir, file, side, workers }: Source,
  name: string,
  most: number,
): Promise<Pairs & { readonly whole: boolean; readonly leftOut: number }> {
  const split = { file, name };
  const size = 3 * side * side;
  const [parts, texts, keys]: [Uint8Array[], string[], string[]] = [[], [], []];
  const batchSize = Math.min(256, most);
  await using loader = await openLoader({
    ...{ from: dir, split, imageSize: side, batchSize, workers, shuffle: 0, epochs: 1, dropLast: false },
  });
  let whole = true;
  for await (const batch of loader) {
    if (texts.length + batch.texts.length > most) {
      whole = false;
      break;
    }
    parts.push(batch.images);
    texts.push(...batch.texts);
    keys.push(...batch.keys);
  }
  const images = new Uint8Array(texts.length * size);
  let at = 0;
  for (const part of parts) {
    images.set(part, at);
    at += part.length;
  }
  const { undecodable, withoutImage, withoutText } = loader.counts;
  return { images, texts, keys, whole, leftOut: undecodable + withoutImage + withoutText };
}

/** Tells whether a checkpoint is of the same data. */
export function digestOf({ keys, texts }: Pairs): string {
  const hash = createHash('sha256');
  for (const [i, key] of keys.entries()) hash.update(`${key}\0${texts[i]}\n`);
  return hash.digest('hex').slice(0, 16);
}

export interface BatchOptions extends Source {
  readonly batchSize: number;
  readonly seed: number;
  /** What the last batch of a training that was stopped left. */
  readonly state?: unknown;
}

/**
 * Batches without end. In memory, pictures that were decoded once are dealt anew in each epoch; else they stream by the
 * loader. Decoding one of 256 pixels takes 0.7 CPU-ms, where a training step of the small model takes 2.8 a pair.
 */
export function batchesOf(
  pairs: Pairs,
  inMemory: boolean,
  options: BatchOptions,
): AsyncIterable<TrainingBatch> {
  return inMemory ? dealt(pairs, options) : streamed(options);
}

async function* dealt(
  { images, texts, keys }: Pairs,
  { dir, side, batchSize, seed, state = 0 }: BatchOptions,
): AsyncGenerator<TrainingBatch, void, undefined> {
  const size = 3 * side * side;
  const perEpoch = Math.floor(texts.length / batchSize);
  if (perEpoch === 0)
    throw new GleanerError('DATASET_EMPTY', {
      path: dir,
      problem: `the train split has ${texts.length} pairs, fewer than a batch of ${batchSize}: make it smaller (--batch)`,
    });
  for (let step = Number(state); ; step++) {
    const epoch = Math.floor(step / perEpoch);
    const order = new Rng(seedOf('epoch', seed, epoch)).sample([...texts.keys()]);
    const from = (step % perEpoch) * batchSize;
    const rows = order.slice(from, from + batchSize);
    const batch = new Uint8Array(batchSize * size);
    for (const [i, row] of rows.entries()) batch.set(images.subarray(row * size, (row + 1) * size), i * size);
    const pick = (all: readonly string[]) => rows.map((row) => all[row]!);
    yield { images: batch, texts: pick(texts), keys: pick(keys), state: step + 1 };
  }
}

async function* streamed(options: BatchOptions): AsyncGenerator<TrainingBatch, void, undefined> {
  const { dir, file, side, workers, batchSize, seed } = options;
  const state: LoaderState | undefined = loaderStateSchema.optional().parse(options.state);
  await using loader = await openLoader({
    ...{ from: dir, split: { file, name: 'train' }, imageSize: side, batchSize, seed, workers },
    ...(state && { state }),
  });
  yield* loader;
}
