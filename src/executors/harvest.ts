import type { Manifest, Task, TaskEnvironment, TaskHooks } from '../pipeline/index.ts';
import { taskName } from '../pipeline/index.ts';
import type { TaskOf } from '../pipeline/task.ts';
import { GleanerError } from '../schema/index.ts';
import { silenceOfModelMs } from './model-silence.ts';
import { processExecutor } from './processes.ts';
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
  readonly file?: URL;
}

/**
 * Runs tasks of harvest in processes of their own, be it one task alone: an image that crashes a decoder, takes all
 * memory or never ends is dropped as undecodable, and nothing else is lost.
 *
 * @throws GleanerError TASK_FAILED where a process dies again and again without such an image; all other tasks are done
 */
export async function harvestInProcesses(
  tasks: readonly TaskOf<'harvest'>[],
  { workers, file = PROCESS }: HarvestOptions,
  environment: Omit<TaskEnvironment, 'share'>,
  hooks: TaskHooks,
  onDone: (manifest: Manifest) => void,
): Promise<void> {
  const { batchSize } = environment.spec.recipe.score;
  const executor = processExecutor<HarvestOrder, Omit<TaskEnvironment, 'share'>, Manifest>({
    workers,
    file,
    openOrders: OPEN_TASKS,
    silenceMs: silenceOfModelMs(batchSize),
    name: 'harvest',
  });
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

async function* ordersOf(tasks: readonly TaskOf<'harvest'>[]): AsyncGenerator<HarvestOrder> {
  for (const task of tasks) yield { index: task.index, task, suspects: [], fatal: [] };
}

/** Whether a task may meet an image that ends its process. */
export function isHarvest(task: Task): task is TaskOf<'harvest'> {
  return task.stage === 'harvest';
}
