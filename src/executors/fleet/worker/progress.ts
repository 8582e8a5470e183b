import type { StageName } from '../../../pipeline/index.ts';
import type { Doing } from './worker-row.ts';

interface Count {
  tasks: number;
  done: number;
  /** At the last reading. */
  read: number;
  perSecond: number;
}

/** What a worker does now, by stage, and how fast it has been of late. */
export class Progress {
  readonly #stages = new Map<StageName, Count>();
  #readAtMs = performance.now();

  /** @param by 1 for a task that begins, -1 for one that ends */
  task(stage: StageName, by: 1 | -1): void {
    this.#of(stage).tasks += by;
  }

  done(stage: StageName, things: number): void {
    this.#of(stage).done += things;
  }

  /** To be read every few seconds: the rates are means since the last time. Stages without a task are left out. */
  read(): Readonly<Record<string, Doing>> {
    const nowMs = performance.now();
    const seconds = Math.max(0.001, (nowMs - this.#readAtMs) / 1000);
    this.#readAtMs = nowMs;
    const doing: Record<string, Doing> = {};
    for (const [stage, count] of this.#stages) {
      count.perSecond = (count.done - count.read) / seconds;
      count.read = count.done;
      if (count.tasks > 0 || count.perSecond > 0)
        doing[stage] = {
          tasks: count.tasks,
          done: count.done,
          per_second: Math.round(count.perSecond * 10) / 10,
        };
    }
    return doing;
  }

  #of(stage: StageName): Count {
    const known = this.#stages.get(stage);
    if (known) return known;
    const count = { tasks: 0, done: 0, read: 0, perSecond: 0 };
    this.#stages.set(stage, count);
    return count;
  }
}
