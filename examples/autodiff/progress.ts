/** What a training says while it runs, and how it is stopped. */
import type { StepReport } from './trainer.ts';

/** Seconds between two lines. */
const EVERY = 10;

/** Says loss, rate and remaining time every few seconds, and at the end. @param from steps that were done before */
export function stepLines(
  title: string,
  from: number,
  steps: number,
  batch: number,
  say: (line: string) => void,
): (report: StepReport, more: string) => void {
  const began = performance.now();
  let [last, sum, count] = [-Infinity, 0, 0]; // the first step is said at once
  return ({ step, loss }, more) => {
    sum += loss;
    count += 1;
    const now = performance.now();
    if (now - last < 1000 * EVERY && step < steps) return;
    const aSecond = (1000 * (step - from)) / (now - began);
    const left = Math.ceil((steps - step) / aSecond);
    const rate = `${(batch * aSecond).toFixed(0)} pictures/s, ${left} s left`;
    say(`${title} ${step}/${steps}: loss ${(sum / count).toFixed(3)}, ${more}, ${rate}`);
    [last, sum, count] = [now, 0, 0];
  };
}

/** A line with the seconds since the process began and the processor's seconds, all threads together. */
export function sayWithTime(line: string): void {
  const { user, system } = process.cpuUsage();
  const [wall, cpu] = [performance.now() / 1000, (user + system) / 1e6];
  console.log(`[${wall.toFixed(0)} s, cpu ${cpu.toFixed(0)} s] ${line}`);
}

/** Whether Ctrl-C was pressed; pressed again, it ends the process at once. */
export function watchForStop(): { asked(): boolean } & Disposable {
  let first: number | undefined;
  const press = () => {
    const now = performance.now();
    // npm hands the terminal's signal on, so that one press may come twice.
    if (first !== undefined && now - first > 1000) process.exit(130);
    first ??= now;
  };
  process.on('SIGINT', press);
  return { asked: () => first !== undefined, [Symbol.dispose]: () => void process.off('SIGINT', press) };
}

/** Keeps a training that was stopped, and says how to go on. */
export function keepStopped(
  trainer: { readonly step: number; save(): void },
  say: (line: string) => void,
): void {
  trainer.save();
  say(`stopped at step ${trainer.step}; the same command goes on from there`);
  process.exitCode = 130;
}
