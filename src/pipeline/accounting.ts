import { addLedgers, FUNNEL_STEPS, type FunnelStep, type Ledger } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';
import { type Manifest, readManifests } from './manifest.ts';
import { STAGES } from './task.ts';

/** The ledgers of a whole run: each step of the funnel, added up over all tasks. */
export type RunLedgers = Readonly<Record<FunnelStep, Ledger>>;

/** Reads the ledgers of all finished tasks of a run. Steps that no task has reached yet are all zero. */
export async function runLedgers(storage: Storage): Promise<RunLedgers> {
  const manifests: Manifest[] = [];
  for (const stage of STAGES) manifests.push(...(await readManifests(storage, stage)));
  return sumLedgers(manifests);
}

/** Adds the ledgers of tasks by step. */
export function sumLedgers(manifests: readonly Manifest[]): RunLedgers {
  const entries = FUNNEL_STEPS.map((step) => [
    step,
    addLedgers(manifests.flatMap((m) => m.ledgers[step] ?? [])),
  ]);
  return Object.fromEntries(entries) as RunLedgers;
}

/** Rows of the release that were taken down, of all its parts. */
export async function removedRows(storage: Storage): Promise<number> {
  const counts = (await readManifests(storage, 'release')).map(({ facts }) => facts.removed);
  return counts.reduce<number>((sum, n) => sum + (typeof n === 'number' ? n : 0), 0);
}
