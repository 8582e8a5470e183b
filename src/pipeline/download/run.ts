import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { withSecrets } from '../../config/index.ts';
import { addLedgers, GleanerError, type Ledger, type Reason } from '../../schema/index.ts';
import { OWN_FOLDER, shardFiles } from '../../stages/download/layout.ts';
import { type DownloadOptions, shardName } from '../../stages/download/options.ts';
import { assertLocal, fileStorage, type Storage } from '../../storage/index.ts';
import { lockFolder } from '../lock.ts';
import { type Manifest, readManifest, wholeManifest } from '../manifest.ts';
import {
  beginPart,
  closePart,
  type DownloadPart,
  type DownloadSpec,
  type IncrementalMode,
  partFingerprint,
  readParts,
} from './run-file.ts';
import type { ShardEnvironment, ShardOrder, ShardResult } from './runner.ts';
import { commitShard, STAGED, settle, shardManifest } from './settle.ts';
import { cutShards, type ShardInput } from './shards.ts';
import type { ListColumns, UrlList } from './url-lists.ts';

/** Downloads shards somewhere: in processes of this machine, or on others. */
export interface ShardExecutor {
  /**
   * @param orders asked for one by one, as there is room for them
   * @param onDone called with each shard as it ends, and awaited
   * @returns shards that could not be downloaded, with what they failed by; the others are done then
   */
  execute(
    orders: AsyncIterable<ShardOrder>,
    environment: Omit<ShardEnvironment, 'share'>,
    hooks: { readonly signal: AbortSignal; readonly progress: (done: number) => void },
    onDone: (order: ShardOrder, result: ShardResult) => Promise<void>,
  ): Promise<readonly { readonly index: number; readonly problem: string }[]>;
}

export interface DownloadProgress {
  /** URLs done since this start. */
  readonly done: number;
  /** Share of all URLs that is done, those of earlier starts included, 0 to 1; about, while the lists are being read. */
  readonly share: number;
  readonly finished: boolean;
}

/** What a download has come to. */
export interface DownloadSummary {
  readonly ledger: Ledger;
  readonly shards: number;
  /** Shards that this start had to do. */
  readonly done: number;
}

