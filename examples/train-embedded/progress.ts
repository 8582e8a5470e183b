/** Progress as lines: elapsed time, processor time, what is going on. */
import type { Progress } from './trainer.ts';

/** Steps between two lines. */
const EVERY = 100;

/** Processor seconds of this process. */
export function processSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

export class ProgressLines {
  readonly #start = performance.now();

  #earlierSeconds = 0;

  /** Counts what earlier processes spent on the same training. */
  add(cpuSeconds: number): void {
    this.#earlierSeconds += cpuSeconds;
  }

  /** Processor seconds of this training, all threads together. */
  cpuSeconds(): number {
    return this.#earlierSeconds + processSeconds();
  }

  say(text: string): void {
    const seconds = (performance.now() - this.#start) / 1000;
    console.log(`[${seconds.toFixed(0)} s, cpu ${this.cpuSeconds().toFixed(0)} s] ${text}`);
  }

  /** A listener that says step, mean losses since the last line, rate and remaining time. */
  ofSteps(title: string, steps: number): (progress: Progress) => void {
    const start = performance.now();
    let [contrastive, sigmoid, since] = [0, 0, 0];
    let before: number | undefined; // steps of earlier processes
    return (p) => {
      before ??= p.step - 1;
      contrastive += p.contrastive;
      sigmoid += p.sigmoid;
      since += 1;
      if (p.step % EVERY !== 0 && p.step !== steps) return;
      const perStep = (performance.now() - start) / 1000 / (p.step - before);
      const losses = `contrastive ${(contrastive / since).toFixed(3)} sigmoid ${(sigmoid / since).toFixed(3)}`;
      const eta = `${(1 / perStep).toFixed(1)} steps/s, ${Math.ceil(perStep * (steps - p.step))} s left`;
      this.say(`${title} ${p.step}/${steps}: ${losses}, rate ${p.rate.toExponential(1)}, ${eta}`);
      [contrastive, sigmoid, since] = [0, 0, 0];
    };
  }
}
