import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ImageSource } from '../../fetcher/index.ts';
import type { BodyThreads } from '../../image/body-threads.ts';
import { type KnownContent, readKnownContent } from '../../safety/known-content.ts';
import { Turnstile } from '../../stages/budget.ts';
import type { SampleRecord } from '../../stages/download/columns.ts';
import { type DownloadEngines, downloadShard, type ShardRow } from '../../stages/download/download.ts';
import { shardFiles } from '../../stages/download/layout.ts';
import type { MadeImage } from '../../stages/download/make-image.ts';
import { type DownloadOptions, shardName } from '../../stages/download/options.ts';
import { readStoredSamples } from '../../stages/download/stored.ts';
import { Intake } from '../../stages/intake.ts';
import { readKnownContent as readKnownContentReport } from '../../stages/known-content.ts';
import type { StageResult } from '../../stages/stage.ts';
import { fileStorage, Shelf, ShelfRoom, type Storage, streamFile } from '../../storage/index.ts';
import { openWeb } from '../open-web.ts';
import { startImageThreads } from './image-threads.ts';
import type { DownloadSpec } from './run-file.ts';
import { STAGED } from './settle.ts';

/** What is to be done of one shard: plain data, for another process. */
export interface ShardOrder {
  readonly index: number;
  readonly work:
    | { readonly kind: 'fetch'; readonly values: readonly (readonly SampleRecord[string][])[] }
    /** Fetches again what failed for these reasons; all else stays as it is. */
    | { readonly kind: 'retry'; readonly reasons: readonly string[] };
  /** Rows whose image was worked on when a worker died. */
  readonly suspects: readonly number[];
  /** Rows whose image ended a worker, by itself. */
  readonly fatal: readonly number[];
}

/** Where and as a part of what shards are downloaded. */
export interface ShardEnvironment {
  readonly spec: DownloadSpec;
  /** Folder of the download. */
  readonly root: string;
  /** Processes that download side by side: they share the limits of each host. */
  readonly share: number;
}

/** How a shard tells of itself while it is worked on. */
export interface ShardHooks {
  readonly signal: AbortSignal;
  /** URLs done since the last call. */
  readonly progress: (done: number) => void;
  /** All URLs of the shard are begun: there is room for another shard. */
  readonly hungry: () => void;
  readonly journal: DownloadEngines['journal'];
}

export interface ShardResult {
  /** Where the files lie. */
  readonly folder: string;
  readonly result: StageResult;
  readonly seconds: number;
}

/** Images that wait in memory for those before them, in bytes; more of them wait on disk. */
const SHELF_BYTES = 8 << 20;

/** Downloads shards in this process, with one source for all of them. */
export class ShardRunner implements AsyncDisposable {
  readonly #environment: ShardEnvironment;
  readonly #storage: Storage;
  readonly #images: ImageSource;
  /** But for perceptual hashes, which the threads have. */
  readonly #known: KnownContent | undefined;
  readonly #intake: Intake;
  readonly #room = new ShelfRoom(SHELF_BYTES);
  readonly #threads: BodyThreads<MadeImage>;
  readonly #turnstile: Turnstile;

  private constructor(environment: ShardEnvironment, images: ImageSource, known: KnownContent | undefined) {
    const { spec, root, share } = environment;
    const { knownContent } = spec.recipe.safety;
    this.#environment = environment;
    this.#storage = fileStorage(root);
    this.#images = images;
    this.#known = known;
    const threads = Math.max(1, Math.round(availableParallelism() / share));
    this.#threads = startImageThreads(threads, {
      options: spec.options,
      recipe: spec.recipe.image,
      knownPictures: knownContent.filter(({ kind }) => kind === 'phash'),
    });
    this.#intake = new Intake(spec.recipe.fetch, share);
    // The next image waits beside each thread.
    this.#turnstile = new Turnstile(2 * threads);
  }

  /** @throws GleanerError USAGE for a recipe that cannot be, and for a crawl of the open web without a contact */
  static async open(environment: ShardEnvironment): Promise<ShardRunner> {
    const { spec, share } = environment;
    const { fetch, safety } = spec.recipe;
    const lists = safety.knownContent.filter(({ kind }) => kind !== 'phash');
    const known = lists.length > 0 ? await readKnownContent(lists, streamFile) : undefined;
    const images = await openWeb(fetch, spec.allowHosts, share, known?.refuseUrl);
    return new ShardRunner(environment, images, known);
  }

  /** Downloads one shard into a folder of its own. */
  async run(order: ShardOrder, hooks: ShardHooks): Promise<ShardResult> {
    const began = performance.now();
    const { options } = this.#environment.spec;
    const folder = `${STAGED}/${shardName(order.index, options)}-${randomBytes(6).toString('hex')}`;
    const rows = this.#rows(order, options, hooks.hungry);
    const result = await downloadShard(
      {
        index: order.index,
        folder,
        suspects: new Set(order.suspects),
        fatal: new Set(order.fatal),
      },
      rows,
      options,
      {
        images: this.#images,
        known: this.#known,
        make: (body) => this.#threads.run(body),
        intake: this.#intake,
        shelf: () => new Shelf(this.#room, join(this.#environment.root, STAGED)),
        turnstile: this.#turnstile,
        journal: hooks.journal,
      },
      { storage: this.#storage, signal: hooks.signal, progress: hooks.progress },
    );
    return { folder, result, seconds: (performance.now() - began) / 1000 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#images.close();
    await this.#threads[Symbol.asyncDispose]();
  }

  async *#rows(
    { index, work }: ShardOrder,
    options: DownloadOptions,
    hungry: () => void,
  ): AsyncGenerator<ShardRow> {
    const { columns } = options;
    if (work.kind === 'fetch') {
      const rows = work.values[0]?.length ?? 0;
      for (let row = 0; row < rows; row++) {
        const input: Record<string, SampleRecord[string]> = {};
        for (let c = 0; c < columns.length; c++)
          input[columns[c]?.name ?? ''] = work.values[c]?.[row] ?? null;
        yield { input };
      }
    } else {
      const reasons = new Set<unknown>(work.reasons);
      const { knownContent } = shardFiles(index, options);
      const known = new Map<string, string>();
      for await (const { id, detail } of readKnownContentReport(this.#storage, knownContent))
        known.set(id, detail);
      for await (const sample of readStoredSamples(this.#storage, index, options)) {
        const stored = { ...sample, known: known.get(String(sample.record.key)) };
        const input = Object.fromEntries(columns.map(({ name }) => [name, stored.record[name] ?? null]));
        yield reasons.has(stored.record.reason) ? { input } : { input, stored };
      }
    }
    hungry();
  }
}
