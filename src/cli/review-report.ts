import { formatCount } from '../stages/report/numbers.ts';
import type { Amount, Estimate, Estimated, ReviewReport } from '../stages/review/index.ts';

/** The figures of a review for a terminal of 80 columns; intervals are of 95 %. */
export function formatReview(report: ReviewReport): string {
  const { sample, judged, release, precision } = report;
  const head = [
    `${formatCount(judged)} of ${formatCount(sample.pairs)} pairs judged; the release has ${formatCount(release.rows)} (recipe ${release.recipe})`,
    precision.share === null
      ? 'Nothing is judged yet: start it without --report.'
      : `Text matches in ${percent(precision.share)} (95 %: ${limits(precision.interval)}) of the release${cannotTell(precision)}`,
  ];
  const bands = table(
    ['similarity', 'pairs', 'judged', 'matching', '95 %'],
    report.bands.map(({ from, to, precision: of }) => [
      `${from.toFixed(2)}-${to.toFixed(2)}`,
      formatCount(of.pairs),
      formatCount(of.judged),
      percent(of.share),
      limits(of.interval),
    ]),
  );
  const thresholds = table(
    ['threshold', 'kept', 'matching', '95 %', 'wrong kept', 'right lost'],
    report.thresholds.map(({ threshold, kept, precision: of, wrongKept, rightLost }) => [
      `${threshold.toFixed(2)}${threshold === release.threshold ? '*' : ''}`,
      formatCount(kept),
      percent(of.share),
      limits(of.interval),
      amount(wrongKept),
      amount(rightLost),
    ]),
  );
  const below = report.below.map(
    ({ threshold, added }) =>
      `${threshold.toFixed(2)} would let ${formatCount(added)} more through to the next step`,
  );
  const classes = table(
    ['class', 'pairs', 'judged', 'not safe', '95 %'],
    report.classes.map(({ nsfw, unsafe }) => [
      nsfw,
      formatCount(unsafe.pairs),
      formatCount(unsafe.judged),
      percent(unsafe.share),
      limits(unsafe.interval),
    ]),
  );
  const flags = table(
    ['mark', 'false positives', '95 %', 'unsafe missed', '95 %'],
    report.flags.map(({ flag, precision: of, recall }) => [
      flag,
      percent(of.share === null ? null : 1 - of.share),
      limits(of.interval && { low: 1 - of.interval.high, high: 1 - of.interval.low }),
      percent(recall && 1 - recall.value),
      limits(recall && { low: 1 - recall.high, high: 1 - recall.low }),
    ]),
  );
  const agreement = report.agreement.map(
    ({ reviewers, question, both, alike, kappa }) =>
      `${reviewers.join(' and ')} on '${question}': ${alike} of ${both} alike, kappa ${kappa === null ? 'not defined' : kappa.toFixed(2)}`,
  );
  const unseen = below.length > 0 ? ['Below the recipe (counts only, no pictures were kept):', ...below] : [];
  const sections = [head, bands, thresholds, unseen, classes, flags, agreement];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function cannotTell({ unsure }: Estimate): string {
  return unsure === 0 ? '' : `; of ${formatCount(unsure)} nobody could tell`;
}

function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? '' : `${(share * 100).toFixed(1)} %`;
}

function limits(interval: Pick<Estimated, 'low' | 'high'> | null): string {
  return interval ? `${(interval.low * 100).toFixed(1)}-${(interval.high * 100).toFixed(1)}` : '';
}

function amount(value: Amount): string {
  return value === null ? '' : formatCount(Math.round(value.value));
}

/** The first column to the left, the others to the right. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = head.map((name, c) => Math.max(name.length, ...rows.map((row) => row[c]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, c) => (c === 0 ? cell.padEnd(widths[c] ?? 0) : cell.padStart(widths[c] ?? 0)))
      .join('  ')
      .trimEnd();
  return [head, ...rows].map(line);
}
