import { FUNNEL_STEPS, GleanerError, isReason, REASONS, type Reason } from '../../schema/index.ts';
import type { ColumnGroup } from './column-groups.ts';
import { DistributionCounter, SIMILARITY_SCALE } from './distribution.ts';
import { clampCosine } from './numbers.ts';
import type { SweepCounter } from './sweep.ts';
import { ValueCounter } from './tally.ts';

/** All that is counted of the dropped pairs, a row group at a time. */
export class TrailCounts {
  /** Cosines of what the threshold dropped. */
  readonly similarity = new DistributionCounter(SIMILARITY_SCALE);
  /** Of the pairs dropped while fetching: reason, or `reason: detail`. */
  readonly failures = new ValueCounter();
  readonly reasons = new Map<Reason, number>();
  readonly #sweep: SweepCounter;

  constructor(sweep: SweepCounter) {
    this.#sweep = sweep;
  }

  /** @throws GleanerError DAMAGED, also at a reason that is none */
  async add(group: ColumnGroup): Promise<void> {
    const reasons = await reasonsOf(group);
    for (const { reason, rows } of reasons.counts())
      this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + rows);
    await eachFailure(group, reasons, (failure, times) => this.failures.add(failure, times));
    if (!reasons.some(isScored)) return;
    const similarity = await group.numbers('similarity');
    const languages = await group.strings('language');
    const { values, codes } = languages.codes();
    languages.done();
    for (let row = 0; row < group.rows; row++) {
      const cosine = similarity[row] ?? Number.NaN;
      if (Number.isNaN(cosine)) continue;
      if (reasons.at(row) === 'similarity') this.similarity.add(clampCosine(cosine));
      this.#sweep.add(clampCosine(cosine), values[codes[row] ?? 0] ?? '');
    }
  }

  async recount(group: ColumnGroup): Promise<void> {
    await eachFailure(group, await reasonsOf(group), (failure, times) =>
      this.failures.recount(failure, times),
    );
  }
}

/** Reasons of a row group. */
interface Reasons {
  at(row: number): Reason | undefined;
  some(test: (reason: Reason) => boolean): boolean;
  counts(): readonly { readonly reason: Reason; readonly rows: number }[];
}

async function reasonsOf(group: ColumnGroup): Promise<Reasons> {
  const column = await group.strings('reason');
  const { values, codes } = column.codes();
  column.done();
  const reasons = values.map((value) => {
    if (isReason(value)) return value;
    throw new GleanerError('DAMAGED', {
      path: 'release/dropped',
      problem: `has an unknown reason '${value}'`,
    });
  });
  return {
    at: (row) => reasons[codes[row] ?? 0],
    some: (test) => reasons.some(test),
    counts() {
      const rows = new Float64Array(reasons.length);
      for (const code of codes) rows[code] = (rows[code] ?? 0) + 1;
      return reasons.map((reason, i) => ({ reason, rows: rows[i] ?? 0 }));
    },
  };
}

/** Calls with every failed fetch of a row group, equal ones together. */
async function eachFailure(
  group: ColumnGroup,
  reasons: Reasons,
  count: (failure: string, times: number) => void,
): Promise<void> {
  if (!reasons.some(isFetchFailure)) return;
  const column = await group.strings('detail');
  const { values, codes } = column.codes();
  column.done();
  const failures = new Map<string, number>();
  for (let row = 0; row < group.rows; row++) {
    const reason = reasons.at(row);
    if (!reason || !isFetchFailure(reason)) continue;
    const detail = values[codes[row] ?? 0] ?? '';
    const failure = detail === '' ? reason : `${reason}: ${detail}`;
    failures.set(failure, (failures.get(failure) ?? 0) + 1);
  }
  for (const [failure, times] of failures) count(failure, times);
}

function isFetchFailure(reason: Reason): boolean {
  return REASONS[reason].step === 'fetched';
}

/** Whether pairs that were dropped for it may have been scored. */
function isScored(reason: Reason): boolean {
  return FUNNEL_STEPS.indexOf(REASONS[reason].step) >= FUNNEL_STEPS.indexOf('matched');
}
