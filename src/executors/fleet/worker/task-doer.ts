import type { Logger } from 'pino';
import { finishedManifest, type Manifest, taskFingerprint } from '../../../pipeline/index.ts';
import { isControl, runControl } from '../control.ts';
import type { Database } from '../database.ts';
import type { LeasedTask, TaskQueue } from '../task-queue.ts';
import { blameFor, isOfDatabase, problemText } from './failure.ts';
import { type Lease, Stopped } from './lease.ts';
import type { Progress } from './progress.ts';
import type { RunCopies } from './run-copies.ts';
import type { Slots } from './slots.ts';
import { countsOf, type TaskResult, type WorkerMetrics } from './worker-metrics.ts';
import type { WorkerIdentity } from './worker-row.ts';

/** What a task is done with. */
export interface TaskTools {
  readonly database: Database;
  readonly queue: TaskQueue;
  readonly copies: RunCopies;
  readonly slots: Slots;
  readonly progress: Progress;
  readonly metrics: WorkerMetrics;
  readonly log: Logger;
  readonly worker: WorkerIdentity;
  /** The worker cannot go on. */
  readonly onBroken: (error: unknown) => void;
}

/** Does the tasks that a worker took, and tells the queue, the log and the metrics what became of each. */
export class TaskDoer {
  readonly #tools: TaskTools;

  constructor(tools: TaskTools) {
    this.#tools = tools;
  }

  /** @throws where the database could not be told */
  async do(lease: Lease): Promise<void> {
    const { task, signal } = lease;
    const { database, queue, worker, metrics, log } = this.#tools;
    log.info(factsOf(lease), 'taken');
    try {
      if (isControl(task)) {
        await runControl(database, task, signal);
        log.info(factsOf(lease), 'done');
        return;
      }
      const manifest = await this.#run(lease);
      await queue.complete(task, manifest, worker.id);
      metrics.done(task.stage, manifest);
      log.info({ ...factsOf(lease), ...countsOf(manifest) }, 'done');
    } catch (error) {
      await this.#failed(lease, error);
    }
  }

  async #run({ task, signal }: Lease): Promise<Manifest> {
    const { copies, slots, progress } = this.#tools;
    const came = slots.expect();
    let begun: Promise<Manifest>;
    try {
      const copy = await copies.of(task.run);
      if (task.stage === 'harvest') await copy.canScore();
      const whole = await copy.packer.unpack(task.packed);
      const fingerprint = taskFingerprint(copy.fingerprint, whole);
      // Another attempt may have done it, and not come to say so.
      const before = await finishedManifest(copy.storage, whole.stage, whole.index, fingerprint);
      if (before) return before;
      begun = slots.run(whole, copy, { signal, progress: (stage, done) => progress.done(stage, done) });
    } finally {
      came();
    }
    return begun;
  }

  /** Says what became of a task that did not come to its end. */
  async #failed(lease: Lease, error: unknown): Promise<void> {
    const { copies, log, onBroken } = this.#tools;
    if (error instanceof Stopped) {
      if (error.why === 'lost') return this.#end(lease, 'lost');
      if (error.why === 'large') return this.#fail(lease, this.#tooLarge());
      return this.#giveBack(lease);
    }
    const problem = problemText(error);
    switch (blameFor(error, await copies.locationOf(lease.task.run))) {
      case 'machine':
        onBroken(error);
        return isOfDatabase(error) ? undefined : this.#giveBack(lease);
      case 'run':
        if (copies.leave(lease.task.run))
          log.warn({ run: lease.task.run, problem }, 'left to others: this machine cannot do that run');
        return this.#giveBack(lease);
      case 'task':
        return this.#fail(lease, problem);
    }
  }

  async #fail(lease: Lease, problem: string): Promise<void> {
    const { queue, metrics, log } = this.#tools;
    await queue.fail(lease.task, problem);
    metrics.ended(lease.task.stage, 'failed');
    log.warn({ ...factsOf(lease), attempt: lease.task.attempt, problem }, 'failed');
  }

  async #giveBack(lease: Lease): Promise<void> {
    await this.#tools.queue.giveBack([lease.task]);
    this.#end(lease, 'given_back');
  }

  #end(lease: Lease, result: TaskResult): void {
    const { metrics, log } = this.#tools;
    metrics.ended(lease.task.stage, result);
    log.info(factsOf(lease), result === 'lost' ? 'lost' : 'given back');
  }

  #tooLarge(): string {
    const mib = Math.floor(this.#tools.worker.memoryLimitBytes / (1 << 20));
    return `takes more memory than this worker may have (--memory ${mib}MiB), by itself. Give it to a larger one.`;
  }
}

function factsOf({ task, seconds }: Lease): object {
  const { run, stage, index }: LeasedTask = task;
  const control = isControl(task) && { queue: task.queue };
  return { run, ...control, stage, index, seconds: Math.round(seconds * 1000) / 1000 };
}
