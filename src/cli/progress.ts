import type { StageProgress } from '../pipeline/index.ts';
import { formatCount } from '../stages/report/numbers.ts';
import { formatDuration } from './terminal.ts';

/** Where one step of some work is: a stage of a run, or anything else that takes a while. */
export interface StepProgress {
  readonly name: string;
  /** What is counted: 'pairs'. */
  readonly unit: string;
  readonly done: number;
  /** 0 to 1; 0 where it is not known. */
  readonly share: number;
  readonly finished: boolean;
  /** More to say, as 'task 3/8'. */
  readonly detail?: string;
}

const BAR_WIDTH = 20;
/** Without a terminal a line comes at most this often, in milliseconds, and at the end of each step. */
const LOG_EVERY_MS = 10_000;
/** On a terminal the line is drawn anew at most this often, in milliseconds. */
const DRAW_EVERY_MS = 50;
/** Before this much is done, the time left would be a guess. */
const FIRST_ESTIMATE = 0.02;

/** Shows one step after the other: on a terminal a line that is drawn anew in its place, elsewhere plain lines. */
export class ProgressLines {
  readonly #out: NodeJS.WriteStream;
  #name = '';
  #began = 0;
  #shown = 0;
  #open = false;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  update(progress: StepProgress): void {
    const now = performance.now();
    if (progress.name !== this.#name) {
      this.end();
      this.#name = progress.name;
      this.#began = now;
      this.#shown = this.#out.isTTY ? 0 : now;
    }
    const every = this.#out.isTTY ? DRAW_EVERY_MS : LOG_EVERY_MS;
    if (!progress.finished && now - this.#shown < every) return;
    this.#shown = now;
    this.#write(progress, (now - this.#began) / 1000);
  }

  /** Ends a line that is being drawn, so that what is printed next stands on its own. */
  end(): void {
    if (this.#open) this.#out.write('\n');
    this.#open = false;
  }

  #write(progress: StepProgress, seconds: number): void {
    const { name, share, finished } = progress;
    const [label, text] = [name.padEnd(8), describe(progress, seconds)];
    if (!this.#out.isTTY) {
      this.#out.write(`${label} ${String(Math.round(share * 100)).padStart(3)} %  ${text}\n`);
      return;
    }
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `${'━'.repeat(filled)}${'╌'.repeat(BAR_WIDTH - filled)}`;
    // A line that wraps could not be drawn anew in its place.
    const line = `${label} ${bar} ${text}`.slice(0, Math.max(20, (this.#out.columns || 80) - 1));
    this.#out.write(`\r\x1b[2K${line}${finished ? '\n' : ''}`);
    this.#open = !finished;
  }
}

function describe({ unit, done, share, finished, detail }: StepProgress, seconds: number): string {
  const parts = [`${formatCount(done).padStart(6)} ${unit}`];
  if (done > 0 && seconds > 0) parts.push(`${formatRate(done / seconds)} ${unit}/s`);
  if (detail) parts.push(detail);
  parts.push(formatDuration(seconds));
  if (!finished && share >= FIRST_ESTIMATE)
    parts.push(`ETA ${formatDuration((seconds / share) * (1 - share))}`);
  return parts.join('  ');
}

function formatRate(rate: number): string {
  return rate >= 100 ? formatCount(Math.round(rate)) : rate.toPrecision(2);
}

/** What the stages of a run count. */
const UNITS: Readonly<Record<StageProgress['stage'], string>> = {
  extract: 'links',
  dedup: 'pairs',
  fetch: 'pairs',
  harvest: 'pairs',
  near: 'rows',
  select: 'rows',
  release: 'rows',
  trail: 'files',
  report: 'files',
};

/** The progress of a run's stage as a step. */
export function stageStep(progress: StageProgress): StepProgress {
  const { stage, done, share, finished, tasks, tasksDone, doneBefore } = progress;
  const step = { name: stage, unit: UNITS[stage], done, share, finished };
  if (tasks > 0 && doneBefore === tasks) return { ...step, detail: 'done by an earlier start' };
  return tasks > 1 ? { ...step, detail: `task ${tasksDone}/${tasks}` } : step;
}

/**
 * Shows the progress of one step. `work` is handed a function that takes what was done since its last call, and how
 * much there is to do in all where that is known.
 */
export async function withProgress<T>(
  lines: ProgressLines,
  { name, unit }: Pick<StepProgress, 'name' | 'unit'>,
  work: (progress: (done: number, total?: number) => void) => Promise<T>,
): Promise<T> {
  let done = 0;
  const show = (share: number, finished: boolean) => lines.update({ name, unit, done, share, finished });
  try {
    const result = await work((n, total = 0) => {
      done += n;
      show(total > 0 ? Math.min(1, done / total) : 0, false);
    });
    show(1, true);
    return result;
  } finally {
    lines.end();
  }
}
