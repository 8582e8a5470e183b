import type { StageCost } from '../stages/report/costs.ts';
import type { Storage } from '../storage/index.ts';
import { type Manifest, readManifests } from './manifest.ts';
import { STAGES, type StageName } from './task.ts';

/** What each stage of a run took, from its manifests, in the order of the stages; those without tasks are left out. */
export async function runCosts(storage: Storage): Promise<readonly StageCost[]> {
  const costs: StageCost[] = [];
  for (const stage of STAGES) {
    const manifests = await readManifests(storage, stage);
    if (manifests.length > 0) costs.push(costOf(stage, manifests));
  }
  return costs;
}

function costOf(stage: StageName, manifests: readonly Manifest[]): StageCost {
  const sum = (of: (manifest: Manifest) => number) => manifests.reduce((total, m) => total + of(m), 0);
  const known = manifests.every(({ cpuSeconds }) => cpuSeconds !== undefined);
  const [unit, things] = workOf(stage);
  return {
    stage,
    tasks: manifests.length,
    things: sum(things),
    unit,
    taskSeconds: sum(({ seconds }) => seconds),
    cpuSeconds: known ? sum(({ cpuSeconds }) => cpuSeconds ?? 0) : null,
  };
}

/** What a stage works on, and how many of it a manifest tells. */
function workOf(stage: StageName): readonly [unit: string, count: (manifest: Manifest) => number] {
  switch (stage) {
    case 'extract':
      return ['links', ({ ledgers }) => ledgers.link?.in ?? 0];
    case 'dedup':
      return ['pairs', ({ ledgers }) => ledgers.unique?.in ?? 0];
    case 'fetch':
      return ['pairs', ({ facts }) => (typeof facts.pairs === 'number' ? facts.pairs : 0)];
    case 'harvest':
      return ['pairs', ({ ledgers }) => ledgers.fetched?.in ?? 0];
    case 'near':
      return ['rows', ({ ledgers }) => ledgers.distinct?.in ?? 0];
    case 'select':
      return ['rows', ({ ledgers }) => ledgers.selected?.in ?? 0];
    case 'release':
      return ['rows', ({ facts }) => (typeof facts.rows === 'number' ? facts.rows : 0)];
    default:
      return ['files', ({ files }) => files.length];
  }
}
