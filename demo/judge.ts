/** Compares a run with the plan, pair by pair. */
import type { PairEnd } from './ends.ts';
import type { Plan } from './plan.ts';

/** What the plan leaves to the encoder. */
const AFTER_SCORING: ReadonlySet<string> = new Set(['released', 'similarity', 'minor', 'animal']);

interface Mismatch {
  readonly url: string;
  readonly text: string;
  /** Every sight of the pair, sorted: reasons, 'scored', or 'missing' where the other side has one more. */
  readonly planned: readonly string[];
  readonly found: readonly string[];
}

/** How the threshold told right texts from wrong ones. Shares are NaN where there is nothing to share. */
interface ThresholdScore {
  readonly rightKept: number;
  readonly rightDropped: number;
  readonly wrongKept: number;
  readonly wrongDropped: number;
  /** Of what passed, the share that is right. */
  readonly precision: number;
  /** Of what is right, the share that passed. */
  readonly recall: number;
  /** Of what is wrong, the share that was dropped. */
  readonly specificity: number;
}

export interface Judgement {
  /** Links in the plan, and how many of them ended as planned. */
  readonly links: number;
  readonly asPlanned: number;
  readonly mismatches: readonly Mismatch[];
  readonly threshold: ThresholdScore;
}

/**
 * What the plan calls it. The host that stalls is left alone after a few that took too long: in a large web what is
 * then not asked for at all ends as planned too.
 */
function comparableEnd(end: string): string {
  if (AFTER_SCORING.has(end)) return 'scored';
  return end === 'host_down' ? 'timeout' : end;
}

const keyOf = (url: string, text: string): string => JSON.stringify([url, text]);

/**
 * Compares where pairs ended with where the plan has them end. A pair that was seen several times has as many ends.
 * A pair counts as kept by the threshold if it was released, or dropped by a safety tag after it had passed.
 *
 * @param noText - Links without a text that the run counted: it keeps no trail of them.
 */
export function judge(plan: Plan, ends: readonly PairEnd[], noText: number): Judgement {
  const links = plan.links.filter(({ end }) => end !== 'no_text');
  const planned = Map.groupBy(links, ({ url, text }) => keyOf(url, text));
  const found = Map.groupBy(ends, ({ url, text }) => keyOf(url, text));
  const mismatches: Mismatch[] = [];
  for (const key of new Set([...planned.keys(), ...found.keys()])) {
    const one = (planned.get(key) ?? []).map(({ end }) => end as string).sort();
    const other = (found.get(key) ?? []).map(({ end }) => end).sort();
    const comparable = other.map(comparableEnd).sort();
    if (one.join() === comparable.join()) continue;
    const [url, text] = JSON.parse(key) as [string, string];
    mismatches.push({ url, text, planned: one, found: other });
  }

  const counts = { rightKept: 0, rightDropped: 0, wrongKept: 0, wrongDropped: 0 };
  for (const link of links) {
    if (link.end !== 'scored') continue;
    const end = found.get(keyOf(link.url, link.text))?.find((pair) => AFTER_SCORING.has(pair.end))?.end;
    if (end === undefined) continue;
    counts[`${link.right ? 'right' : 'wrong'}${end === 'similarity' ? 'Dropped' : 'Kept'}`]++;
  }
  const { rightKept, rightDropped, wrongKept, wrongDropped } = counts;
  const withoutText = plan.links.length - links.length;
  if (noText !== withoutText)
    mismatches.push({ url: '', text: '', planned: [`${withoutText} no_text`], found: [`${noText} no_text`] });
  const missed = mismatches.reduce(
    (sum, { url, planned: ends }) => sum + (url === '' ? withoutText : ends.length),
    0,
  );
  return {
    links: plan.links.length,
    asPlanned: plan.links.length - missed,
    mismatches,
    threshold: {
      ...counts,
      precision: rightKept / (rightKept + wrongKept),
      recall: rightKept / (rightKept + rightDropped),
      specificity: wrongDropped / (wrongKept + wrongDropped),
    },
  };
}

/** The judgement in a few lines for a terminal. */
export function formatJudgement({ links, asPlanned, mismatches, threshold }: Judgement): string {
  const percent = (share: number): string => (Number.isNaN(share) ? '–' : `${(share * 100).toFixed(1)} %`);
  const { rightKept, rightDropped, wrongKept, wrongDropped, precision, recall, specificity } = threshold;
  const lines = [
    `Against the plan of the small web: ${asPlanned} of ${links} links ended as planned.`,
    'The threshold, on texts known to be right or wrong:',
    `  right texts kept     ${rightKept} of ${rightKept + rightDropped} (recall ${percent(recall)})`,
    `  wrong texts dropped  ${wrongDropped} of ${wrongKept + wrongDropped} (${percent(specificity)})`,
    `  right among kept     ${rightKept} of ${rightKept + wrongKept} (precision ${percent(precision)})`,
  ];
  for (const { url, text, planned, found } of mismatches.slice(0, SHOWN)) {
    const ends = `planned ${planned.join(', ') || 'nothing'}, found ${found.join(', ') || 'nothing'}`;
    lines.push(url === '' ? `  ${ends}` : `  ${url} ${JSON.stringify(text)}: ${ends}`);
  }
  if (mismatches.length > SHOWN) lines.push(`  and ${mismatches.length - SHOWN} more`);
  return `${lines.join('\n')}\n`;
}

/** Mismatches that are named. */
const SHOWN = 10;
