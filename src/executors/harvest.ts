import type { Manifest, Task, TaskEnvironment, TaskHooks } from '../pipeline/index.ts';
import { taskName } from '../pipeline/index.ts';
import type { TaskOf } from '../pipeline/task.ts';
import { GleanerError } from '../schema/index.ts';
import { silenceOfModelMs } from './model-silence.ts';
import { type ProcessExecutor, processExecutor } from './processes.ts';
import type { HarvestOrder } from './serve-harvest.ts';

/** The process's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const PROCESS = new URL(
  import.meta.url.endsWith('.ts') ? './harvest-process.ts' : './harvest-process.js',
  import.meta.url,
);

/** Tasks that a process has open: the slow answers of one are waited for while the next is begun. */
const OPEN_TASKS = 3;

export interface HarvestOptions {
  /** Processes that work side by side, at most: each has one model, with one thread, and one task at a time. */
  readonly workers: number;
  /** What runs in a process. @default gleaner's own; tests name another */
  readonly file?: URL | undefined;
  /** Processes of this machine that share the limits of hosts. @default as many as there are tasks, `workers` at most */
  readonly share?: number;
}

/**
 * Runs tasks of harvest in processes of their own, be it one task alone: an image that crashes a decoder, takes all
 * memory or never ends is dropped as undecodable, and nothing else is lost.
 *
 * @throws GleanerError TASK_FAILED where a process dies again and again without such an image; all other tasks are done
 */
export async function harvestInProcesses(
  tasks: readonly TaskOf<'harvest'>[],
  { workers, file }: HarvestOptions,
  environment: Omit<TaskEnvironment, 'share'>,
  hooks: TaskHooks,
  onDone: (manifest: Manifest) => void,
): Promise<void> {
  const executor = harvestExecutor(environment, { workers, file });
  const { signal, progress } = hooks;
  const failures = await executor.execute(ordersOf(tasks), environment, { signal, progress }, (_, manifest) =>
    onDone(manifest),
  );
  const [first, ...more] = failures;
  if (!first) return;
  const others = more.length > 0 ? ` And ${more.length} more; all others are done.` : '';
  throw new GleanerError('TASK_FAILED', {
    task: taskName('harvest', first.index),
    problem: `${first.problem}${others}`,
  });
}

/** Processes that harvest, for tasks of one run. */
export function harvestExecutor(
  { spec }: Omit<TaskEnvironment, 'share'>,
  { workers, file = PROCESS, share }: HarvestOptions,
): ProcessExecutor<HarvestOrder, Omit<TaskEnvironment, 'share'>, Manifest> {
  return processExecutor({
    workers,
    file,
    openOrders: OPEN_TASKS,
    silenceMs: silenceOfModelMs(spec.recipe.score.batchSize),
    name: 'harvest',
    ...(share !== undefined && { share }),
  });
}

/** A task, of whose images nothing is known yet. */
export function harvestOrder(task: TaskOf<'harvest'>): HarvestOrder {
  return { index: task.index, task, suspects: [], fatal: [] };
}

async function* ordersOf(tasks: readonly TaskOf<'harvest'>[]): AsyncGenerator<HarvestOrder> {
  for (const task of tasks) yield harvestOrder(task);
}

/** Whether a task may meet an image that ends its process. */
export function isHarvest(task: Task): task is TaskOf<'harvest'> {
  return task.stage === 'harvest';
}
