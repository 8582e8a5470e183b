import { harvestFiles, releasedFiles } from '../stages/harvested.ts';
import { shardPath } from '../stages/tables.ts';
import type { FileInfo } from '../storage/index.ts';
import { fetchedShard, indexOf } from './fetched-apart.ts';
import type { Manifest } from './manifest.ts';
import { planSubset } from './plan-subset.ts';
import type { RunSpec } from './run-file.ts';
import type { HarvestedShard, PairRows, StageName, Task, TaskOf } from './task.ts';

/** Manifests of the stages before, in order of tasks. */
export type Finished = Readonly<Partial<Record<StageName, readonly Manifest[]>>>;

/** The tasks of a stage: a pure function of the run and of what the stages before have left. */
export function planStage(stage: StageName, spec: RunSpec, finished: Finished): readonly Task[] {
  if (spec.subset) return planSubset(stage, spec, spec.subset, finished);
  switch (stage) {
    case 'extract':
      return planExtract(spec);
    case 'dedup':
      return planDedup(spec, finished.extract ?? []);
    case 'fetch':
      return spec.apart ? planPairs(spec, finished.dedup ?? []).map((pairs) => ({ stage, ...pairs })) : [];
    case 'harvest':
      return planHarvest(spec, finished.dedup ?? [], finished.fetch ?? []);
    case 'near':
      return planNear(spec, finished.harvest ?? []);
    case 'select':
      return [];
    case 'release':
      return planRelease(spec, finished.harvest ?? [], finished.near?.[0]);
    case 'trail':
      return [{ stage, index: 0, dropped: trailOf(finished) }];
    case 'report':
      return planReport(finished);
  }
}

/** How many hash buckets the pairs are parted into: what decides the memory of dedup. At least one. */
function bucketCount(spec: RunSpec): number {
  const bytes = spec.wats.reduce((sum, wat) => sum + wat.bytes, 0);
  return Math.max(1, Math.ceil(bytes / spec.recipe.dedup.watBytesPerBucket));
}

function planExtract(spec: RunSpec): TaskOf<'extract'>[] {
  const buckets = bucketCount(spec);
  return spec.wats.map((wat, index) => ({ stage: 'extract', index, wat, buckets }));
}

function planDedup(spec: RunSpec, extracted: readonly Manifest[]): TaskOf<'dedup'>[] {
  const buckets = bucketCount(spec);
  const pairs = extracted.map((manifest) => fileOf(manifest, (path) => path.startsWith('pairs/')));
  return Array.from({ length: buckets }, (_, index) => ({ stage: 'dedup', index, buckets, pairs }));
}

/** @param fetched of the same pairs, where they were fetched before */
function planHarvest(
  spec: RunSpec,
  deduped: readonly Manifest[],
  fetched: readonly Manifest[],
): TaskOf<'harvest'>[] {
  const shards = new Map(fetched.map((manifest) => [indexOf(manifest), fetchedShard(manifest)]));
  return planPairs(spec, deduped).map((pairs) => {
    const shard = shards.get(pairs.index);
    return { stage: 'harvest', ...pairs, ...(shard && { fetched: shard }) };
  });
}

/** How the unique pairs are cut into tasks, of fetch and of harvest alike. */
function planPairs(spec: RunSpec, deduped: readonly Manifest[]): (PairRows & { readonly index: number })[] {
  const { pairsPerTask } = spec.recipe.harvest;
  const tasks: (PairRows & { readonly index: number })[] = [];
  for (const manifest of deduped) {
    const unique = fileOf(manifest, (path) => path.startsWith('unique/'));
    const rows = rowsOf(manifest);
    for (let rowStart = 0; rowStart < rows; rowStart += pairsPerTask) {
      const rowEnd = Math.min(rowStart + pairsPerTask, rows);
      tasks.push({ index: tasks.length, unique, rowStart, rowEnd });
    }
  }
  return tasks;
}

