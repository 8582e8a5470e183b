import type { RunsDiff } from '../executors/diff.ts';
import { REASON_NAMES, REASONS } from '../schema/index.ts';
import type { SettingDiff, WhyCounts } from '../stages/diff/index.ts';
import { formatCount } from '../stages/report/numbers.ts';
import { printable } from './terminal.ts';

/** Every terminal has as many. */
const COLUMNS = 80;
const NAME_WIDTH = 34;
const COUNT_WIDTH = 15;

/**
 * What differs between two releases, for a terminal of 80 columns.
 * @param names how the two were named
 */
export function formatDiff(diff: RunsDiff, names: { readonly a: string; readonly b: string }): string {
  const { rows, came, went, changed } = diff;
  const columns = Object.entries(changed.columns);
  const sections: readonly (readonly string[])[] = [
    [
      `A ${cut(printable(names.a), COLUMNS - 2)}`,
      `B ${cut(printable(names.b), COLUMNS - 2)}`,
      '',
      heading('', 'A', 'B', 'B − A'),
      counts('pairs', rows.a, rows.b),
      single('came (in B alone)', came.pairs),
      single('went (in A alone)', went.pairs),
      single('changed', changed.pairs, `of ${formatCount(changed.of)} in both`),
    ],
    because('went: B has dropped them, or never met them', went.because),
    because('came: A had dropped them, or never met them', came.because),
    columns.length === 0
      ? []
      : [
          'changed, by column',
          ...columns.map(([name, n]) => `  ${single(name, n, by(name, changed)).slice(2)}`),
        ],
    settings('recipe', diff.recipe),
    settings('model', diff.model),
    [heading('funnel', 'A', 'B', 'B − A'), ...diff.funnel.map(({ title, a, b }) => counts(title, a, b))],
    quantiles(diff.similarity),
    listing(diff),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.map((line) => line.trimEnd()).join('\n')}\n`)
    .join('\n');
}

function heading(name: string, ...columns: readonly string[]): string {
  return name.padEnd(NAME_WIDTH) + columns.map((column) => column.padStart(COUNT_WIDTH)).join('');
}

function counts(name: string, a: number | null, b: number | null): string {
  const difference = a === null || b === null ? '' : signed(b - a);
  return heading(`  ${name}`, ...[a, b].map((n) => (n === null ? '-' : formatCount(n))), difference);
}

function single(name: string, n: number, remark = ''): string {
  return `${`  ${name}`.padEnd(NAME_WIDTH)}${formatCount(n).padStart(COUNT_WIDTH)}  ${remark}`;
}

function signed(n: number): string {
  return n > 0 ? `+${formatCount(n)}` : formatCount(n);
}

function by(name: string, { similarityBy }: RunsDiff['changed']): string {
  return name === 'similarity' ? `by at most ${similarityBy.toPrecision(2)}` : '';
}

function because(title: string, reasons: WhyCounts): string[] {
  const lines = REASON_NAMES.flatMap((name) => {
    const n = reasons[name];
    return n === undefined ? [] : [single(name, n, cut(REASONS[name].title, 29))];
  });
  if (reasons.not_met !== undefined) lines.push(single('not met', reasons.not_met, 'not among its links'));
  return lines.length > 0 ? [title, ...lines] : [];
}

function settings(title: string, differences: readonly SettingDiff[]): string[] {
  const said = (value: unknown) => (value === undefined ? 'not set' : printable(JSON.stringify(value)));
  return differences.length === 0
    ? []
    : [
        title,
        ...differences.flatMap(({ name, a, b }) => {
          const line = `  ${name}: ${said(a)} → ${said(b)}`;
          if (line.length <= COLUMNS) return [line];
          return [`  ${name}:`, cut(`    A ${said(a)}`, COLUMNS), cut(`    B ${said(b)}`, COLUMNS)];
        }),
      ];
}

function quantiles({ a, b }: RunsDiff['similarity']): string[] {
  const named = a ?? b;
  if (!named) return [];
  const names = ['p1', 'p5', 'p25', 'p50', 'p75', 'p95', 'p99'] as const;
  const line = (name: string, cells: readonly string[]) =>
    name.padEnd(COLUMNS - 9 * names.length) + cells.map((cell) => cell.padStart(9)).join('');
  return [
    line('similarity', names),
    ...(['A', 'B'] as const).map((name) => {
      const values = name === 'A' ? a : b;
      return line(
        `  ${name}`,
        names.map((quantile) => values?.[quantile].toFixed(4) ?? '-'),
      );
    }),
  ];
}

const MARKS = { came: '+', went: '−', changed: '~' } as const;

function listing({ pairs }: RunsDiff): string[] {
  return pairs.flatMap(({ what, uid, url, why, changes }) => {
    const said =
      what === 'changed'
        ? Object.entries(changes).map(([name, [a, b]]) => `${name} ${String(a)} → ${String(b)}`)
        : [why ? `${why.reason}${why.detail && ` (${why.detail})`}` : 'not met'];
    return [
      cut(`${MARKS[what]} ${uid} ${printable(url)}`, COLUMNS),
      cut(`    ${printable(said.join(', '))}`, COLUMNS),
    ];
  });
}

function cut(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text;
}
