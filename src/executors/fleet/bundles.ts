import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { RunSpec } from '../../pipeline/index.ts';
import { TOMBSTONES_FILE } from '../../safety/tombstones.ts';
import {
  digestChunks,
  fileStorage,
  isRemote,
  type Storage,
  streamFile,
  writeChunks,
} from '../../storage/index.ts';
import type { Bundle } from './fleet-spec.ts';

/** A file or a folder of this machine, with those of its files that a run needs. */
interface Named {
  readonly path: string;
  /** Paths in the folder; of a file ['']. */
  readonly files: readonly string[];
  /** For nobody else's eyes, where the storage knows owners. */
  readonly restricted?: boolean;
}

/** What lies on this machine of all that a run names, each once. */
async function namedFiles({
  recipe,
  wats,
  images,
  model,
  modelDir,
  seen,
  tombstones = [],
}: RunSpec): Promise<Named[]> {
  const { extract, fetch, safety } = recipe;
  const inputs = [...wats, ...(images.kind === 'archive' ? images.files : [])].map(({ path }) => path);
  const lists = [...extract.hostBlocklists, ...extract.urlBlocklists, ...fetch.optOutLists, ...inputs];
  const named: Named[] = lists.map((path) => ({ path, files: [''] }));
  for (const { path } of safety.knownContent) named.push({ path, files: [''], restricted: true });
  if (safety.classifiers.length > 0) {
    const { classifierFiles } = await import('../../safety/index.ts');
    for (const { path } of safety.classifiers) named.push({ path, files: classifierFiles(path) });
  }
  if (modelDir !== null && model) named.push({ path: modelDir, files: Object.keys(model.files) });
  for (const { path } of seen)
    named.push({ path, files: await ofRun(path, ['keys', TOMBSTONES_FILE]), restricted: true });
  for (const path of tombstones)
    named.push({ path, files: await ofRun(path, [TOMBSTONES_FILE]), restricted: true });
  const once = new Map(named.filter(({ path }) => !isRemote(path)).map((one) => [one.path, one]));
  return [...once.values()];
}

/** Of a run's folder what begins so; of a file the file itself. */
async function ofRun(path: string, wanted: readonly string[]): Promise<string[]> {
  // Every machine reaches it where it is.
  if (isRemote(path) || !(await stat(path)).isDirectory()) return [''];
  const files: string[] = [];
  for (const name of wanted) {
    const storage = fileStorage(path);
    if ((await storage.size(name)) !== undefined) files.push(name);
    else files.push(...(await storage.list(name)));
  }
  return files;
}

/**
 * Brings what a run names on this machine into its storage, under names made of what it is: what is there is not written again.
 *
 * @throws GleanerError of the storage, FILE_NOT_FOUND
 */
export async function uploadBundles(
  spec: RunSpec,
  storage: Storage,
  signal: AbortSignal,
): Promise<readonly Bundle[]> {
  const bundles: Bundle[] = [];
  for (const { path, files, restricted = false } of await namedFiles(spec)) {
    const digests = [];
    for (const name of files)
      digests.push({
        path: name,
        ...(await digestChunks(streamFile(join(path, name), { passing: true }), signal)),
      });
    const name = createHash('sha256').update(JSON.stringify(digests)).digest('hex').slice(0, 16);
    const stored = `submitted/${name}/${basename(path)}`;
    for (const file of digests)
      await upload(
        join(path, file.path),
        storage,
        file.path === '' ? stored : `${stored}/${file.path}`,
        file,
        {
          restricted,
          signal,
        },
      );
    bundles.push({ named: path, stored, files: digests });
  }
  return bundles;
}

async function upload(
  from: string,
  storage: Storage,
  to: string,
  { bytes }: { readonly bytes: number },
  { restricted, signal }: { readonly restricted: boolean; readonly signal: AbortSignal },
): Promise<void> {
  if ((await storage.size(to)) === bytes) return;
  await writeChunks(await storage.create(to, { restricted }), streamFile(from), signal);
}
