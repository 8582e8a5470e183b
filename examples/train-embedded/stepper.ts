/** Runs training steps: feeds batches to the graph of `training-step.ts` and collects the gradients. */
import * as ort from 'onnxruntime-node';
import { floatsOf, floatTensor, openSession } from '../autodiff/runtime.ts';
import { HEAD_KEYS, type Head, type HeadShape } from './head.ts';
import { trainingStep } from './training-step.ts';

/** One batch of B pairs. */
export interface Batch {
  /** Standardised, [B, features]. */
  readonly features: Float32Array;
  /** Random bytes for dropout, [B, features]. */
  readonly noise: Uint8Array;
  /** The U different tokens of the batch's captions. */
  readonly tokenIds: readonly number[];
  /** How often each stands in each caption, [B, U]. */
  readonly counts: Float32Array;
  /** 1 where caption (row) fits picture (column), [B, B]. */
  readonly positives: Float32Array;
}

export interface Losses {
  readonly contrastive: number;
  readonly sigmoid: number;
}

/** Gradients of a step, as long as the parameters they belong to. */
export type Gradients = Record<(typeof HEAD_KEYS)[number], Float32Array>;

/** Runs training steps on one head; `gradients` is overwritten by each. */
export interface Stepper {
  readonly gradients: Gradients;
  run(batch: Batch): Promise<Losses>;
}

export async function openStepper(head: Head, shape: HeadShape, sigmoidWeight: number): Promise<Stepper> {
  const { features, hidden, dims, tokens } = shape;
  const session = await openSession(trainingStep(shape, sigmoidWeight));
  const dimsOf = {
    weight: [features, dims + hidden],
    bias: [dims + hidden],
    out: [hidden, dims],
    embedding: [tokens, dims],
    tokenWeight: [tokens],
    logScale: [1],
    logSlope: [1],
  } satisfies Record<keyof Gradients, number[]>;
  const gradients = Object.fromEntries(
    HEAD_KEYS.map((key) => [key, new Float32Array(head[key].length)]),
  ) as Gradients;
  const parameters = Object.fromEntries(
    HEAD_KEYS.map((key) => [key, floatTensor(head[key], ...dimsOf[key])]),
  );
  // Large gradients are written in place; those of the batch's tokens come back as rows, to be put in theirs.
  const inPlace = ['weight', 'bias', 'out', 'logScale', 'logSlope'] as const;
  const outputs: Record<string, ort.Tensor | null> = {
    contrastive: null,
    sigmoid: null,
    by_embedding: null,
    by_tokenWeight: null,
  };
  for (const key of inPlace) outputs[`by_${key}`] = floatTensor(gradients[key], ...dimsOf[key]);
  return {
    gradients,
    async run(batch) {
      const [size, unique] = [batch.noise.length / features, batch.tokenIds.length];
      const results = await session.run(
        {
          ...parameters,
          features: floatTensor(batch.features, size, features),
          noise: new ort.Tensor('uint8', batch.noise, [size, features]),
          tokenIds: new ort.Tensor('int64', BigInt64Array.from(batch.tokenIds, BigInt), [unique]),
          counts: floatTensor(batch.counts, size, unique),
          positives: floatTensor(batch.positives, size, size),
        },
        outputs,
      );
      gradients.embedding.fill(0);
      gradients.tokenWeight.fill(0);
      const [rows, weights] = [floatsOf(results.by_embedding), floatsOf(results.by_tokenWeight)];
      batch.tokenIds.forEach((id, u) => {
        gradients.embedding.set(rows.subarray(u * dims, (u + 1) * dims), id * dims);
        gradients.tokenWeight[id] = weights[u]!;
      });
      return { contrastive: floatsOf(results.contrastive)[0]!, sigmoid: floatsOf(results.sigmoid)[0]! };
    },
  };
}
