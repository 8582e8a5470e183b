/** Trains a head: AdamW over the steps of {@link openStepper}, with a warm-up and a linear decay. */
import { AdamW } from '../autodiff/adamw.ts';
import type { Rng } from '../autodiff/rng.ts';
import type { Batches } from './batches.ts';
import { HEAD_KEYS, type Head, type HeadShape, newHead } from './head.ts';
import { type Losses, openStepper } from './stepper.ts';

export interface Schedule {
  readonly steps: number;
  readonly batch: number;
  /** Highest learning rate, reached after `warmUp` steps. */
  readonly rate: number;
  readonly warmUp: number;
  /** Weight decay of matrices; vectors have none. */
  readonly decay: number;
  /** Weight of the sigmoid loss beside the contrastive one. */
  readonly sigmoidWeight: number;
}

/** Learning rate at a step: linear warm-up, then linear decay to 2 % of the highest. */
function rateAt(step: number, { steps, rate, warmUp }: Schedule): number {
  return rate * Math.min(1, step / warmUp) * (0.02 + 0.98 * (1 - step / steps));
}

export interface Progress extends Losses {
  /** From 1. */
  readonly step: number;
  readonly rate: number;
}

const MATRICES: ReadonlySet<keyof Head> = new Set(['weight', 'out', 'embedding']);

export async function trainHead(
  batches: Batches,
  shape: HeadShape,
  schedule: Schedule,
  rng: Rng,
  report: (progress: Progress) => void,
): Promise<Head> {
  const head = newHead(shape, rng);
  const stepper = await openStepper(head, shape, schedule.sigmoidWeight);
  const optimizers = HEAD_KEYS.map((key) => {
    const decay = MATRICES.has(key) ? schedule.decay : 0;
    return { key, adamW: new AdamW(head[key], { beta1: 0.9, beta2: 0.98, decay }) };
  });
  for (let step = 0; step < schedule.steps; step++) {
    const losses = await stepper.run(batches.next(schedule.batch));
    const rate = rateAt(step, schedule);
    for (const { key, adamW } of optimizers) adamW.step(stepper.gradients[key], rate);
    report({ step: step + 1, rate, ...losses });
  }
  return head;
}
