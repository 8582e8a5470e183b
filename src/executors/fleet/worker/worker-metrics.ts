import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Manifest, StageName } from '../../../pipeline/index.ts';

/** Upper ends of the buckets, in seconds: from a gate to the release of a large part. */
const BUCKETS = [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600];

/** What became of a task. */
export type TaskResult = 'done' | 'failed' | 'given_back' | 'lost';

/** What a worker tells Prometheus. */
export class WorkerMetrics {
  readonly #registry = new Registry();
  readonly #tasks: Counter<'stage' | 'result'>;
  readonly #pairs: Counter<'stage' | 'result'>;
  readonly #seconds: Histogram<'stage'>;
  readonly #fetched: Counter;

  /** @param read what the gauges show when they are asked for */
  constructor(read: { readonly busy: () => number; readonly memoryBytes: () => number }) {
    const registers = [this.#registry];
    this.#tasks = new Counter({
      name: 'gleaner_tasks_total',
      help: 'Tasks ended, by stage and result',
      labelNames: ['stage', 'result'],
      registers,
    });
    this.#pairs = new Counter({
      name: 'gleaner_pairs_total',
      help: 'Pairs (of extract: image links) of tasks that are done, by stage and result',
      labelNames: ['stage', 'result'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'gleaner_task_seconds',
      help: 'Wall time of tasks that are done, in seconds',
      labelNames: ['stage'],
      buckets: BUCKETS,
      registers,
    });
    this.#fetched = new Counter({
      name: 'gleaner_bytes_fetched_total',
      help: 'Bytes of bodies of images that were fetched, by tasks that are done',
      registers,
    });
    new Gauge({
      name: 'gleaner_worker_busy',
      help: 'Tasks that are worked on now',
      registers,
      collect() {
        this.set(read.busy());
      },
    });
    new Gauge({
      name: 'gleaner_worker_memory_bytes',
      help: 'Resident memory of the worker and its processes',
      registers,
      collect() {
        this.set(read.memoryBytes());
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  ended(stage: StageName, result: TaskResult): void {
    this.#tasks.inc({ stage, result });
  }

  /** A task is done: its counts, and how long it took. */
  done(stage: StageName, manifest: Manifest): void {
    const { kept, dropped } = countsOf(manifest);
    this.ended(stage, 'done');
    this.#pairs.inc({ stage, result: 'kept' }, kept);
    this.#pairs.inc({ stage, result: 'dropped' }, dropped);
    this.#seconds.observe({ stage }, manifest.seconds);
    const { fetchedBytes } = manifest.facts;
    if (typeof fetchedBytes === 'number') this.#fetched.inc(fetchedBytes);
  }
}

/** How many went on, and how many were dropped, at whichever step. */
export function countsOf({ ledgers }: Pick<Manifest, 'ledgers'>): {
  readonly kept: number;
  readonly dropped: number;
} {
  const steps = Object.values(ledgers);
  const dropped = steps.flatMap((ledger) => Object.values(ledger.dropped));
  return { kept: steps.at(-1)?.out ?? 0, dropped: dropped.reduce((sum, n) => sum + n, 0) };
}
