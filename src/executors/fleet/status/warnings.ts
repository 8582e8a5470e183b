import type { WorkerRow } from './snapshot.ts';
import type { RunStatus } from './types.ts';
import { isLive } from './workers.ts';

/**
 * What nobody does unless somebody starts a worker, or mends something.
 *
 * @param runs those under way
 * @param harvestQueues in which tasks are free
 */
export function warningsOf(
  runs: readonly RunStatus[],
  workers: readonly WorkerRow[],
  harvestQueues: readonly string[],
): string[] {
  const open = runs.filter(({ condition }) => condition !== 'done' && condition !== 'cancelled');
  const stuck = open.flatMap(({ name, condition, dead }) => {
    const tasks = dead.reduce((sum, group) => sum + group.tasks, 0);
    if (tasks === 0) return [];
    const effect = condition === 'stuck' ? 'it cannot go on' : 'it cannot end';
    return [
      `${name}: ${counted(tasks, 'task')} failed too often: ${effect}; mend what they say, then submit the run again`,
    ];
  });
  if (open.length === 0) return [];
  const live = workers.filter(isLive);
  if (!live.some(({ kind }) => kind === 'trusted'))
    return [...stuck, "no worker of the fleet's own is there; start one with: gleaner worker"];
  const waiting = new Map<string, number>();
  for (const { stages } of open)
    for (const { stage, queued } of stages) waiting.set(stage, (waiting.get(stage) ?? 0) + queued);
  return [
    ...stuck,
    ...[...waiting].flatMap(([stage, tasks]) =>
      tasks === 0 ? [] : unserved(stage, tasks, live, stage === 'harvest' ? harvestQueues : [stage]),
    ),
  ];
}

function unserved(
  stage: string,
  tasks: number,
  live: readonly WorkerRow[],
  queues: readonly string[],
): string[] {
  const takers = live.filter(({ stages }) => stages.includes(stage));
  const wait = `${counted(tasks, 'task')} ${tasks === 1 ? 'waits' : 'wait'}`;
  if (queues.includes('harvest-gpu') && !takers.some(({ gpu }) => gpu)) {
    const some = queues.length > 1 ? 'tasks wait' : wait;
    return [`${stage}: ${some} for a GPU and no worker has one; start one with --stages ${stage} --gpu`];
  }
  if (takers.length > 0) return [];
  return [`${stage}: ${wait} and no worker takes this stage; start one with --stages ${stage}`];
}

function counted(n: number, one: string): string {
  return `${n.toLocaleString('en')} ${one}${n === 1 ? '' : 's'}`;
}
