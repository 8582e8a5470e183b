import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { namedTombstones, REPORTS_FILE, readReports } from '../pipeline/index.ts';
import { TOMBSTONES_FILE, Tombstones } from '../safety/tombstones.ts';
import { INDEX_FILES, type IndexSource } from '../stages/index-files.ts';
import { readRemoved } from '../stages/unindex.ts';
import { fileStorage } from '../storage/index.ts';
import type { ReleasedRow } from './row-store.ts';

/** How often it is looked whether something was taken down, in milliseconds: it is gone from answers within a second. */
const LOOK_EVERY_MS = 250;

export interface RemovedRowsOptions {
  /** Whether rows of which a report is open are not shown until it is handled. @default false */
  readonly hideReported?: boolean | undefined;
}

/** Where rows came from that were added, and which they are. */
type Source = Pick<IndexSource, 'path' | 'first' | 'rows'>;

/**
 * The rows that a service may not show: what was taken down before it began, and what `gleaner remove` takes down while
 * it runs. Tombstones are the first that a takedown leaves: by them a row is not shown before it is known which numbers
 * go, which takes as long as reading the table of rows. A row never comes back.
 */
export class RemovedRows {
  readonly #dir: string;
  readonly #onError: (error: unknown) => void;
  /** Of the table of rows that the service has open: `gleaner index` may put another in its place. */
  readonly table: bigint | undefined;
  readonly #ids = new Set<number>();
  readonly #hideReported: boolean;
  #tombstones = new Tombstones();
  /** What was taken down where rows came from is not shown here either. */
  readonly #sources: (Source & { tombstones: Tombstones })[];
  /** uids of rows that wait for the operator: these may come back. */
  #reported: ReadonlySet<string> = new Set();
  /** States of the files that were read last, by their paths. */
  readonly #read = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  private constructor(
    dir: string,
    onError: (error: unknown) => void,
    table: bigint | undefined,
    hideReported: boolean,
    sources: readonly Source[],
  ) {
    this.#hideReported = hideReported;
    this.#dir = dir;
    this.#onError = onError;
    this.table = table;
    this.#sources = sources.map((source) => ({ ...source, tombstones: new Tombstones() }));
  }

  /**
   * @param onError told where what was taken down cannot be read; what was known before stays hidden
   * @throws GleanerError DAMAGED where it cannot be read at the beginning
   */
  static async open(
    dir: string,
    onError: (error: unknown) => void,
    { hideReported = false, sources = [] }: RemovedRowsOptions & { sources?: readonly Source[] } = {},
  ): Promise<RemovedRows> {
    const removed = new RemovedRows(dir, onError, await tableOf(dir), hideReported, sources);
    await removed.#look();
    removed.#timer = setInterval(() => removed.#lookAgain(), LOOK_EVERY_MS).unref();
    return removed;
  }

  /** Whether a row is known by its number to be gone. */
  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** Whether a row was taken down, or is not to be shown until a report is handled, by what it says. */
  names({ uid, URL: url, page_url, sha256 }: ReleasedRow, id: number): boolean {
    if (this.#reported.has(uid)) return true;
    const source = this.#sources.findLast(({ first, rows }) => id >= first && id < first + rows);
    return [this.#tombstones, source?.tombstones].some(
      (tombstones) => tombstones?.names({ uid, url, page_url }) || tombstones?.hasSha256(sha256),
    );
  }

  /** The numbers of rows that are known to be gone. */
  get ids(): Iterable<number> {
    return this.#ids;
  }

  /** How many these are. */
  get size(): number {
    return this.#ids.size;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  #lookAgain(): void {
    this.#looking ??= this.#look()
      .catch(this.#onError)
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #look(): Promise<void> {
    await this.#whenChanged(TOMBSTONES_FILE, async () => {
      this.#tombstones = new Tombstones(await namedTombstones(this.#dir));
    });
    for (const source of this.#sources)
      await this.#whenChanged(join(source.path, TOMBSTONES_FILE), async () => {
        source.tombstones = new Tombstones(await namedTombstones(join(this.#dir, source.path)));
      });
    if (this.#hideReported)
      await this.#whenChanged(REPORTS_FILE, async () => {
        this.#reported = new Set((await readReports(this.#dir)).open.map(({ uid }) => uid));
      });
    await this.#whenChanged(INDEX_FILES.removed, async () => {
      // The numbers of another index are not this one's.
      if ((await tableOf(this.#dir)) !== this.table) return;
      for (const id of (await readRemoved(fileStorage(this.#dir))).ids) this.#ids.add(id);
    });
  }

  async #whenChanged(path: string, read: () => Promise<void>): Promise<void> {
    const state = await stateOf(join(this.#dir, path));
    const now = state ? `${state.ino} ${state.mtimeNs} ${state.size}` : '';
    // One that is gone brings nothing back.
    if (!state || now === this.#read.get(path)) return;
    await read();
    this.#read.set(path, now);
  }
}

/** The number of the file of the table of rows, by which one index is told from another. */
export async function tableOf(dir: string): Promise<bigint | undefined> {
  return (await stateOf(join(dir, INDEX_FILES.metadata)))?.ino;
}

async function stateOf(path: string) {
  return stat(path, { bigint: true }).catch(() => undefined);
}