/** One task: what is alike may lie in any two shards. None where the recipe asks for nothing. */
function planNear({ recipe }: RunSpec, harvested: readonly Manifest[]): TaskOf<'near'>[] {
  const rules = recipe.near;
  if (!rules || !(rules.sameBytes || rules.samePicture || rules.sameMeaning)) return [];
  const shards = harvested.map((manifest) => {
    const folder = harvestFolder(manifest);
    const { rows, imageEmbeddings } = harvestFiles(folder);
    return { rows: rowsOf(manifest), folder, sha256: digestsOf(manifest, [rows, imageEmbeddings]) };
  });
  return [{ stage: 'near', index: 0, rules, shards }];
}

/** @param near what was found to be alike, where that was asked for */
function planRelease(
  spec: RunSpec,
  harvested: readonly Manifest[],
  near: Manifest | undefined,
): TaskOf<'release'>[] {
  const shards: HarvestedShard[] = [];
  let rows = 0;
  for (const [index, manifest] of harvested.entries()) {
    const folder = harvestFolder(manifest);
    const path = shardPath('near', index);
    const leftOut = near?.files.find((file) => file.path === path);
    const left = near ? rowsLeft(near, index) : rowsOf(manifest);
    shards.push({
      firstRow: rows,
      rows: left,
      folder,
      sha256: digestsOf(manifest, releasedFiles(harvestFiles(folder))),
      ...(leftOut && { leftOut }),
    });
    rows += left;
  }
  const parts = partCount(spec, rows);
  return Array.from({ length: parts }, (_, index) => {
    const [rowStart, rowEnd] = [Math.floor((index * rows) / parts), Math.floor(((index + 1) * rows) / parts)];
    const mine = shards.filter((s) => s.firstRow < rowEnd && s.firstRow + s.rows > rowStart);
    return { stage: 'release', index, parts, rowStart, rowEnd, shards: mine };
  });
}

/** Into how many parts so many rows are divided. */
export function partCount({ recipe }: RunSpec, rows: number): number {
  return Math.max(recipe.release.parts, Math.ceil(rows / recipe.release.maxRowsPerPart));
}

/** The folder of a harvested shard. */
export function harvestFolder(manifest: Manifest): string {
  const { path } = fileOf(manifest, (name) => name.endsWith('/rows.parquet'));
  return path.slice(0, path.lastIndexOf('/'));
}

function trailOf(finished: Finished): FileInfo[] {
  const stages = [finished.extract ?? [], finished.dedup ?? [], finished.harvest ?? []];
  const ofNear = (finished.near ?? []).flatMap(({ files }) => files);
  return [
    ...stages
      .flat()
      .map((m) => fileOf(m, (path) => path.startsWith('dropped/') || path.endsWith('/dropped.parquet'))),
    ...ofNear.filter(({ path }) => path.startsWith('dropped/')),
  ];
}

export function planReport(finished: Finished): TaskOf<'report'>[] {
  const release = [...(finished.release ?? []), ...(finished.trail ?? [])].flatMap((m) => m.files);
  return [{ stage: 'report', index: 0, release }];
}

export function fileOf(manifest: Manifest, matches: (path: string) => boolean): FileInfo {
  const file = manifest.files.find(({ path }) => matches(path));
  if (!file) throw new Error(`${manifest.task} left none of the files that the next stage reads`);
  return file;
}

export function rowsOf(manifest: Manifest): number {
  const { rows } = manifest.facts;
  if (typeof rows !== 'number') throw new Error(`${manifest.task} does not say how many rows it left`);
  return rows;
}

function digestsOf(manifest: Manifest, names: readonly string[]): string[] {
  return names.map((name) => fileOf(manifest, (path) => path === name).sha256);
}

/** Rows of a shard that the release takes. */
function rowsLeft(near: Manifest, index: number): number {
  const { rows } = near.facts;
  const left = Array.isArray(rows) ? rows[index] : undefined;
  if (left === undefined)
    throw new Error(`${near.task} does not say how many rows of shard ${index} are left`);
  return left;
}

/** Folders of harvested shards that no manifest names: what attempts left that were killed, lost a race, or were retried. */
export function strayHarvests(files: readonly string[], harvested: readonly Manifest[]): readonly string[] {
  const kept = new Set(harvested.map(harvestFolder));
  const folders = new Set(files.map((path) => path.slice(0, path.lastIndexOf('/'))));
  return [...folders].filter((folder) => !kept.has(folder));
}
