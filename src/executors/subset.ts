import { readdir } from 'node:fs/promises';
import { relative, resolve, sep } from 'node:path';
import { withSecrets } from '../config/index.ts';
import { readParent, readRunFile, runStages, type StageProgress } from '../pipeline/index.ts';
import { TOMBSTONES_FILE } from '../safety/tombstones.ts';
import { GleanerError } from '../schema/index.ts';
import { SPLIT_FILE } from '../stages/split/split-table.ts';
import { findCut } from '../stages/subset/draw.ts';
import type { SubsetStep } from '../stages/subset/step.ts';
import { digestChunks, openStorage, type Storage } from '../storage/index.ts';
import { localExecutor } from './local.ts';

/** A release that is made of another's, by what a user names. */
export interface SubsetOptions {
  /** Folder of a finished run. */
  readonly dir: string;
  /** Folder of the subset; made where there is none, gone on with where there is one. */
  readonly out: string;
  /** What would stand behind SQL's WHERE, over the columns of the metadata: see `parseCondition`. */
  readonly where?: string;
  /** How many pairs are drawn, of those that fulfil the condition. */
  readonly sample?: number;
  /** Only pairs that `splitRun` has dealt to the split of that name. */
  readonly split?: string;
  /** Decides which. @default 0 */
  readonly seed?: number;
  /** Threads. @default the number of cores */
  readonly workers?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StageProgress) => void;
}

/**
 * Makes a release of some pairs of another: metadata, embeddings, images, trail and report, as a run leaves them. The
 * order of the pairs stays, SAMPLE_IDs are numbered anew. Stopped at any moment, the same call goes on to the same bytes.
 *
 * @throws GleanerError RUN_NOT_FOUND, USAGE, SUBSET_EMPTY, RUN_MISMATCH, DAMAGED
 */
export async function subsetRun(options: SubsetOptions): Promise<void> {
  const { dir, out, where = null, workers, signal = new AbortController().signal, onProgress } = options;
  const sample = options.sample === undefined ? null : { size: options.sample, seed: options.seed ?? 0 };
  if (where === null && sample === null && options.split === undefined)
    throw new GleanerError('USAGE', {
      problem: "give '--where <condition>', '--sample <n>', '--split <name>', or several of them.",
    });
  if (sample === null && options.seed !== undefined)
    throw new GleanerError('USAGE', { problem: "'--seed' goes with '--sample'." });
  refuseNested(dir, out);
  const { parent, run } = await readParent(dir);
  await refuseOccupied(out);
  const paths = parent.parts.map(({ files }) => files.metadata.path);
  const storage = openStorage(parent.dir);
  const split = options.split === undefined ? undefined : await findSplit(storage, options.split);
  const chosen = { where, sample, ...(split && { split }) };
  const cut = await findCut(storage, paths, chosen, { signal, progress: () => undefined });
  await inheritTombstones(parent.dir, out);
  const { wats, images, seen, model, modelDir, provider } = run;
  await runStages({
    root: out,
    spec: {
      recipe: withSecrets(run.recipe),
      ...{ wats, images, seen, model, modelDir, provider },
      categories: null,
      blocklists: {},
      subset: { parent, ...chosen, cut },
    },
    executor: localExecutor({ ...(workers !== undefined && { workers }) }),
    signal,
    ...(onProgress && { onProgress }),
  });
  if ((await readParent(dir)).parent.sha256 !== parent.sha256)
    throw new GleanerError('DAMAGED', {
      path: dir,
      problem: `changed while a subset was made of it. Remove ${out} and make it again.`,
    });
}

/** Names a split by what the parent has. @throws GleanerError RUN_NOT_FOUND where it was not split */
async function findSplit(storage: Storage, name: string): Promise<NonNullable<SubsetStep['split']>> {
  if ((await storage.size(SPLIT_FILE)) === undefined)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'split',
      hint: `Make one with 'gleaner split'.`,
    });
  return { name, sha256: (await digestChunks(storage.stream(SPLIT_FILE, { passing: true }))).sha256 };
}

/** What was taken down stays so: the tombstones of a run lie beside its release, and go on with whatever is made of it. */
async function inheritTombstones(dir: string, out: string): Promise<void> {
  const [from, to] = [openStorage(dir), openStorage(out)];
  if ((await from.size(TOMBSTONES_FILE)) === undefined || (await readRunFile(to)) !== undefined) return;
  // Where the subset has some of its own they are more, and stay.
  await to.put(TOMBSTONES_FILE, await from.read(TOMBSTONES_FILE), { ifAbsent: true });
}

/** One within the other: removing the one would remove the other, and so would a run that tidies up. */
function refuseNested(dir: string, out: string): void {
  const [from, to] = [resolve(dir), resolve(out)];
  const within = (inner: string, outer: string) => {
    const path = relative(outer, inner);
    return path === '' || !(path === '..' || path.startsWith(`..${sep}`) || resolve(path) === path);
  };
  if (within(to, from) || within(from, to))
    throw new GleanerError('USAGE', {
      problem: `--out ${out}: is ${to === from ? 'the release itself' : `inside ${within(to, from) ? dir : `it, or around ${dir}`}`}. Name a folder beside it.`,
    });
}

/** A folder with something in it that is no run is somebody's. */
async function refuseOccupied(out: string): Promise<void> {
  const storage = openStorage(out);
  // A run is known by one question; all that lies below a prefix may be much to list.
  if (await readRunFile(storage)) return;
  const names = storage.kind === 's3' ? await storage.list('') : await namesIn(out);
  // What a start leaves that was killed before it wrote run.json.
  const others = names.filter((name) => !name.startsWith('.') && name !== TOMBSTONES_FILE);
  if (others.length > 0)
    throw new GleanerError('USAGE', {
      problem: `--out ${out}: holds something else (${others[0]}). Name a new folder, or one that this command began.`,
    });
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
}
