import type {
  FleetStatus,
  ProblemGroup,
  RunStatus,
  StageStatus,
  WorkerStatus,
} from '../executors/fleet/status/index.ts';
import { formatCost, formatCount, formatRate, formatShare } from '../stages/report/numbers.ts';
import { formatBytes, formatDuration, printable } from './terminal.ts';

/** Every terminal has 80; the last one stays free, since some wrap there. */
const COLUMNS = 79;
const BAR_WIDTH = 14;
/** Reasons and problems that are told, the most frequent first. */
const MAX_REASONS = 4;
const MAX_PROBLEMS = 3;
const MAX_PROBLEM_LINES = 3;
const MAX_WORKERS = 12;

/**
 * A fleet in lines of 79 columns.
 * @param whole whether a run that has ended is told whole, not in a line. @default none is
 */
export function formatFleet(
  status: FleetStatus,
  { whole = () => false }: { readonly whole?: (run: RunStatus) => boolean } = {},
): string[] {
  const { runs, warnings } = status;
  if (runs.length === 0) return ["No run was submitted to this fleet yet. Begin one with 'gleaner submit'."];
  const isWhole = (run: RunStatus) => whole(run) || !['done', 'cancelled'].includes(run.condition);
  const ended = runs.filter((run) => !isWhole(run)).map(headOf);
  const parts = [
    ...runs.filter(isWhole).map(formatRun),
    ...(ended.length > 0 ? [ended] : []),
    formatWorkers(status),
    ...(warnings.length > 0
      ? [warnings.flatMap((warning) => wrap('! ', '  ', printable(warning).split(' ')))]
      : []),
  ];
  return parts.flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]));
}

/** As 'crawl (running)' with its time at the right. */
function headOf(run: RunStatus): string {
  const { condition, seconds, etaSeconds, allPlanned, finishedAt } = run;
  const parts: string[] = [CONDITIONS[condition]];
  if (condition === 'done' && finishedAt !== null) parts.push(finishedAt.slice(0, 16).replace('T', ' '));
  if (condition !== 'cancelled') parts.push(formatDuration(seconds));
  if (etaSeconds !== null) parts.push(`ETA ${allPlanned ? '' : 'at least '}${formatDuration(etaSeconds)}`);
  const end = parts.join('  ');
  return `${toWidth(printable(run.name), COLUMNS - end.length - 2)}  ${end}`;
}

const CONDITIONS: Readonly<Record<RunStatus['condition'], string>> = {
  going: 'running',
  planning: 'planning what comes next',
  stuck: 'cannot go on',
  done: 'done',
  cancelled: 'cancelled',
};

function formatRun(run: RunStatus): string[] {
  const { stages, condition, allPlanned, dropped, dead, retrying, location } = run;
  const last = stages.at(-1);
  const later =
    !allPlanned && last && condition === 'going'
      ? [`  what comes after ${last.stage} is planned when it is done`]
      : [];
  return [
    headOf(run),
    ...(location === null ? [] : [`  ${toWidth(printable(location), COLUMNS - 2).trimEnd()}`]),
    ...stages.flatMap(formatStage),
    ...later,
    ...formatDropped(dropped),
    ...formatProblems('failed too often', dead),
    ...formatProblems('tried again', retrying),
    ...formatRunCost(run),
  ];
}

/** As '  harvest  ━━━━━╌╌╌╌╌╌╌╌╌  120/312  1,234,567 pairs  37.2 % kept', and below it what goes on. */
function formatStage(stage: StageStatus): string[] {
  const { stage: name, unit, tasks, done, share } = stage;
  const filled = share < 1 ? Math.min(BAR_WIDTH - 1, Math.floor(share * BAR_WIDTH)) : BAR_WIDTH;
  const bar = `${'━'.repeat(filled)}${'╌'.repeat(BAR_WIDTH - filled)}`;
  const counts = stage.in === null ? '' : `${formatCount(stage.in)} ${unit}`;
  const kept =
    stage.in === null || stage.out === null || stage.in === 0
      ? ''
      : `${formatShare(stage.out / stage.in)} kept`;
  const line = `  ${toWidth(name, 8)} ${bar}${`${formatCount(done)}/${formatCount(tasks)}`.padStart(20)}${counts.padStart(21)}${kept.padStart(13)}`;
  const going = goingOf(stage);
  return going.length === 0
    ? [line.trimEnd()]
    : [line.trimEnd(), ...wrap('           ', '           ', going, ', ')];
}

/** What goes on in a stage that is not done. */
function goingOf({
  unit,
  perSecond,
  etaSeconds,
  active,
  queued,
  blocked,
  waiting,
  dead,
  done,
  tasks,
}: StageStatus): string[] {
  if (done === tasks) return [];
  return [
    ...(perSecond === null ? [] : [`${formatRate(perSecond)} ${unit}/s`]),
    ...(etaSeconds === null ? [] : [`ETA ${formatDuration(etaSeconds)}`]),
    ...(active > 0 ? [`${formatCount(active)} under way`] : []),
    ...(queued > 0 ? [`${formatCount(queued)} free`] : []),
    ...(blocked > 0 ? [`${formatCount(blocked)} not fetched yet`] : []),
    ...(waiting > 0 ? [`${formatCount(waiting)} to be tried again`] : []),
    ...(dead > 0 ? [`${formatCount(dead)} failed too often`] : []),
  ];
}

