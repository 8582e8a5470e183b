import {
  type Distribution,
  formatCost,
  formatCount,
  formatRate,
  formatShare,
  formatValue,
  type PricedCosts,
  type Statistics,
  type Sweep,
  type Tally,
} from '../stages/report/index.ts';
import { formatDuration, printable } from './terminal.ts';

/** Every terminal has as many. */
const COLUMNS = 80;
const NAME_WIDTH = 12;
const SPARKS = '▁▂▃▄▅▆▇█';
const SPARK_WIDTH = 16;

/** All that is known of a release, below its funnel, in 80 columns: sizes, distributions, frequent values. */
export function formatDetails(stats: Statistics): string {
  return [
    formatDistributions(stats),
    formatSizes(stats),
    formatTally('Languages', stats.languages, 10),
    formatTally('Licences', stats.licenses, 10),
    formatTally('Image hosts', stats.hosts, 10),
    formatTally('NSFW classes', stats.nsfw, 3),
    formatTally('Formats', stats.formats, 10),
    formatTally('Failed fetches', stats.fetchFailures, 10),
  ].join('\n');
}

function formatDistributions({ distributions: d }: Statistics): string {
  const head = ['min', '5 %', '25 %', 'median', '75 %', '95 %', 'max'];
  const line = (name: string, distribution: Distribution, show: (value: number) => string) => {
    const { min, max, quantiles: q } = distribution;
    if (!q || min === null || max === null) return `${name.padEnd(NAME_WIDTH)}  none\n`;
    const cells = [min, q.p5, q.p25, q.p50, q.p75, q.p95, max].map((value) => show(value).padStart(7));
    return `${name.padEnd(NAME_WIDTH)}${cells.join('')}  ${spark(distribution.counts)}\n`;
  };
  const cosine = (value: number) => value.toFixed(3);
  return [
    `${'Distributions'.padEnd(NAME_WIDTH)}${head
      .map((name) => name.padStart(7))
      .join('')
      .slice(1)}\n`,
    line('similarity', d.similarity, cosine),
    line('  dropped', d.similarityDropped, cosine),
    line('width, px', d.width, formatCount),
    line('height, px', d.height, formatCount),
    line('aspect', d.aspect, (value) => formatValue(Number(value.toPrecision(3)))),
    line('text, chars', d.textLength, formatCount),
  ].join('');
}

/** Counts as a row of bars, neighbours together where there are more than fit. */
function spark(counts: readonly number[]): string {
  const perCell = Math.ceil(counts.length / SPARK_WIDTH);
  const cells: number[] = [];
  for (let i = 0; i < counts.length; i += perCell)
    cells.push(counts.slice(i, i + perCell).reduce((sum, n) => sum + n, 0));
  const most = Math.max(...cells);
  // What is not nothing shows.
  return cells.map((n) => (n === 0 ? ' ' : SPARKS[Math.round((n / most) * (SPARKS.length - 1))])).join('');
}

function formatSizes(stats: Statistics): string {
  const lines = stats.sizes.map(({ title, count, share }) => valueLine(title, count, share));
  return `Sizes in pixels\n${lines.join('')}`;
}

function formatTally(title: string, tally: Tally, limit: number): string {
  const shown = tally.top.slice(0, limit);
  const rest = tally.total - shown.reduce((sum, { count }) => sum + count, 0);
  const of =
    tally.distinct !== null && tally.distinct > shown.length
      ? `, the first ${shown.length} of ${formatCount(tally.distinct)}`
      : '';
  const lines = shown.map(({ value, count, share }) => valueLine(value, count, share));
  if (rest > 0) lines.push(valueLine('all others', rest, rest / tally.total));
  return `${title}${of}\n${lines.join('') || '  none\n'}`;
}

function valueLine(value: string, count: number, share: number): string {
  const end = `${formatCount(count).padStart(16)}${formatShare(share).padStart(10)}`;
  const width = COLUMNS - end.length - 2;
  const name = printable(value);
  return `  ${name.length > width ? `${name.slice(0, width - 1)}…` : name.padEnd(width)}${end}\n`;
}

