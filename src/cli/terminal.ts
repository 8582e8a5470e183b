import type { StageProgress } from '../pipeline/index.ts';

/** Progress of a stage of a run, or of a command of its own. */
type Progress = Omit<StageProgress, 'stage'> & { readonly stage: StageProgress['stage'] | 'index' };

/** What a stage counts, for the eyes. */
const UNITS: Readonly<Record<Progress['stage'], string>> = {
  extract: 'links',
  dedup: 'pairs',
  harvest: 'pairs',
  release: 'rows',
  trail: 'files',
  report: 'files',
  index: 'rows',
};

/** Without a terminal a line comes at most this often, in seconds of the stage. */
const LOG_EVERY_S = 10;
const BAR_WIDTH = 20;

/**
 * Shows progress on standard error: on a terminal a line a stage, drawn anew in its place; elsewhere plain lines at
 * the end of each stage and every ten seconds.
 */
export class ProgressView {
  readonly #out: NodeJS.WriteStream;
  #open = false;
  #logged = 0;

  constructor(out: NodeJS.WriteStream = process.stderr) {
    this.#out = out;
  }

  update(progress: Progress): void {
    if (this.#out.isTTY) this.#draw(progress);
    else this.#log(progress);
  }

  /** Ends a line that is being drawn, so that what is printed next stands on its own. */
  end(): void {
    if (this.#open) this.#out.write('\n');
    this.#open = false;
  }

  #draw(progress: Progress): void {
    const { share, finished } = progress;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `${'━'.repeat(filled)}${'╌'.repeat(BAR_WIDTH - filled)}`;
    this.#out.write(
      `\r\x1b[2K${progress.stage.padEnd(8)} ${bar} ${describe(progress)}${finished ? '\n' : ''}`,
    );
    this.#open = !finished;
  }

  #log(progress: Progress): void {
    const { seconds, finished } = progress;
    if (finished) this.#logged = 0;
    else if (seconds - this.#logged < LOG_EVERY_S) return;
    else this.#logged = seconds;
    this.#out.write(`${progress.stage.padEnd(8)} ${describe(progress)}\n`);
  }
}

function describe(progress: Progress): string {
  const { stage, done, seconds, share, finished, tasks, tasksDone } = progress;
  if (finished && done === 0 && tasksDone === tasks) return 'done';
  const unit = UNITS[stage];
  const rate = seconds > 0 ? done / seconds : 0;
  const parts = [`${formatCount(done)} ${unit}`];
  if (done > 0) parts.push(`${formatRate(rate)} ${unit}/s`);
  if (tasks > 1) parts.push(`task ${tasksDone}/${tasks}`);
  if (finished) parts.push(formatDuration(seconds));
  else if (share > 0.01)
    parts.push(`${Math.floor(share * 100)} %, ETA ${formatDuration((seconds / share) * (1 - share))}`);
  return parts.join('  ');
}

function formatRate(rate: number): string {
  return rate >= 100 ? formatCount(Math.round(rate)) : rate.toPrecision(2);
}

/** As 1,234,567. */
export function formatCount(n: number): string {
  return n.toLocaleString('en-US');
}

/** As 0.8 s, 12 s, 3:05 or 2:03:05. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** As 12.3 MB: powers of 1,000. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Shows the progress of one piece of work that is no run. `progress` takes what was done, and how much there is if known. */
export async function measured<T>(
  stage: Progress['stage'],
  work: (progress: (done: number, total?: number) => void) => Promise<T>,
): Promise<T> {
  const view = new ProgressView();
  const began = performance.now();
  let done = 0;
  const show = (finished: boolean, total = 0) => {
    const share = finished ? 1 : total > 0 ? Math.min(1, done / total) : 0;
    const seconds = (performance.now() - began) / 1000;
    view.update({ stage, tasks: 1, tasksDone: finished ? 1 : 0, done, share, seconds, finished });
  };
  try {
    const result = await work((n, total) => {
      done += n;
      show(false, total);
    });
    show(true);
    return result;
  } finally {
    view.end();
  }
}