function formatDropped(dropped: RunStatus['dropped']): string[] {
  if (dropped.length === 0) return [];
  const rest = dropped.slice(MAX_REASONS);
  const items = dropped
    .slice(0, MAX_REASONS)
    .map(({ title, count }) => `${printable(title)} ${formatCount(count)}`);
  const others = rest.reduce((sum, { count }) => sum + count, 0);
  if (rest.length > 0) items.push(`${rest.length} more reasons ${formatCount(others)}`);
  return wrap('  dropped  ', '           ', items, '; ');
}

function formatProblems(what: string, groups: readonly ProblemGroup[]): string[] {
  const lines = groups.slice(0, MAX_PROBLEMS).flatMap(({ problem, tasks, example }) => {
    const where = tasks === 1 ? example : `${formatCount(tasks)} tasks, as ${example}`;
    const words = `${what}: ${where}: ${printable(problem ?? '')}`.split(' ');
    return wrap('  ', '    ', words).slice(0, MAX_PROBLEM_LINES);
  });
  const rest = groups.slice(MAX_PROBLEMS).reduce((sum, { tasks }) => sum + tasks, 0);
  return rest > 0 ? [...lines, `  ${what}: ${formatCount(rest)} more, for other reasons`] : lines;
}

/** What is not in it stands in the help and in docs/fleet.md. */
function formatRunCost({ cost, allPlanned, condition }: RunStatus): string[] {
  const hours = (n: number) => `${formatRate(Number(n.toPrecision(3)))} CPU-hours`;
  const gpu = cost.gpuHours > 0 ? ` and ${formatRate(Number(cost.gpuHours.toPrecision(3)))} GPU-hours` : '';
  const parts = [
    `${hours(cost.cpuHours)}${gpu} so far${cost.soFar === null ? '' : `, ${formatCost(cost.soFar)}`}`,
  ];
  if (cost.cpuHoursLeft !== null && cost.cpuHoursLeft > 0 && condition !== 'cancelled')
    parts.push(
      `${allPlanned ? '' : 'at least '}${hours(cost.cpuHoursLeft)} to go${cost.left === null ? '' : `, ${formatCost(cost.left)}`}`,
    );
  return wrap('  cost     ', '           ', parts.join('; ').split(' '));
}

function formatWorkers({ workers, workerCounts }: FleetStatus): string[] {
  const counts = Object.entries(workerCounts).filter(([, n]) => n > 0);
  const all = counts.reduce((sum, [, n]) => sum + n, 0);
  if (all === 0) return ['workers: none'];
  const head = `workers: ${counts.map(([state, n]) => `${formatCount(n)} ${state}`).join(', ')}`;
  const shown = workers.slice(0, MAX_WORKERS).map(formatWorker);
  return [head, ...shown, ...(all > shown.length ? [`  and ${formatCount(all - shown.length)} more`] : [])];
}

function formatWorker(worker: WorkerStatus): string {
  const { name, host, state, busy, slots, memoryBytes, memoryLimitBytes, doing, seenSecondsAgo } = worker;
  const work = Object.entries(doing).map(
    ([stage, rate]) => `${printable(stage)} ${formatRate(Number(rate.toPrecision(3)))}/s`,
  );
  const end =
    state === 'lost'
      ? `silent for ${formatDuration(seenSecondsAgo)}`
      : [...work, ...(worker.gpu ? ['GPU'] : []), ...(worker.kind === 'volunteer' ? ['volunteer'] : [])].join(
          ' ',
        );
  const memory = memoryOf(memoryBytes, memoryLimitBytes);
  return toWidth(
    `  ${toWidth(printable(name), 16)} ${toWidth(printable(host ?? ''), 12)} ${state.padEnd(8)} ${`${busy}/${slots}`.padStart(5)} ${memory.padStart(13)}  ${end}`,
    COLUMNS,
  ).trimEnd();
}

/** As '2.0/8.0 GB'. */
function memoryOf(bytes: number, limit: number): string {
  const [used, most] = [formatBytes(bytes), formatBytes(limit)];
  if (limit === 0) return used;
  const isOneUnit = used.split(' ')[1] === most.split(' ')[1];
  return `${isOneUnit ? used.split(' ')[0] : used}/${most}`;
}

/** Cut or filled to so many characters. */
function toWidth(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text.padEnd(width);
}

/** Items in lines of 79 columns, none of them broken where it fits a line. */
function wrap(first: string, next: string, items: readonly string[], separator = ' '): string[] {
  const lines: string[] = [];
  let line = first;
  for (const [i, item] of items.entries()) {
    const piece = i === items.length - 1 ? item : `${item}${separator.trimEnd()}`;
    const isFirst = line === first || line === next;
    const longer = isFirst ? `${line}${piece}` : `${line} ${piece}`;
    if (!isFirst && longer.length > COLUMNS) {
      lines.push(line);
      line = `${next}${piece}`;
    } else line = longer;
  }
  return [...lines, line].map((text) => toWidth(text, COLUMNS).trimEnd());
}
