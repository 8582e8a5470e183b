import type { Statistics } from '../report/statistics.ts';
import { type Agreement, cohensKappa } from './agreement.ts';
import {
  type Amount,
  type CellAnswers,
  type Estimate,
  estimateAmount,
  estimateShare,
  shareWithin,
} from './estimate.ts';
import type { Estimated } from './interval.ts';
import { type Answers, type Judged, together } from './judgement.ts';
import { SAFE_CLASS, type SampleOptions, type Sampling } from './sample.ts';

/** How right pairs of one band are. */
export interface BandReport {
  readonly from: number;
  readonly to: number;
  /** Share whose text says what the picture shows. */
  readonly precision: Estimate;
}

/** What a threshold at the lower edge of a band would keep of the release. */
export interface ThresholdReport {
  readonly threshold: number;
  readonly kept: number;
  readonly keptShare: number;
  readonly precision: Estimate;
  /** Pairs kept whose text does not say what the picture shows. */
  readonly wrongKept: Amount;
  /** Pairs lost whose text does. */
  readonly rightLost: Amount;
  /** Of the release's right pairs, the share that is kept. */
  readonly recall: Estimated | null;
}

/** How a mark (a class or a tag) stands to what people say: "unsafe" is what they called not safe. */
export interface FlagReport {
  readonly flag: string;
  /** Share of the marked that are unsafe; the rest are false positives. */
  readonly precision: Estimate;
  /** Of the unsafe, the share that is marked; the rest are false negatives. */
  readonly recall: Estimated | null;
  /** Of the safe, the share that is marked all the same. */
  readonly falsePositiveRate: Estimated | null;
  /** Share of the unmarked that are unsafe. */
  readonly unsafeUnmarked: Estimate;
}

export interface ClassReport {
  readonly nsfw: string;
  readonly unsafe: Estimate;
  readonly unsafePairs: Amount;
}

/** DIR/review/report.json. Intervals are of 95 %. */
export interface ReviewReport {
  readonly version: 1;
  readonly release: {
    readonly recipe: string;
    readonly recipeHash: string;
    readonly model: string;
    readonly rows: number;
    /** The recipe's; null where it has none. */
    readonly threshold: number | null;
  };
  readonly sample: SampleOptions & { readonly pairs: number; readonly cells: number };
  readonly reviewers: readonly { readonly name: string; readonly judged: number }[];
  readonly agreement: readonly Agreement[];
  /** Pairs that at least one of them judged. */
  readonly judged: number;
  readonly precision: Estimate;
  readonly bands: readonly BandReport[];
  readonly thresholds: readonly ThresholdReport[];
  /** Pairs that the recipe's threshold dropped and a lower one would let through to the next step; their pictures are not there to judge. */
  readonly below: readonly { readonly threshold: number; readonly added: number }[];
  readonly classes: readonly ClassReport[];
  readonly flags: readonly FlagReport[];
}

/** Thresholds below the recipe's that are counted. */
const BELOW = 5;

/**
 * What judgements say of a release.
 *
 * @param judged of all reviewers who are to count; where several judged a pair, `together` says what counts
 */
export function reviewReport(stats: Statistics, sampling: Sampling, judged: Judged): ReviewReport {
  const reviewers = [...judged.keys()].sort();
  const answersOf = (uid: string) => reviewers.flatMap((name) => judged.get(name)?.get(uid) ?? []);
  const count = (question: keyof Answers): CellAnswers[] => {
    const cells = sampling.cells.map((cell) => ({ ...cell, yes: 0, no: 0, unsure: 0 }));
    for (const { uid, cell } of sampling.samples) {
      const answers = answersOf(uid).map((given) => given[question]);
      const counts = cells[cell];
      if (counts && answers.length > 0) counts[together(answers)]++;
    }
    return cells;
  };
  const [match, safe] = [count('match'), count('safe')];
  const threshold = stats.recipe.score.minSimilarity;
  return {
    version: 1,
    release: {
      recipe: stats.recipe.name,
      recipeHash: stats.recipeHash,
      model: stats.model.name,
      rows: stats.rows,
      threshold,
    },
    sample: { ...sampling.options, pairs: sampling.samples.length, cells: sampling.cells.length },
    reviewers: reviewers.map((name) => ({
      name,
      judged: sampling.samples.filter(({ uid }) => judged.get(name)?.has(uid)).length,
    })),
    agreement: agreements(sampling, judged, reviewers),
    judged: sampling.samples.filter(({ uid }) => answersOf(uid).length > 0).length,
    precision: estimateShare(match, 'yes'),
    bands: sampling.bands.map(({ from, to }, band) => ({
      from,
      to,
      precision: estimateShare(
        match.filter((cell) => cell.band === band),
        'yes',
      ),
    })),
    thresholds: sampling.bands.map(({ from }, band) => thresholdReport(match, band, from, stats.rows)),
    below: belowThreshold(stats, sampling, threshold),
    classes: classReports(safe),
    flags: flagReports(safe),
  };
}