/** What each threshold would leave, a line each. */
export function formatSweep(sweep: Sweep): string {
  if (sweep.scored === 0) return 'No pair was scored: there is no threshold to compare.\n';
  const width = 24;
  const lines = sweep.thresholds.map((threshold, i) => {
    const passed = sweep.passed[i] ?? 0;
    const released = sweep.released[i] ?? null;
    const share = passed / sweep.scored;
    const bar = '█'.repeat(Math.round(share * width)) || (passed > 0 ? '▏' : '');
    const own = threshold === sweep.own;
    const name = `${own ? '▶ ' : '  '}${threshold.toFixed(own ? Math.max(2, decimals(threshold)) : 2)}`;
    const left = released === null ? 'not judged' : formatCount(released);
    return `${name.padEnd(10)}${formatCount(passed).padStart(14)}${formatShare(share).padStart(10)}${left.padStart(16)}  ${bar}`
      .trimEnd()
      .concat('\n');
  });
  const head = `${'threshold'.padEnd(10)}${'pairs at it'.padStart(14)}${'of scored'.padStart(10)}${'released ones'.padStart(16)}\n`;
  const note =
    sweep.own === null
      ? 'The recipe has no threshold.\n'
      : `▶ is the recipe's own. Of pairs below it safety was never judged: how many of\nthem would be released is not known, only that it is no more than pass.\n`;
  return `${formatCount(sweep.scored)} pairs were scored.\n\n${head}${lines.join('')}\n${note}`;
}

function decimals(value: number): number {
  return String(value).split('.')[1]?.length ?? 0;
}

/** Time and cost by stage, of the machine that ran it. */
export function formatCosts(costs: PricedCosts): string {
  const { pricePerCpuHour: price, all } = costs;
  const line = (cells: readonly string[]) => {
    const [name = '', ...rest] = cells;
    const widths = [6, 19, 11, 13, 13, 8];
    return `${name.padEnd(8)}${rest.map((cell, i) => cell.padStart(widths[i] ?? 8)).join('')}`.trimEnd();
  };
  const cells = (cost: {
    readonly cpuSeconds: number | null;
    readonly perCpuSecond: number | null;
    readonly cost: number | null;
  }) => [
    cost.cpuSeconds === null ? 'not known' : formatDuration(cost.cpuSeconds),
    cost.perCpuSecond === null ? '' : formatRate(cost.perCpuSecond),
    ...(price === null ? [] : [cost.cost === null ? '' : formatCost(cost.cost)]),
  ];
  const rows = [
    line([
      'stage',
      'tasks',
      'worked on',
      'task time',
      'CPU time',
      'a CPU-second',
      ...(price === null ? [] : ['cost']),
    ]),
    ...costs.stages.map((stage) =>
      line([
        stage.stage,
        formatCount(stage.tasks),
        `${formatCount(stage.things)} ${stage.unit}`,
        formatDuration(stage.taskSeconds),
        ...cells(stage),
      ]),
    ),
    line([
      'all',
      formatCount(all.tasks),
      `${formatCount(all.rows)} released`,
      formatDuration(all.taskSeconds),
      ...cells(all),
    ]),
  ];
  const hours = all.cpuSeconds === null ? '' : `In all ${(all.cpuSeconds / 3600).toPrecision(3)} CPU-hours`;
  const million =
    all.costPerMillion === null ? '' : `; ${formatCost(all.costPerMillion)} a million released pairs`;
  const notes = [
    'Task time adds up tasks that ran side by side. CPU time is of the processes that',
    'ran them; of those that were killed it is not known.',
    ...(hours ? [price === null ? `${hours}.` : `${hours} at ${price}${million}.`] : []),
    ...(hours ? [] : ['Some of it was run by an earlier version, which did not write CPU time down.']),
  ];
  return `Time${price === null ? '' : ' and cost'} by stage, on the machine that ran it\n${[...rows, '', ...notes].join('\n')}\n`;
}
