import { type Ledger, REASON_NAMES, REASONS } from '../schema/index.ts';
import { formatCount } from '../stages/report/numbers.ts';

const TITLES: Readonly<Record<string, readonly [string, string]>> = {
  record: ['page records', 'records read'],
  link: ['image links', 'links with a text'],
  pair: ['links with a text', 'pairs'],
  unique: ['pairs', 'unique pairs'],
  download: ['URLs', 'images'],
};

/** Counts of single steps, a line each and a line for every reason. */
export function formatLedgers(ledgers: Readonly<Record<string, Ledger>>): string {
  const lines: string[] = [];
  for (const [step, ledger] of Object.entries(ledgers)) {
    const [before, after] = TITLES[step] ?? ['in', 'out'];
    lines.push(`${formatCount(ledger.in).padStart(12)} ${before} → ${formatCount(ledger.out)} ${after}`);
    for (const reason of REASON_NAMES) {
      const n = ledger.dropped[reason];
      if (n) lines.push(`${formatCount(-n).padStart(16)} ${REASONS[reason].title}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
