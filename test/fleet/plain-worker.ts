import { isControl, runControl } from '../../src/executors/fleet/control.ts';
import type { Database } from '../../src/executors/fleet/database.ts';
import { localRun } from '../../src/executors/fleet/fleet-spec.ts';
import { TaskPacker } from '../../src/executors/fleet/pack-task.ts';
import { QUEUES, type QueueName } from '../../src/executors/fleet/queues.ts';
import { readRunOf } from '../../src/executors/fleet/run-row.ts';
import { type LeasedTask, TaskQueue } from '../../src/executors/fleet/task-queue.ts';
import { runStorage, TaskRunner } from '../../src/pipeline/index.ts';

/** Does one task after the other in this process until there is nothing more, as plainly as can be. */
export async function workPlainly(
  database: Database,
  onTask: (task: LeasedTask) => Promise<'do' | 'leave'> = async () => 'do',
  queues: readonly QueueName[] = QUEUES.filter((queue) => queue !== 'audit'),
): Promise<LeasedTask[]> {
  const queue = new TaskQueue(database);
  const taken: LeasedTask[] = [];
  const { signal } = new AbortController();
  for (let idle = 0; idle < 2; ) {
    await database.boss.resolveFlow();
    const [task] = await queue.take(queues, 1);
    if (!task) {
      idle++;
      continue;
    }
    idle = 0;
    taken.push(task);
    if ((await onTask(task)) === 'leave') continue;
    if (isControl(task)) {
      await runControl(database, task, signal);
      continue;
    }
    const run = await readRunOf(database, task.run);
    const { fingerprint, location, spec } = run;
    await using runner = new TaskRunner({
      spec: localRun(spec, location, ({ named }) => named),
      ...{ root: location, fingerprint, share: 1, given: spec.recipe },
    });
    const unpacked = await new TaskPacker(runStorage(location)).unpack(task.packed);
    const hooks = { signal, progress: () => undefined, read: () => undefined };
    await queue.complete(task, await runner.run(unpacked, hooks), 'plain');
  }
  return taken;
}
