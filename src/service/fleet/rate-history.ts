import type { FleetStatus } from '../../executors/fleet/status/index.ts';
import type { RateSample } from './page-types.ts';

/** How long rates are kept, and between two of them, in milliseconds. */
const KEPT_MS = 3_600_000;
const EVERY_MS = 10_000;

/** How fast runs were over the last hour. */
export class RateHistory {
  readonly #runs = new Map<string, RateSample[]>();
  #last = 0;

  add({ at, runs }: FleetStatus): void {
    const now = Date.parse(at);
    // A look a little too early counts, so that none of the samples is missed.
    if (now - this.#last < EVERY_MS * 0.9) return;
    this.#last = now;
    for (const { id, stages } of runs) {
      const open = stages.find(({ done, tasks, perSecond }) => done < tasks && perSecond !== null);
      if (!open) continue;
      const samples = this.#runs.get(id) ?? [];
      samples.push({ at: now, stage: open.stage, perSecond: open.perSecond ?? 0 });
      this.#runs.set(id, samples);
    }
    for (const [id, samples] of this.#runs) {
      const kept = samples.filter((sample) => sample.at > now - KEPT_MS);
      if (kept.length > 0) this.#runs.set(id, kept);
      else this.#runs.delete(id);
    }
  }

  toJSON(): Readonly<Record<string, readonly RateSample[]>> {
    return Object.fromEntries(this.#runs);
  }
}
