import { availableParallelism } from 'node:os';
import { fetchDeadlineMs } from '../fetcher/index.ts';
import type { Manifest } from '../pipeline/manifest.ts';
import { type TaskEnvironment, TaskRunner } from '../pipeline/run-task.ts';
import type { TaskOf } from '../pipeline/task.ts';
import { Turnstile } from '../stages/budget.ts';
import type { Order } from './orders.ts';
import { type OrderHooks, type OrderRunner, type ServeLimits, serveOrders } from './serve-orders.ts';

/** A task of harvest, and what is known of its images. */
export interface HarvestOrder extends Order {
  readonly task: TaskOf<'harvest'>;
}

/** Makes this process one that harvests: engines are loaded with the first task, and serve all. */
export function serveHarvest(limits?: ServeLimits): void {
  serveOrders<HarvestOrder, TaskEnvironment, Manifest>((environment) => harvestRunner(environment), limits);
}

function harvestRunner(environment: TaskEnvironment): OrderRunner<HarvestOrder, Manifest> {
  const { spec, share } = environment;
  const runner = new TaskRunner(environment);
  // One image is decoded in another thread while one is resized in this; more where processes leave cores free.
  const turnstile = new Turnstile(1 + Math.max(1, Math.floor(availableParallelism() / share)));
  return {
    // Of archives nothing is known: their index is made with the first image, however large they are.
    ...(spec.images.kind === 'web' && { answerLimitMs: fetchDeadlineMs(spec.recipe.fetch) }),
    run: ({ index, task, suspects, fatal }: HarvestOrder, hooks: OrderHooks) =>
      runner.run(task, {
        signal: hooks.signal,
        progress: hooks.progress,
        read: () => undefined,
        watch: {
          suspects: new Set(suspects),
          fatal: new Set(fatal),
          turnstile,
          journal: (row) => hooks.journal(index, row),
          underWay: hooks.underWay,
          hungry: hooks.hungry,
        },
      }),
  };
}
