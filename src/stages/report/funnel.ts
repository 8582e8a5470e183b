import {
  balances,
  type FunnelStep,
  GleanerError,
  REASON_NAMES,
  REASONS,
  type StepLedgers,
  stepsOf,
} from '../../schema/index.ts';

import { formatCount, formatShare, shareOf } from './numbers.ts';
import type { FunnelRow } from './statistics.ts';

const TITLES: Readonly<Record<FunnelStep, string>> = {
  record: 'page records',
  link: 'links with a text',
  pair: 'texts accepted',
  unique: 'unique pairs',
  fetched: 'images fetched',
  image: 'images accepted',
  matched: 'text and image match',
  safe: 'judged safe',
  distinct: 'no duplicates',
  selected: 'selected',
};

/** What the last step that a run has lets through. */
const KEPT = 'kept';

/**
 * The ledgers of a run as one funnel, every step checked: its own sum, and that what leaves one step enters the next.
 * @throws GleanerError DAMAGED where they do not add up
 */
export function buildFunnel(ledgers: StepLedgers): readonly FunnelRow[] {
  const links = ledgers.link.in;
  const steps = stepsOf(ledgers);
  return steps.map(([name, ledger], i) => {
    if (!balances(ledger))
      throw unbalanced(`step '${name}': ${ledger.in} in are not ${ledger.out} out and those dropped`);
    const [next, following] = steps[i + 1] ?? [];
    // Records hold links: the one place where the unit changes.
    if (following && name !== 'record' && following.in !== ledger.out)
      throw unbalanced(`${ledger.out} left step '${name}', ${following.in} entered '${next}'`);
    return {
      name,
      title: following ? TITLES[name] : KEPT,
      in: ledger.in,
      out: ledger.out,
      shareOfPrevious: shareOf(ledger.out, ledger.in),
      shareOfFirst: name === 'record' ? null : shareOf(ledger.out, links),
      dropped: REASON_NAMES.flatMap((reason) => {
        const count = ledger.dropped[reason] ?? 0;
        if (count === 0) return [];
        return [{ reason, title: REASONS[reason].title, count, share: shareOf(count, ledger.in) }];
      }),
    };
  });
}

function unbalanced(problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path: 'counts of the run', problem });
}

export interface FormatFunnelOptions {
  /** Escape sequences for colour. @default false */
  readonly color?: boolean;
}

/** Every terminal has as many. */
const COLUMNS = 80;
const TITLE_WIDTH = 24;
const SHARE_WIDTH = 9;
const BLOCKS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/**
 * The funnel for a terminal: for every step a bar, the count, the share kept of the step before and of all links,
 * and below it every reason with its count.
 */
export function formatFunnel(
  stats: { readonly funnel: readonly FunnelRow[] },
  options: FormatFunnelOptions = {},
): string {
  const { color = false } = options;
  const paint = (code: number, text: string) => (color && text ? `\x1b[${code}m${text}\x1b[0m` : text);
  const [records, link, ...later] = stats.funnel;
  if (!records || !link) return '';

  const countWidth = formatCount(link.in).length + 1;
  // A reason needs its title and its count: what the bar leaves has to hold the longest of them.
  const barWidth = Math.max(8, COLUMNS - TITLE_WIDTH - countWidth - 2 * SHARE_WIDTH - 2);
  const line = (title: string, n: number, previous: string, first: string) => {
    const bar = drawBar(shareOf(n, link.in), barWidth);
    const gap = ' '.repeat(barWidth - bar.length + 1);
    const count = formatCount(n).padStart(countWidth);
    return `${paint(1, title.padEnd(TITLE_WIDTH))}${paint(32, bar)}${gap}${count}${previous.padStart(SHARE_WIDTH)}${first.padStart(SHARE_WIDTH)}`;
  };
  const reasons = (row: FunnelRow) =>
    row.dropped.map(({ title, count, share }) => {
      const end = ` ${formatCount(count)}${formatShare(share).padStart(SHARE_WIDTH)}`;
      const width = TITLE_WIDTH + barWidth + 1 + countWidth + SHARE_WIDTH - end.length;
      const label = `  − ${title}`;
      const fitting = label.length > width ? `${label.slice(0, width - 1)}…` : label.padEnd(width);
      return paint(2, `${fitting}${end}`);
    });

  const head = `${' '.repeat(TITLE_WIDTH + barWidth + 1 + countWidth)}${'of step'.padStart(SHARE_WIDTH)}${'of links'.padStart(SHARE_WIDTH)}`;
  const stepLine = (row: FunnelRow) =>
    line(row.title, row.out, formatShare(row.shareOfPrevious), formatShare(row.shareOfFirst ?? 0));
  return [
    `${formatCount(records.in)} page records read, ${formatCount(records.in - records.out)} dropped`,
    ...reasons(records),
    paint(2, head),
    line('image links', link.in, '', formatShare(1)),
    ...[link, ...later].flatMap((row) => [...reasons(row), stepLine(row)]),
  ]
    .map((text) => `${text.trimEnd()}\n`)
    .join('');
}

/** A bar in eighths of a character. What is not nothing is at least one eighth. */
function drawBar(share: number, width: number): string {
  const eighths = share > 0 ? Math.max(1, Math.round(share * width * 8)) : 0;
  return '█'.repeat(Math.floor(eighths / 8)) + (BLOCKS[eighths % 8] ?? '');
}
