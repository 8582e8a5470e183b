import { randomBytes } from 'node:crypto';
import { GLEANER_VERSION, type Recipe } from '../config/index.ts';
import type { KnownContent } from '../safety/index.ts';
import type { DedupMemory } from '../stages/dedup.ts';
import type { FetchedShard } from '../stages/fetched-source.ts';
import { harvestFiles, releasedFiles } from '../stages/harvested.ts';
import type { ImageWatch } from '../stages/image-watch.ts';
import type { ReleaseFiles } from '../stages/released.ts';
import type { Seen } from '../stages/seen.ts';
import type { StageContext, StageResult } from '../stages/stage.ts';
import { readPairs } from '../stages/tables.ts';
import { openStorage, type Storage, streamFile, streamLocation } from '../storage/index.ts';
import { removedRows, runLedgers } from './accounting.ts';
import type { loadFetchEngines } from './ask-engines.ts';
import { CpuMeter } from './cpu-meter.ts';
import type { loadEngines } from './engines.ts';
import { fetchedShard, removeFetchedShard } from './fetched-apart.ts';
import { finishedManifest, type Manifest, manifestPath, readManifest, writeManifest } from './manifest.ts';
import { openSeen } from './open-seen.ts';
import type { SubsetSpec } from './plan-subset.ts';
import { type RunSpec, runFingerprint, stepsOfSubset } from './run-file.ts';
import { runStorage } from './staged-release.ts';
import { type ReleaseFileInfos, type Task, type TaskOf, taskFingerprint } from './task.ts';

/** How a task tells of itself while it runs. */
export interface TaskHooks {
  readonly signal: AbortSignal;
  /** Things (links, pairs, rows, files) done since the last call. */
  readonly progress: (done: number) => void;
  /** Bytes of input read since the last call, where the number of things is not known before. */
  readonly read: (bytes: number) => void;
  /** Of a harvest in a process that an image may end. */
  readonly watch?: ImageWatch;
}

/** Where and as a part of what tasks run. */
export interface TaskEnvironment {
  readonly spec: RunSpec;
  /** Folder of the run, or s3://BUCKET/PREFIX. */
  readonly root: string;
  /** Processes or threads that harvest side by side: they share the limits of each host. */
  readonly share: number;
  /** Of the run, where `spec` is only what its folder tells of it. @default that of `spec` */
  readonly fingerprint?: string;
  /** The recipe as it was given, where that of `spec` names copies of its lists: what a report tells of. @default that of `spec` */
  readonly given?: Recipe;
}

type Engines = Awaited<ReturnType<typeof loadEngines>>;
type FetchEngines = Awaited<ReturnType<typeof loadFetchEngines>>;

/** Runs the tasks of one run in this thread: engines are loaded with the first task that needs them, and kept. */
export class TaskRunner implements AsyncDisposable {
  readonly #environment: TaskEnvironment;
  readonly #storage: Storage;
  readonly #fingerprint: string;
  readonly #cpu: CpuMeter;
  #engines: Promise<Engines> | undefined;
  #fetchEngines: Promise<FetchEngines> | undefined;
  #knownUrls: Promise<KnownContent | undefined> | undefined;
  #seen: Promise<Seen[]> | undefined;
  /** Of a task of dedup for the next one; let go when another stage begins. */
  #dedupMemory: DedupMemory | undefined;

  /** @param cpu of all task runners of this process. @default there is no other */
  constructor(environment: TaskEnvironment, cpu = new CpuMeter()) {
    this.#cpu = cpu;
    this.#environment = environment;
    this.#storage = runStorage(environment.root);
    this.#fingerprint = environment.fingerprint ?? runFingerprint(environment.spec);
  }

