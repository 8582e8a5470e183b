import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Manifest, manifestPath } from '../../../pipeline/index.ts';
import { harvestFolder } from '../../../pipeline/plan.ts';
import type { TaskEnvironment } from '../../../pipeline/run-task.ts';
import { fileStorage } from '../../../storage/index.ts';
import { silenceOfModelMs } from '../../model-silence.ts';
import { processExecutor } from '../../processes.ts';
import type { HarvestOrder } from '../../serve-harvest.ts';
import { NotGranted } from './coordinator-client.ts';
import type { Loan } from './protocol.ts';
import { sendShard } from './send-shard.ts';
import { download, TransferFailed } from './transfer.ts';
import { bringKit } from './volunteer-kit.ts';
import type { VolunteerMachine } from './volunteer-machine.ts';

/** The process's file: TypeScript in a checkout, JavaScript where it was built. */
const PROCESS = new URL(
  import.meta.url.endsWith('.ts') ? '../../harvest-process.ts' : '../../harvest-process.js',
  import.meta.url,
);

/** A task that this machine has. */
export interface OpenLoan {
  readonly loan: Loan;
  lost: boolean;
}

/**
 * Works on tasks of one run, one after the other in each process, until there are none or another run's is lent: engines are
 * loaded once.
 */
export class VolunteerSession {
  readonly #machine: VolunteerMachine;
  readonly #root: string;
  /** By the number of the task. */
  readonly open = new Map<number, OpenLoan>();
  #changed = Promise.withResolvers<void>();
  /** Pairs looked at. */
  done = 0;

  constructor(machine: VolunteerMachine, root: string) {
    this.#machine = machine;
    this.#root = root;
  }

  /**
   * @param first of the tasks
   * @param stop ends it at once; what it was at stays open
   * @returns a task of another run that was lent meanwhile
   */
  async run(first: Loan, stop: AbortSignal): Promise<Loan | undefined> {
    const { workers, cache, allowHosts, outside, processFile = PROCESS } = this.#machine;
    const spec = await bringKit(first, cache, allowHosts, outside, stop);
    const executor = processExecutor<HarvestOrder, Omit<TaskEnvironment, 'share'>, Manifest>({
      ...{ workers, file: processFile, name: 'harvest' },
      openOrders: 2,
      silenceMs: silenceOfModelMs(spec.recipe.score.batchSize),
    });
    const left: { loan?: Loan } = {};
    const progress = (done: number) => {
      this.done += done;
    };
    const hooks = { signal: stop, progress };
    const environment = { spec, root: this.#root, fingerprint: first.fingerprint };
    const failures = await executor.execute(
      this.#orders(first, left, stop),
      environment,
      hooks,
      (order, manifest) => this.#send(order.index, manifest, stop),
    );
    for (const { index, problem } of failures) {
      this.#machine.tell({ event: 'failed', index, problem });
      await this.#drop(index);
    }
    return left.loan;
  }

  /** Gives back what is not done. */
  async giveBack(signal: AbortSignal): Promise<void> {
    const leases = [...this.open.values()].filter(({ lost }) => !lost).map(({ loan }) => loan.lease);
    this.open.clear();
    if (leases.length > 0) await this.#machine.client.giveBack(leases, signal);
  }

  async *#orders(
    first: Loan,
    left: { loan?: Loan },
    stop: AbortSignal,
  ): AsyncGenerator<HarvestOrder, void, undefined> {
    const { machine, workers } = { machine: this.#machine, workers: this.#machine.workers };
    let begun = 0;
    for (let next: Loan | undefined = first; ; ) {
      if (next && next.run !== first.run) {
        left.loan = next;
        return;
      }
      if (next) {
        const order = await this.#begin(next, stop);
        if (order) {
          begun++;
          yield order;
        }
      }
      next = machine.draining ? undefined : await machine.lease(stop);
      if (next) continue;
      // The first ones are waited for before any is begun.
      if (machine.draining || begun < workers || this.open.size === 0) return;
      await Promise.race([sleep(machine.waitMs, undefined, { signal: stop }), this.#changed.promise]);
    }
  }

  async #begin(loan: Loan, signal: AbortSignal): Promise<HarvestOrder | undefined> {
    const { client, outside } = this.#machine;
    const { index, pairs } = loan;
    const path = `lent/${loan.lease}.parquet`;
    try {
      // The same task again, which was lost and is still under way here.
      if (this.open.has(index)) throw new NotGranted(409, 'it is under way here already');
      await download(outside, pairs, join(this.#root, path), signal);
    } catch (error) {
      signal.throwIfAborted();
      const problem = error instanceof Error ? error.message : String(error);
      this.#machine.tell({ event: 'failed', index, problem });
      await client.giveBack([loan.lease], signal);
      return undefined;
    }
    this.open.set(index, { loan, lost: false });
    this.#machine.tell({ event: 'begun', index, pairs: pairs.rows });
    const unique = { path, bytes: pairs.bytes, sha256: pairs.sha256 };
    const task = { stage: 'harvest', index, unique, rowStart: 0, rowEnd: pairs.rows } as const;
    return { index, task, suspects: [], fatal: [] };
  }

  /** A task is done: nothing that goes wrong here is to end the others. */
  async #send(index: number, manifest: Manifest, signal: AbortSignal): Promise<void> {
    const open = this.open.get(index);
    const storage = fileStorage(this.#root);
    if (open && !open.lost) {
      const { lease } = open.loan;
      const { client, outside } = this.#machine;
      try {
        await sendShard(storage, manifest, { client, outside, lease }, signal);
        this.#machine.tell({ event: 'sent', index, pairs: open.loan.pairs.rows });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof NotGranted) && !(error instanceof TransferFailed)) throw error;
        this.#machine.tell({ event: 'refused', index, problem: error.message });
        if (error instanceof TransferFailed) await client.giveBack([lease], signal);
      }
    }
    this.open.delete(index);
    if (open) await rm(join(this.#root, 'lent', `${open.loan.lease}.parquet`), { force: true });
    await storage.remove(harvestFolder(manifest));
    await storage.remove(manifestPath('harvest', index));
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #drop(index: number): Promise<void> {
    const open = this.open.get(index);
    this.open.delete(index);
    if (open && !open.lost)
      await this.#machine.client.giveBack([open.loan.lease], new AbortController().signal);
  }
}