function thresholdReport(
  cells: readonly CellAnswers[],
  band: number,
  threshold: number,
  rows: number,
): ThresholdReport {
  const above = cells.filter((cell) => cell.band >= band);
  const under = cells.filter((cell) => cell.band < band);
  const kept = above.reduce((n, { pairs }) => n + pairs, 0);
  return {
    threshold,
    kept,
    keptShare: rows === 0 ? 0 : kept / rows,
    precision: estimateShare(above, 'yes'),
    wrongKept: estimateAmount(above, 'no'),
    rightLost: under.length === 0 ? { value: 0, low: 0, high: 0 } : estimateAmount(under, 'yes'),
    recall: shareWithin(above, under, 'yes'),
  };
}

/** Steps below the lowest band, as wide as it, down to where nothing more was dropped. */
function belowThreshold(
  { distributions: { similarityDropped: dropped } }: Statistics,
  { bands, options }: Sampling,
  threshold: number | null,
): ReviewReport['below'] {
  const [lowest] = bands;
  if (threshold === null || !lowest || dropped.n === 0) return [];
  const width = Math.round((options.bandWidth ?? narrowest(bands)) * 100);
  const start = Math.round(lowest.from * 100);
  const found: { threshold: number; added: number }[] = [];
  for (let step = 1; step <= BELOW; step++) {
    const edge = (start - step * width) / 100;
    const added = dropped.counts.reduce(
      (n, count, i) => ((dropped.edges[i] ?? -1) >= edge ? n + count : n),
      0,
    );
    found.push({ threshold: edge, added });
    if (added === dropped.n) break;
  }
  return found;
}

function narrowest(bands: Sampling['bands']): number {
  return Math.min(...bands.map(({ from, to }) => to - from));
}

/** LAION-400M's classes first, from harmless to not. */
const CLASS_ORDER = [SAFE_CLASS, 'UNSURE', 'NSFW'];

function classReports(cells: readonly CellAnswers[]): ClassReport[] {
  const names = [...new Set([...CLASS_ORDER, ...cells.map(({ nsfw }) => nsfw)])];
  return names.map((nsfw) => {
    const own = cells.filter((cell) => cell.nsfw === nsfw);
    return { nsfw, unsafe: estimateShare(own, 'no'), unsafePairs: estimateAmount(own, 'no') };
  });
}

function flagReports(cells: readonly CellAnswers[]): FlagReport[] {
  const flag = (name: string, isMarked: (cell: CellAnswers) => boolean): FlagReport => {
    const marked = cells.filter(isMarked);
    const unmarked = cells.filter((cell) => !isMarked(cell));
    return {
      flag: name,
      precision: estimateShare(marked, 'no'),
      recall: shareWithin(marked, unmarked, 'no'),
      falsePositiveRate: shareWithin(marked, unmarked, 'yes'),
      unsafeUnmarked: estimateShare(unmarked, 'no'),
    };
  };
  const tags = [...new Set(cells.flatMap((cell) => cell.tags ?? []))].sort();
  return [
    flag('NSFW', ({ nsfw }) => nsfw === 'NSFW'),
    flag('NSFW or UNSURE', ({ nsfw }) => nsfw !== SAFE_CLASS),
    ...tags.map((tag) => flag(`tag ${tag}`, (cell) => cell.tags?.includes(tag) ?? false)),
  ];
}

function agreements(sampling: Sampling, judged: Judged, reviewers: readonly string[]): Agreement[] {
  return reviewers.flatMap((one, i) =>
    reviewers.slice(i + 1).flatMap((other) =>
      (['match', 'safe'] as const).flatMap((question): Agreement[] => {
        const answers = sampling.samples.flatMap(({ uid }) => {
          const pair = [one, other].map((name) => judged.get(name)?.get(uid)?.[question]);
          const [a, b] = pair;
          const isSaid = (answer: string | undefined) => answer === 'yes' || answer === 'no';
          return isSaid(a) && isSaid(b) ? [[a === 'yes', b === 'yes'] as const] : [];
        });
        if (answers.length === 0) return [];
        const alike = answers.filter(([a, b]) => a === b).length;
        const reviewersOf = [one, other] as const;
        return [
          { reviewers: reviewersOf, question, both: answers.length, alike, kappa: cohensKappa(answers) },
        ];
      }),
    ),
  );
}
