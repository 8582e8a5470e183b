/** Trains a head on batches; it goes on where its checkpoint is. */
import { z } from 'zod';
import { Parameters, type Schedule, Trainer } from '../autodiff/index.ts';
import type { Batches } from './batches.ts';
import { type HeadShape, type SigmoidWeights, trainingLoss } from './head.ts';
import { processSeconds } from './progress.ts';

/** What decides about the trained head beside its data. */
export interface HeadRecipe {
  readonly seed: number;
  readonly schedule: Schedule;
  /** Pairs a step. */
  readonly batch: number;
  readonly sigmoid: SigmoidWeights;
}

export interface Progress {
  /** From 1. */
  readonly step: number;
  readonly rate: number;
  readonly contrastive: number;
  readonly sigmoid: number;
}

export interface Checkpoint {
  readonly path: string;
  /** All that decides about the result, the data's side included. */
  readonly recipe: unknown;
  /** Seconds between two. @default 60 */
  readonly every?: number;
}

/** What a checkpoint says of the time before it. */
const Spent = z.object({ cpuSeconds: z.number() });

/**
 * Trains a head.
 *
 * @returns its weights, and what processes before this one spent on it, in processor seconds
 * @throws GleanerError as Trainer does
 */
export async function trainHead(
  batches: Batches,
  shape: HeadShape,
  { seed, schedule, batch, sigmoid }: HeadRecipe,
  report: (progress: Progress) => void,
  checkpoint?: Checkpoint,
): Promise<{ readonly head: Parameters; readonly cpuSeconds: number }> {
  const head = new Parameters(seed);
  const build = trainingLoss(shape, batch, sigmoid);
  await using trainer = await Trainer.open({
    build,
    parameters: head,
    schedule,
    recipe: null,
    ...checkpoint,
  });
  const cpuSeconds = Spent.safeParse(trainer.data).data?.cpuSeconds ?? 0;
  while (!trainer.finished) {
    const { step, rate, outputs } = await trainer.take(batches.at(trainer.step, batch), {
      cpuSeconds: cpuSeconds + processSeconds(),
    });
    const number = (name: string) => Number(outputs[name]?.[0]);
    report({ step, rate, contrastive: number('contrastive'), sigmoid: number('sigmoid') });
  }
  return { head, cpuSeconds };
}
