import type { Recipe } from '../../config/index.ts';
import type { FunnelStep, Reason, StepLedgers } from '../../schema/index.ts';

import type { SubsetStep } from '../subset/step.ts';

/** The encoder that scored a run. */
export interface ModelInfo {
  readonly name: string;
  /** Width of its embeddings. */
  readonly dimension: number;
  /** SHA-256 of each of its files, by path relative to the model's folder. */
  readonly files: Readonly<Record<string, string>>;
}

/** Reasons of one step with their counts; `share` is of what came into the step, 0 to 1. */
export interface DropCount {
  readonly reason: Reason;
  readonly title: string;
  readonly count: number;
  readonly share: number;
}

/** One step of the funnel: what came in, what went on, and why the rest did not. */
export interface FunnelRow {
  readonly name: FunnelStep;
  /** What `out` counts. */
  readonly title: string;
  readonly in: number;
  readonly out: number;
  /** out / in, 0 to 1; 0 where nothing came in. */
  readonly shareOfPrevious: number;
  /** out / image links seen; null for records, which are not links. */
  readonly shareOfFirst: number | null;
  readonly dropped: readonly DropCount[];
}

/** Counts in bins: bin i holds edges[i] ≤ value < edges[i + 1]; the last edge of all belongs to the last bin. */
export interface Histogram {
  /** One more than `counts`; empty where there is nothing to count. Empty bins at both ends are left out. */
  readonly edges: readonly number[];
  readonly counts: readonly number[];
  /** Values below the first and above the last bin that the histogram could have had. */
  readonly below: number;
  readonly above: number;
}

/** Nearest-rank quantiles: the smallest value that at least this share of all values does not exceed. */
export interface Quantiles {
  readonly p1: number;
  readonly p5: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p95: number;
  readonly p99: number;
}

export interface Distribution extends Histogram {
  /** Number of values. */
  readonly n: number;
  /** Exact; null where n is 0, as the four after it. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  readonly quantiles: Quantiles | null;
  /** Quantiles at 20, 40, 60 and 80 %. */
  readonly quintiles: readonly number[] | null;
}

/** How often a value was seen; `share` is of all rows that were counted, 0 to 1. */
export interface ValueCount {
  readonly value: string;
  readonly count: number;
  readonly share: number;
}

/** The most frequent values of a column, by count, then by value. */
export interface Tally {
  /** Rows that were counted. */
  readonly total: number;
  /** Number of different values; null where there were too many to count them all. */
  readonly distinct: number | null;
  readonly top: readonly ValueCount[];
}

/** What other thresholds would do: exact counts of all pairs that were scored, whatever became of them. */
export interface Sweep {
  /** The recipe's threshold; null where it has none. */
  readonly own: number | null;
  /** Pairs with a similarity: released, or dropped for it or after it. */
  readonly scored: number;
  /** Cosines in steps of 0.01 and the recipe's own, ascending; the arrays below have an entry for each. */
  readonly thresholds: readonly number[];
  /** Pairs whose similarity is at least the threshold. */
  readonly passed: readonly number[];
  /**
   * Of the released pairs, those that would stay. Null below the recipe's threshold: of pairs that it dropped safety
   * was never judged.
   */
  readonly released: readonly (number | null)[];
  /** The ten languages with most scored pairs. */
  readonly languages: readonly { readonly value: string; readonly passed: readonly number[] }[];
  readonly nsfw: readonly { readonly value: string; readonly released: readonly (number | null)[] }[];
}

/** A line of the size table of the LAION-400M announcement. */
export interface SizeCount {
  readonly title: string;
  /** Pixels. */
  readonly minSide: number;
  /** Whether both sides have to reach it, or one of them. */
  readonly sides: 'either' | 'both';
  readonly count: number;
  readonly share: number;
}

/** The content of release/stats.json: exact counts of one run. No dates, no durations, no paths of the machine. */
export interface Statistics {
  /** Of this layout: it changes when a field changes its meaning. */
  readonly version: 1;
  /** Version of gleaner that wrote it. */
  readonly gleaner: string;
  readonly recipe: Recipe;
  readonly recipeHash: string;
  readonly model: ModelInfo;
  /** Only of a subset: how it came to be, the oldest step first. */
  readonly subset?: readonly SubsetStep[];
  /** Pairs released. */
  readonly rows: number;
  /** Pairs that were released and taken down since: their SAMPLE_IDs are nobody's. */
  readonly removed: number;
  /** Parts that metadata, embeddings and images are divided into. */
  readonly parts: number;
  readonly ledgers: StepLedgers;
  readonly funnel: readonly FunnelRow[];
  readonly sizes: readonly SizeCount[];
  readonly distributions: {
    /** Cosine of image and text of the released pairs. Quantiles are of steps of 0.0001. */
    readonly similarity: Distribution;
    /** The same of the pairs that the threshold dropped. */
    readonly similarityDropped: Distribution;
    /** Pixels of the image as published. Quantiles are exact up to 65,535. */
    readonly width: Distribution;
    readonly height: Distribution;
    /** Width by height. Quantiles are of steps of 0.001. */
    readonly aspect: Distribution;
    /** Unicode characters. Quantiles are exact up to 65,535. */
    readonly textLength: Distribution;
  };
  readonly sweep: Sweep;
  readonly languages: Tally;
  readonly licenses: Tally;
  /** Hosts of the image URLs, with their port where it is not the usual one. */
  readonly hosts: Tally;
  readonly nsfw: Tally;
  readonly formats: Tally;
  /** Of the pairs dropped while fetching: reason, or reason and detail as `reason: detail`. */
  readonly fetchFailures: Tally;
}

/** What a report needs beside the files of the run. */
export interface ReportInput {
  /** Version of gleaner. */
  readonly gleaner: string;
  readonly recipe: Recipe;
  readonly model: ModelInfo;
  readonly subset?: readonly SubsetStep[];
  readonly ledgers: StepLedgers;
  /** Pairs that were kept and taken down since. @default 0 */
  readonly removed?: number;
}
