/** Progress of a training, as lines. */
import type { StepReport } from '../autodiff/trainer.ts';

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
