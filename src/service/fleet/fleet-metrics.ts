import { Counter, Gauge, Registry } from 'prom-client';
import type { FleetStatus } from '../../executors/fleet/status/index.ts';

const TASK_STATES = ['queued', 'blocked', 'active', 'waiting', 'dead'] as const;

/**
 * What GET /metrics of the fleet's page tells. Counters are of the whole fleet, by what the database has counted since the
 * page's service began; those of workers have other names, so that nothing is summed twice.
 */
export class FleetMetrics {
  readonly registry = new Registry();
  readonly #tasks = this.#gauge('gleaner_queue_tasks', 'Tasks of runs under way, by stage and state', [
    'stage',
    'state',
  ]);
  readonly #workers = this.#gauge('gleaner_workers', 'Workers by state; lost: silent for a minute', [
    'state',
  ]);
  readonly #runs = this.#gauge('gleaner_runs', 'Runs by condition', ['condition']);
  readonly #rate = this.#gauge('gleaner_fleet_pairs_per_second', 'Pairs (links, rows) a second, by stage', [
    'stage',
  ]);
  readonly #doneTasks = this.#counter('gleaner_fleet_tasks_total', 'Tasks that were done, by stage', [
    'stage',
  ]);
  readonly #pairs = this.#counter(
    'gleaner_fleet_pairs_total',
    'Pairs (links, rows) that came into a stage and went on from it',
    ['stage', 'result'],
  );
  readonly #cpu = this.#counter('gleaner_fleet_cpu_seconds_total', 'CPU time of tasks that were done', [
    'stage',
  ]);
  /** What was counted at the last look, by run and stage. */
  #before: ReadonlyMap<string, StageCounts> | undefined;

  take({ runs, workerCounts }: FleetStatus): void {
    for (const gauge of [this.#tasks, this.#runs, this.#rate]) gauge.reset();
    for (const [state, n] of Object.entries(workerCounts)) this.#workers.set({ state }, n);
    const now = new Map<string, StageCounts>();
    for (const { id, condition, stages } of runs) {
      this.#runs.inc({ condition });
      for (const stage of stages) {
        const counts = countsOf(stage);
        now.set(`${id} ${stage.stage}`, counts);
        this.#count(stage.stage, counts, this.#before?.get(`${id} ${stage.stage}`));
        if (condition === 'done' || condition === 'cancelled') continue;
        for (const state of TASK_STATES) this.#tasks.inc({ stage: stage.stage, state }, stage[state]);
        this.#rate.inc({ stage: stage.stage }, stage.perSecond ?? 0);
      }
    }
    this.#before = now;
  }

  /** Adds what is new. What was done before the service began belongs to nobody's rate. */
  #count(stage: string, now: StageCounts, before: StageCounts | undefined): void {
    const since = this.#before ? (before ?? NO_COUNTS) : now;
    const grown = (of: keyof StageCounts) => Math.max(0, now[of] - since[of]);
    this.#doneTasks.inc({ stage }, grown('tasks'));
    this.#pairs.inc({ stage, result: 'in' }, grown('in'));
    this.#pairs.inc({ stage, result: 'out' }, grown('out'));
    this.#cpu.inc({ stage }, grown('cpuSeconds'));
  }

  #gauge<L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  #counter<L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }
}

interface StageCounts {
  readonly tasks: number;
  readonly in: number;
  readonly out: number;
  readonly cpuSeconds: number;
}
const NO_COUNTS: StageCounts = { tasks: 0, in: 0, out: 0, cpuSeconds: 0 };

function countsOf(stage: FleetStatus['runs'][number]['stages'][number]): StageCounts {
  return {
    tasks: stage.done - stage.doneBefore,
    in: stage.in ?? 0,
    out: stage.out ?? 0,
    cpuSeconds: stage.cpuSeconds,
  };
}
