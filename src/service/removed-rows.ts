import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { namedTombstones } from '../pipeline/index.ts';
import { TOMBSTONES_FILE, Tombstones } from '../safety/index.ts';
import { INDEX_FILES } from '../stages/index-files.ts';
import { readRemoved } from '../stages/unindex.ts';
import { fileStorage } from '../storage/index.ts';
import type { RowStore } from './row-store.ts';

/** How often it is looked whether something was taken down, in milliseconds: it is gone from answers within a second. */
const LOOK_EVERY_MS = 250;

/**
 * The rows that a service may not show: what was taken down before it began, and what `gleaner remove` takes down while
 * it runs. A row never comes back.
 */
export class RemovedRows {
  readonly #dir: string;
  readonly #rows: RowStore;
  readonly #ids = new Set<number>();
  readonly #onError: (error: unknown) => void;
  /** Of the table of rows that the service has open: `gleaner index` may put another in its place. */
  readonly #table: bigint | undefined;
  #seen = '';
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  private constructor(
    dir: string,
    rows: RowStore,
    onError: (error: unknown) => void,
    table: bigint | undefined,
  ) {
    this.#dir = dir;
    this.#rows = rows;
    this.#onError = onError;
    this.#table = table;
  }

  /**
   * @param rows that the service has open
   * @param onError told where what was taken down cannot be read; what was known before stays hidden
   * @throws GleanerError DAMAGED where it cannot be read at the beginning
   */
  static async open(dir: string, rows: RowStore, onError: (error: unknown) => void): Promise<RemovedRows> {
    const table = await stateOf(join(dir, INDEX_FILES.metadata));
    const removed = new RemovedRows(dir, rows, onError, table?.ino);
    await removed.#look();
    removed.#timer = setInterval(() => removed.#lookAgain(), LOOK_EVERY_MS).unref();
    return removed;
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

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
    const mine = (await stateOf(join(this.#dir, INDEX_FILES.metadata)))?.ino === this.#table;
    // The numbers of another index are not this one's: there rows are found by what they are.
    const path = join(this.#dir, mine ? INDEX_FILES.removed : TOMBSTONES_FILE);
    const state = await stateOf(path);
    const seen = state ? `${path} ${state.ino} ${state.mtimeNs} ${state.size}` : '';
    if (seen === this.#seen) return;
    if (state && mine) for (const id of (await readRemoved(fileStorage(this.#dir))).ids) this.#ids.add(id);
    else if (state) {
      const tombstones = new Tombstones(await namedTombstones(this.#dir));
      for await (const { id, row } of this.#rows.all())
        if (
          tombstones.names({ uid: row.uid, url: row.URL, page_url: row.page_url }) ||
          tombstones.hasSha256(row.sha256)
        )
          this.#ids.add(id);
    }
    this.#seen = seen;
  }
}

async function stateOf(path: string) {
  return stat(path, { bigint: true }).catch(() => undefined);
}
