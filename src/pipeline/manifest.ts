import { z } from 'zod';
import { balances, GleanerError, isReason, type Ledger } from '../schema/index.ts';
import { collected, mapOrdered } from '../stages/ordered.ts';
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
  const bytes = await storage.read(path).catch((error: unknown) => {
    if (error instanceof GleanerError && error.code === 'FILE_NOT_FOUND') return undefined;
    throw error;
  });
  if (!bytes) return undefined;
  const text = new TextDecoder().decode(bytes);
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

/** How many small files are read side by side: where each takes a way there and back, many. */
export function looksAtOnce({ kind }: Pick<Storage, 'kind'>): number {
  return kind === 's3' ? 64 : 8;
}

/** Every manifest of a stage, in order of tasks. */
export async function readManifests(storage: Storage, stage: StageName): Promise<readonly Manifest[]> {
  const paths = await storage.list(`tasks/${stage}`);
  const manifests = await collected(
    mapOrdered(paths, looksAtOnce(storage), (path) => readManifest(storage, path)),
  );
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
  const whole = await Promise.all(
    manifest.files.map(async ({ path: name, bytes }) => (await storage.size(name)) === bytes),
  );
  return whole.every(Boolean) ? manifest : undefined;
}

/** One attempt at a task. */
interface AttemptAt {
  readonly fingerprint: string;
  /**
   * Version of the manifest that it found when it began (`Storage.version`), undefined where there was none: another that is there
   * now is that of an attempt that was quicker. Where this is not given, what is there is replaced.
   */
  readonly before?: string | undefined;
}

/**
 * Ends a task: from here on it is done. Of several attempts at one task one ends it; the others throw away what they wrote.
 *
 * @returns the manifest that counts: this attempt's, or that of the one that was quicker
 * @throws Error where a ledger does not balance: a pair was lost or made up, which must never reach a release
 */
export async function writeManifest(
  storage: Storage,
  { stage, index, ...task }: AttemptAt & { readonly stage: StageName; readonly index: number },
  result: StageResult,
  seconds: number,
  cpuSeconds?: number,
): Promise<Manifest> {
  return storeManifest(
    storage,
    manifestPath(stage, index),
    { ...task, name: taskName(stage, index) },
    result,
    seconds,
    cpuSeconds,
  );
}

/** The same for a task of any name, with its manifest anywhere. */
export async function storeManifest(
  storage: Storage,
  path: string,
  task: AttemptAt & { readonly name: string },
  result: StageResult,
  seconds: number,
  cpuSeconds?: number,
): Promise<Manifest> {
  const { name, fingerprint } = task;
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
  if ('before' in task) return race(storage, path, manifest, task.before);
  await storage.put(path, manifestText(manifest));
  return manifest;
}

/** Puts a manifest in the place of the one that was there when its attempt began. @returns the one that counts */
async function race(
  storage: Storage,
  path: string,
  mine: Manifest,
  before: string | undefined,
): Promise<Manifest> {
  for (let version = before; ; ) {
    const condition = version === undefined ? { ifAbsent: true } : { ifVersion: version };
    if (await storage.put(path, manifestText(mine), condition)) return mine;
    // The version first: were it another by the time the manifest is read, the next put would not succeed.
    version = await storage.version(path);
    const other = await readManifest(storage, path);
    if (other?.fingerprint !== mine.fingerprint) continue;
    const kept = new Set(other.files.map((file) => file.path));
    const lost = mine.files.filter((file) => !kept.has(file.path));
    await Promise.all(lost.map((file) => storage.remove(file.path)));
    return other;
  }
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