  /** Runs one task to its manifest; where another attempt at it was quicker, to that one's. */
  async run(task: Task, hooks: TaskHooks): Promise<Manifest> {
    const began = performance.now();
    const endCpu = this.#cpu.begin();
    let cpuSeconds = 0;
    const ctx: StageContext = { storage: this.#storage, signal: hooks.signal, progress: hooks.progress };
    const path = manifestPath(task.stage, task.index);
    const fingerprint = taskFingerprint(this.#fingerprint, task);
    const before = await this.#storage.version(path);
    let result: StageResult;
    try {
      result = await this.#work(task, ctx, hooks);
    } catch (error) {
      // Who is done removes what nobody needs any more: what a slower attempt lacks then is no failure.
      if ((await this.#storage.version(path)) === before) throw error;
      const theirs = await finishedManifest(this.#storage, task.stage, task.index, fingerprint);
      if (theirs) return theirs;
      throw error;
    } finally {
      cpuSeconds = endCpu();
    }
    const seconds = (performance.now() - began) / 1000;
    const manifest = await writeManifest(
      this.#storage,
      { stage: task.stage, index: task.index, fingerprint, before },
      result,
      seconds,
      cpuSeconds,
    );
    const { apart, keepFetched } = this.#environment.spec;
    if (task.stage === 'harvest' && apart && !keepFetched)
      await removeFetchedShard(this.#storage, task.index);
    return manifest;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const loading of [this.#engines, this.#fetchEngines]) {
      const engines = await loading?.catch(() => undefined);
      await engines?.[Symbol.asyncDispose]();
    }
  }

  /** What was fetched of a task's pairs before, where a fleet plans both at once. */
  async #fetchedApart({ index, past }: TaskOf<'harvest'>): Promise<FetchedShard | undefined> {
    if (!this.#environment.spec.apart || past) return undefined;
    const manifest = await readManifest(this.#storage, manifestPath('fetch', index));
    return manifest && fetchedShard(manifest);
  }

  /** Lists of URLs and domains, read once for all tasks; nothing where the recipe names none. */
  #readKnownUrls(): Promise<KnownContent | undefined> {
    this.#knownUrls ??= (async () => {
      const { knownContent } = this.#environment.spec.recipe.safety;
      const lists = knownContent.filter(({ kind }) => kind === 'url' || kind === 'domain');
      if (lists.length === 0) return undefined;
      const { readKnownContent } = await import('../safety/known-content.ts');
      return readKnownContent(lists, streamFile);
    })();
    return this.#knownUrls;
  }

  /** The release of which a subset is made. */
  #parent(): { readonly subset: SubsetSpec; readonly parent: Storage } {
    const { subset } = this.#environment.spec;
    if (!subset) throw new Error('only a subset has a parent');
    return { subset, parent: openStorage(subset.parent.dir) };
  }

  /** Each stage is loaded when it is asked for: none waits for the libraries of another. */
  async #work(task: Task, ctx: StageContext, hooks: TaskHooks): Promise<StageResult> {
    const { recipe } = this.#environment.spec;
    if (task.stage !== 'dedup') this.#dedupMemory = undefined;
    switch (task.stage) {
      case 'extract': {
        const { extract } = await import('../stages/extract.ts');
        return extract(
          { wat: task.wat.path, index: task.index, buckets: task.buckets },
          { ...recipe.extract, known: await this.#readKnownUrls() },
          (path, options) => counted(streamLocation(path, { signal: hooks.signal, ...options }), hooks.read),
          ctx,
        );
      }
      case 'dedup': {
        const { DedupMemory, dedup } = await import('../stages/dedup.ts');
        this.#dedupMemory ??= new DedupMemory();
        this.#seen ??= Promise.all(this.#environment.spec.seen.map(({ path }) => openSeen(path)));
        return dedup(
          { bucket: task.index, buckets: task.buckets, pairFiles: task.pairs.map(({ path }) => path) },
          ctx,
          ctx.storage,
          await this.#seen,
          this.#dedupMemory,
        );
      }
      case 'fetch': {
        const { unique, rowStart, rowEnd } = task;
        const harvested = taskFingerprint(this.#fingerprint, { ...task, stage: 'harvest' });
        if (await finishedManifest(ctx.storage, 'harvest', task.index, harvested)) {
          ctx.progress(rowEnd - rowStart);
          return NOTHING_TO_FETCH;
        }
        const { fetchImages } = await import('../stages/fetch.ts');
        const { root, share, spec } = this.#environment;
        this.#fetchEngines ??= import('./ask-engines.ts').then(({ loadFetchEngines }) =>
          loadFetchEngines(spec, share, root),
        );
        const pairs = readPairs(ctx.storage, unique.path, rowStart, rowEnd);
        return fetchImages(
          attemptFolder('fetched', task),
          pairs,
          rowStart,
          recipe,
          await this.#fetchEngines,
          ctx,
        );
      }
      case 'harvest': {
        const { harvest } = await import('../stages/harvest.ts');
        this.#engines ??= import('./engines.ts').then(({ loadEngines }) =>
          loadEngines(this.#environment.spec, this.#environment.share, this.#environment.root),
        );
        const engines = await this.#engines;
        const folder = attemptFolder('harvest', task);
        const pairs = readPairs(ctx.storage, task.unique.path, task.rowStart, task.rowEnd);
        const fetched = task.fetched ?? (await this.#fetchedApart(task));
        if (fetched) {
          const { openFetched } = await import('../stages/fetched-source.ts');
          const { refuserOf } = await import('./ask-engines.ts');
          const images = await openFetched(ctx.storage, fetched, refuserOf(engines));
          try {
            return await harvest(folder, pairs, recipe, { ...engines, images }, ctx, hooks.watch);
          } finally {
            await images.close();
          }
        }
        if (!task.past) return harvest(folder, pairs, recipe, engines, ctx, hooks.watch);
        const { readPast } = await import('../stages/past.ts');
        const past = readPast(ctx.storage, harvestFiles(task.past.folder), pairs, new Set(task.past.reasons));
        return harvest(folder, past, recipe, engines, ctx, hooks.watch);
      }
      case 'near': {
        const { near } = await import('../stages/near/near.ts');
        const dimension = this.#environment.spec.model?.dimension ?? 0;
        const shards = task.shards.map(({ rows, folder }) => ({ rows, files: harvestFiles(folder) }));
        return near({ rules: task.rules, dimension, shards }, ctx);
      }
      case 'select': {
        const { selectRows } = await import('../stages/subset/select.ts');
        const { subset, parent } = this.#parent();
        return selectRows({ ...task, metadata: task.metadata.path }, subset, parent, ctx);
      }
      case 'release': {
        if (task.taken) {
          const { writeSubsetPart } = await import('../stages/subset/write-part.ts');
          const slices = task.taken.map(({ from, selected, start, end }) => ({
            from: pathsOf(from),
            ...{ selected: selected.path, start, end },
          }));
          const dimension = this.#environment.spec.model?.dimension ?? 0;
          const { subset, parent } = this.#parent();
          const like = subset.parent.parts[0]?.files.metadata.path ?? '';
          return writeSubsetPart({ ...task, dimension, slices, like }, parent, ctx);
        }
        const { release } = await import('../stages/release.ts');
        const dimension = this.#environment.spec.model?.dimension ?? 0;
        const shards = task.shards.map(({ firstRow, rows, folder, sha256, leftOut }) => {
          const files = harvestFiles(folder);
          return {
            firstRow,
            rows,
            files,
            sha256: new Map(releasedFiles(files).map((path, i) => [path, sha256[i] ?? ''])),
            ...(leftOut && { leftOut: leftOut.path }),
          };
        });
        const { removedUids } = await import('./tombstones.ts');
        const removed = await removedUids(ctx.storage);
        return release({ ...task, dimension, shards, removed }, ctx);
      }
      case 'trail': {
        const { releaseTrail } = await import('../stages/release.ts');
        if (task.inherited) {
          const { inheritTrail } = await import('../stages/subset/inherit-trail.ts');
          const { subset, parent } = this.#parent();
          const inherited = await inheritTrail(task.inherited, subset.parent.ledgers, parent, ctx);
          const own = await releaseTrail(task.dropped, ctx);
          return { ...inherited, files: [...inherited.files, ...own.files] };
        }
        const { unnamedInTrail } = await import('./trail-names.ts');
        const names = await unnamedInTrail(
          ctx.storage,
          this.#environment.spec,
          task.dropped,
          await this.#readKnownUrls(),
        );
        return releaseTrail(task.dropped, ctx, names);
      }
      case 'report': {
        const { model, subset } = this.#environment.spec;
        if (!model) throw new Error('a report needs a model');
        const { writeReport } = await import('../stages/report/index.ts');
        const ledgers = await runLedgers(ctx.storage);
        const files = await writeReport(ctx.storage, {
          gleaner: GLEANER_VERSION,
          recipe: this.#environment.given ?? recipe,
          model,
          ledgers,
          removed: await removedRows(ctx.storage),
          files: task.release,
          ...(subset && { subset: stepsOfSubset(subset) }),
        });
        ctx.progress(files.length);
        return { files, ledgers: {} };
      }
    }
  }
}

/** Of a shard that is harvested already, by an earlier start. */
const NOTHING_TO_FETCH: StageResult = { files: [], ledgers: {}, facts: { pairs: 0, images: 0, bytes: 0 } };

/**
 * A folder of its own for each attempt: two that race never write into one another's files, and the manifest says whose
 * are the ones that count.
 */
function attemptFolder(stage: 'fetched' | 'harvest', { index }: Task): string {
  return `${stage}/${String(index).padStart(5, '0')}-${randomBytes(6).toString('hex')}`;
}

function pathsOf(files: ReleaseFileInfos): ReleaseFiles {
  const { metadata, imageEmbeddings, textEmbeddings, images } = files;
  return {
    metadata: metadata.path,
    imageEmbeddings: imageEmbeddings.path,
    textEmbeddings: textEmbeddings.path,
    images: images.path,
  };
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  read: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    yield chunk;
    read(chunk.length);
  }
}
