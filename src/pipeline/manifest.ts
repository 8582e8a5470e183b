import { z } from 'zod';
import { balances, GleanerError, isReason, type Ledger } from '../schema/index.ts';
import type { StageResult } from '../stages/stage.ts';
import type { Storage } from '../storage/index.ts';
import { type StageName, taskName } from './task.ts';

const count = z.int().min(0);
const ledgerSchema = z.strictObject({
  in: count,
  out: count,
  dropped: z.record(z.string().refine(isReason, 'is no known reason'), count),
});

const manifestSchema = z.strictObject({
  version: z.literal(1),
  task: z.string(),
  /** Names what the task did: run, inputs and their checksums. Another fingerprint is another task. */
  fingerprint: z.string(),
  ledgers: z.record(z.string(), ledgerSchema),
  facts: z.record(z.string(), z.union([z.number(), z.string(), z.array(z.number())])),
  files: z.array(
    z.strictObject({ path: z.string(), bytes: count, sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
  /** Wall time of the task, in seconds; of this machine, as the one below: neither takes part in any comparison. */
  seconds: z.number(),
  /** CPU time, user and system, in seconds: its share of its process (`CpuMeter`). Earlier manifests have none. */
  cpuSeconds: z.number().optional(),
  finishedAt: z.iso.datetime(),
});

/** What a finished task leaves behind, written last: a task with a valid manifest is done. */
export type Manifest = Readonly<z.infer<typeof manifestSchema>> & {
  readonly ledgers: Readonly<Record<string, Ledger>>;
};

/** A manifest as it lies in its file. */
export function manifestText(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 1)}\n`;
}

/** Where the manifest of a task lies. */
export function manifestPath(stage: StageName, index: number): string {
  return `tasks/${taskName(stage, index)}.json`;
}

/** @throws GleanerError DAMAGED where there is something, but no manifest */
export async function readManifest(storage: Storage, path: string): Promise<Manifest | undefined> {
  if ((await storage.size(path)) === undefined) return undefined;
  const text = new TextDecoder().decode(await storage.read(path));
  try {
    return manifestSchema.parse(JSON.parse(text)) as Manifest;
  } catch (cause) {
    throw new GleanerError(
      'DAMAGED',
      { path: `${storage.location}/${path}`, problem: 'is no manifest; remove it and run again.' },
      { cause },
    );
  }
}

/** Every manifest of a stage, in order of tasks. */
export async function readManifests(storage: Storage, stage: StageName): Promise<readonly Manifest[]> {
  const paths = await storage.list(`tasks/${stage}`);
  const manifests = await Promise.all(paths.map((path) => readManifest(storage, path)));
  // By their numbers: the names of more than 99,999 are no longer of one length.
  return manifests
    .filter((manifest) => manifest !== undefined)
    .sort((a, b) => indexOfTask(a.task) - indexOfTask(b.task));
}

/** The number in the name of a task. */
function indexOfTask(name: string): number {
  return Number(name.slice(name.indexOf('/') + 1));
}

/** The manifest of a task that needs not be run again: same fingerprint, and its files are there, whole by their size. */
export async function finishedManifest(
  storage: Storage,
  stage: StageName,
  index: number,
  fingerprint: string,
): Promise<Manifest | undefined> {
  return wholeManifest(storage, manifestPath(stage, index), fingerprint);
}

/** The same for a manifest anywhere; without a fingerprint, whatever its task was. */
export async function wholeManifest(
  storage: Storage,
  path: string,
  fingerprint?: string,
): Promise<Manifest | undefined> {
  const manifest = await readManifest(storage, path);
  if (!manifest || (fingerprint !== undefined && manifest.fingerprint !== fingerprint)) return undefined;
  for (const file of manifest.files) if ((await storage.size(file.path)) !== file.bytes) return undefined;
  return manifest;
}

/**
 * Ends a task: from here on it is done.
 *
 * @throws Error where a ledger does not balance: a pair was lost or made up, which must never reach a release
 */
export async function writeManifest(
  storage: Storage,
  task: { readonly stage: StageName; readonly index: number; readonly fingerprint: string },
  result: StageResult,
  seconds: number,
  cpuSeconds?: number,
): Promise<Manifest> {
  const name = taskName(task.stage, task.index);
  return storeManifest(
    storage,
    manifestPath(task.stage, task.index),
    { name, fingerprint: task.fingerprint },
    result,
    seconds,
    cpuSeconds,
  );
}

/** The same for a task of any name, with its manifest anywhere. */
export async function storeManifest(
  storage: Storage,
  path: string,
  { name, fingerprint }: { readonly name: string; readonly fingerprint: string },
  result: StageResult,
  seconds: number,
  cpuSeconds?: number,
): Promise<Manifest> {
  for (const [step, ledger] of Object.entries(result.ledgers))
    if (!balances(ledger))
      throw new Error(`${name}: ledger '${step}' does not balance: ${JSON.stringify(ledger)}`);
  const manifest: Manifest = {
    version: 1,
    task: name,
    fingerprint,
    ledgers: result.ledgers as Manifest['ledgers'],
    facts: (result.facts ?? {}) as Manifest['facts'],
    files: [...result.files],
    seconds,
    ...(cpuSeconds !== undefined && { cpuSeconds }),
    finishedAt: new Date().toISOString(),
  };
  await storage.put(path, manifestText(manifest));
  return manifest;
}

/** Of a task that is done, some files were written anew: its manifest names what they are now. */
export async function replaceFiles(
  storage: Storage,
  manifest: Manifest,
  written: readonly Manifest['files'][number][],
): Promise<void> {
  const anew = new Map(written.map((file) => [file.path, file]));
  const files = manifest.files.map((file) => anew.get(file.path) ?? file);
  await storage.put(`tasks/${manifest.task}.json`, manifestText({ ...manifest, files }));
}