interface Common {
  /** Folder of the download. */
  readonly root: string;
  readonly executor: ShardExecutor;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

export interface DownloadRunOptions extends Common {
  readonly spec: DownloadSpec;
  readonly lists: readonly UrlList[];
  readonly columns: ListColumns;
  /** @default 'incremental' */
  readonly mode?: IncrementalMode;
}

/**
 * Downloads what lists name, or goes on where an earlier start was stopped: shards that are done are not touched.
 * @throws GleanerError RUN_MISMATCH, RUN_LOCKED, TASK_FAILED where a shard could not be downloaded, and what lists throw
 */
export async function runDownload(options: DownloadRunOptions): Promise<DownloadSummary> {
  const { spec, lists, columns, mode = 'incremental' } = options;
  return inFolder(options, async (storage) => {
    if (mode === 'overwrite') await removeDownload(storage);
    const part = await beginPart(storage, spec, lists, columns, mode === 'extend' ? 'extend' : 'incremental');
    const meter = new Meter(
      lists.reduce((sum, { bytes }) => sum + bytes, 0),
      options.onProgress,
    );
    const shards: number[] = [];
    const fingerprints = new Map<number, string>();
    const orders = async function* (): AsyncGenerator<ShardOrder> {
      const cut = {
        columns,
        types: spec.options.columns,
        samplesPerShard: spec.options.samplesPerShard,
        first: part.first,
      };
      const read = (bytes: number, rows: number) => meter.read(bytes, rows);
      for await (const shard of cutShards(lists, cut, { signal: options.signal, read })) {
        shards.push(shard.index);
        const fingerprint = shardFingerprint(part, shard);
        if (await wholeManifest(storage, shardManifest(shard.index, part.options), fingerprint)) {
          meter.before(shard.rows);
          continue;
        }
        fingerprints.set(shard.index, fingerprint);
        yield {
          index: shard.index,
          work: { kind: 'fetch', values: shard.values },
          suspects: [],
          fatal: [],
        };
      }
      meter.whole();
    };
    const failed = await execute(options, part, orders(), storage, meter, (index) => fingerprints.get(index));
    if (part.shards === null) await closePart(storage, part, shards.length);
    meter.finish();
    return summarize(storage, part.options, shards, fingerprints.size, failed);
  });
}

export interface RetryRunOptions extends Common {
  readonly reasons: readonly Reason[];
}

/**
 * Fetches again what failed for some reasons, and writes the shards anew that it concerns: what they held stays, in its
 * place, so that they become what one good run gives.
 * @throws GleanerError RUN_NOT_FOUND, RUN_LOCKED, TASK_FAILED
 */
export async function retryDownload(options: RetryRunOptions): Promise<DownloadSummary> {
  return inFolder(options, async (storage) => {
    const parts = await readParts(storage);
    if (parts.length === 0)
      throw new GleanerError('RUN_NOT_FOUND', {
        path: options.root,
        what: 'run or download',
        hint: "Give the --out of 'gleaner run' or of 'gleaner download'.",
      });
    const meter = new Meter(0, options.onProgress);
    const summaries: DownloadSummary[] = [];
    for (const part of parts) {
      const due: number[] = [];
      const all: number[] = [];
      const fingerprints = new Map<number, string>();
      for (let index = part.first; part.shards === null || index < part.first + part.shards; index++) {
        const path = shardManifest(index, part.options);
        const manifest = await readManifest(storage, path);
        if (!manifest && part.shards === null) break;
        all.push(index);
        const dropped: Readonly<Record<string, number>> = manifest?.ledgers.download?.dropped ?? {};
        if (!options.reasons.some((reason) => dropped[reason])) continue;
        if (!(await wholeManifest(storage, path))) throw damaged(storage, index, part.options);
        due.push(index);
        fingerprints.set(index, manifest?.fingerprint ?? '');
        meter.expect(Number(manifest?.facts.rows ?? 0));
      }
      const orders = async function* (): AsyncGenerator<ShardOrder> {
        for (const index of due)
          yield { index, work: { kind: 'retry', reasons: options.reasons }, suspects: [], fatal: [] };
      };
      const known = { ...part, recipe: due.length > 0 ? withSecrets(part.recipe) : part.recipe };
      const failed = await execute(options, known, orders(), storage, meter, (index) =>
        fingerprints.get(index),
      );
      summaries.push(await summarize(storage, part.options, all, due.length, failed));
    }
    meter.finish();
    return {
      ledger: addLedgers(summaries.map(({ ledger }) => ledger)),
      shards: summaries.reduce((sum, { shards }) => sum + shards, 0),
      done: summaries.reduce((sum, { done }) => sum + done, 0),
    };
  });
}

/** Works in a folder that nobody else works in, and from which the rests of killed processes are taken first. */
async function inFolder<T>({ root }: Common, work: (storage: Storage) => Promise<T>): Promise<T> {
  assertLocal(root);
  await mkdir(root, { recursive: true });
  const unlock = await lockFolder(root);
  try {
    const storage = fileStorage(root);
    await settle(storage);
    const result = await work(storage);
    await storage.remove(STAGED);
    // A process of a start that was killed may have written there until it noticed.
    await fileStorage(join(root, OWN_FOLDER)).sweep();
    return result;
  } finally {
    await unlock();
  }
}

async function execute(
  { root, executor, signal }: Common,
  part: DownloadPart,
  orders: AsyncIterable<ShardOrder>,
  storage: Storage,
  meter: Meter,
  fingerprintOf: (index: number) => string | undefined,
): Promise<readonly { readonly index: number; readonly problem: string }[]> {
  const { options } = part;
  return executor.execute(
    orders,
    { root, spec: part },
    { signal, progress: (done) => meter.progress(done) },
    async ({ index }, { folder, result, seconds }) => {
      const fingerprint = fingerprintOf(index);
      if (fingerprint === undefined) throw new Error(`shard ${index} was not asked for`);
      await commitShard(storage, { index, folder, fingerprint }, options, result, seconds);
    },
  );
}

function shardFingerprint(part: DownloadPart, { index, sha256 }: ShardInput): string {
  return createHash('sha256')
    .update(`${partFingerprint(part)} ${index} ${sha256}`)
    .digest('hex');
}

async function summarize(
  storage: Storage,
  options: DownloadOptions,
  shards: readonly number[],
  done: number,
  failed: readonly { readonly index: number; readonly problem: string }[],
): Promise<DownloadSummary> {
  const [first] = failed;
  if (first) {
    const more = failed.length > 1 ? ` And ${failed.length - 1} more; all others are done.` : '';
    const task = `download/${shardName(first.index, options)}`;
    throw new GleanerError('TASK_FAILED', { task, problem: `${first.problem}${more}` });
  }
  const ledgers: Ledger[] = [];
  for (const index of shards) {
    const manifest: Manifest | undefined = await readManifest(storage, shardManifest(index, options));
    if (manifest?.ledgers.download) ledgers.push(manifest.ledgers.download);
  }
  return { ledger: addLedgers(ledgers), shards: shards.length, done };
}

/** Removes what downloads have written here, and nothing else. */
async function removeDownload(storage: Storage): Promise<void> {
  for (const { first, shards, options } of await readParts(storage))
    for (let index = first; shards === null || index < first + shards; index++) {
      const files = shardFiles(index, options);
      const manifest = await readManifest(storage, shardManifest(index, options));
      if (!manifest && shards === null) break;
      for (const path of [files.parquet, files.stats, files.images]) if (path) await storage.remove(path);
    }
  await storage.remove(OWN_FOLDER);
}

function damaged(storage: Storage, index: number, options: DownloadOptions): GleanerError {
  return new GleanerError('DAMAGED', {
    path: `${storage.location}/${shardFiles(index, options).parquet}`,
    problem: "is not as its manifest says. Start the same 'gleaner download' again first.",
  });
}

/** It is not all done before it is: the last answers may take long, and what is expected is an estimate. */
const MOST_OF_ALL = 0.99;

/** Reports at most ten times a second. */
class Meter {
  static readonly #INTERVAL_MS = 100;
  readonly #bytes: number;
  readonly #report: ((progress: DownloadProgress) => void) | undefined;
  #bytesBefore = 0;
  #expected = 0;
  #done = 0;
  #before = 0;
  #rows = 0;
  #reported = 0;

