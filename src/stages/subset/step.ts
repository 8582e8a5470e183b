import { hash } from 'node:crypto';
import { z } from 'zod';

/** How a subset was taken out of a release: one step of its lineage. */
export const subsetStepSchema = z.object({
  /** Names the release that it was taken of, by content: see `releaseDigest`. */
  release: z.string().regex(/^[0-9a-f]{64}$/),
  /** Pairs of that release. */
  rows: z.int().min(0),
  /** The condition, as it was given. */
  where: z.string().nullable(),
  /** How many were drawn of those that fulfil it, and by which seed. */
  sample: z.object({ size: z.int().min(1), seed: z.int().min(0) }).nullable(),
  /** The split that they are of, and which split.parquet says so, where one was named. */
  split: z.object({ name: z.string(), sha256: z.string() }).exactOptional(),
});
export type SubsetStep = Readonly<z.infer<typeof subsetStepSchema>>;

/** What decides whether a pair is taken. */
export interface Selection extends Pick<SubsetStep, 'where' | 'sample' | 'split'> {
  /** The draw of the last pair of the sample: those above it are left out. Null without a sample. */
  readonly cut: string | null;
}

/**
 * The draw of a pair: SHA-256 of seed, NUL and uid, hexadecimal. A sample of N is the N smallest, so that it depends on
 * the pairs alone, not on the parts they lie in or their order; and a smaller sample of a seed lies within a larger.
 */
export function drawOf(seed: number, uid: string): string {
  return hash('sha256', `${seed}\0${uid}`);
}

/** The step in words, as the options that made it. */
export function describeStep({
  where,
  sample,
  split,
}: Pick<SubsetStep, 'where' | 'sample' | 'split'>): string {
  return [
    ...(split ? [`--split ${split.name}`] : []),
    ...(where === null ? [] : [`--where ${JSON.stringify(where)}`]),
    ...(sample === null ? [] : [`--sample ${sample.size} --seed ${sample.seed}`]),
  ].join(' ');
}
