import { addLedgers, FUNNEL_STEPS, type StepLedgers } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';
import { type Manifest, readManifests } from './manifest.ts';
import { STAGES } from './task.ts';

/** The ledgers of a whole run: each step of the funnel, added up over all tasks. */
export type RunLedgers = StepLedgers;

/** Reads the ledgers of all finished tasks of a run. Steps that no task has reached yet are all zero. */
export async function runLedgers(storage: Storage): Promise<RunLedgers> {
  const manifests: Manifest[] = [];
  for (const stage of STAGES) manifests.push(...(await readManifests(storage, stage)));
  return sumLedgers(manifests);
}

/** Adds the ledgers of tasks by step; a step that not every run takes is there only where a task has it. */
export function sumLedgers(manifests: readonly Manifest[]): RunLedgers {
  const entries = FUNNEL_STEPS.flatMap((step) => {
    const ledgers = manifests.flatMap((m) => m.ledgers[step] ?? []);
    const optional = step === 'distinct' || step === 'selected';
    return optional && ledgers.length === 0 ? [] : [[step, addLedgers(ledgers)]];
  });
  return Object.fromEntries(entries) as RunLedgers;
}

/** Rows of the release that were taken down, of all its parts. */
export async function removedRows(storage: Storage): Promise<number> {
  const counts = (await readManifests(storage, 'release')).map(({ facts }) => facts.removed);
  return counts.reduce<number>((sum, n) => sum + (typeof n === 'number' ? n : 0), 0);
}