  /** @param bytes of all lists, 0 where it is not known */
  constructor(bytes: number, report: Common['onProgress']) {
    this.#bytes = bytes;
    this.#report = report;
  }

  /**
   * As many rows are in what is still to be read, about, as were in what has been: the rows so far were in the pieces
   * before this one.
   */
  read(bytes: number, rows: number): void {
    this.#rows = rows;
    if (rows > 0 && this.#bytesBefore > 0)
      this.#expected = (rows * Math.max(bytes, this.#bytes)) / this.#bytesBefore;
    this.#bytesBefore = bytes;
  }

  /** All is read: what is expected is what there was. */
  whole(): void {
    this.#expected = Math.max(this.#rows, this.#done + this.#before);
  }

  before(rows: number): void {
    this.#before += rows;
  }

  expect(rows: number): void {
    this.#expected += rows;
  }

  progress(done: number): void {
    this.#done += done;
    if (performance.now() - this.#reported >= Meter.#INTERVAL_MS) this.#emit(false);
  }

  finish(): void {
    this.#emit(true);
  }

  #emit(finished: boolean): void {
    this.#reported = performance.now();
    const known = this.#done + this.#before;
    const share = finished ? 1 : this.#expected > 0 ? Math.min(MOST_OF_ALL, known / this.#expected) : 0;
    this.#report?.({ done: this.#done, share, finished });
  }
}
