import { AsyncLocalStorage } from 'node:async_hooks';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { INDEX_FILES } from '../stages/index-files.ts';
import { type OpenedIndex, type OpenIndexOptions, openIndex } from './opened-index.ts';

/** How often it is looked whether there is another index, in milliseconds: it is searched within a second. */
const LOOK_EVERY_MS = 250;

export interface LiveIndexOptions extends OpenIndexOptions {
  /** Told where another index cannot be opened; the one before is served on. @default standard error */
  readonly onError?: ((error: unknown) => void) | undefined;
  /** Throws where an index is none for this service. */
  readonly check?: (index: OpenedIndex) => void;
}

/** An index that is open, and who uses it. */
interface Held {
  readonly opened: OpenedIndex;
  users: number;
  /** Whether another has taken its place. */
  retired: boolean;
}

/**
 * The index of a run as it is now: `gleaner index` puts another in its place while the service runs, one that has more
 * (`addRelease`) or one made anew. It is opened beside the old one, which takes the memory of both for that time, and takes
 * its place for all that begins then; what has begun ends with the one that it began with, which is closed after the last.
 */
export class LiveIndex {
  /** The index of the request that asks (`hold`), the present one outside of any. */
  readonly index: OpenedIndex;
  readonly #dir: string;
  readonly #options: LiveIndexOptions;
  readonly #held = new AsyncLocalStorage<Held>();
  readonly #closing = new Set<Promise<void>>();
  #current: Held;
  /** The file that was looked at last, opened or refused. */
  #seen: bigint | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  private constructor(dir: string, options: LiveIndexOptions, opened: OpenedIndex) {
    this.#dir = dir;
    this.#options = options;
    this.#current = { opened, users: 0, retired: false };
    this.#seen = opened.table;
    this.index = indexOf(() => (this.#held.getStore() ?? this.#current).opened);
  }

  /** @throws GleanerError as `openIndex`, and what `check` throws */
  static async open(dir: string, options: LiveIndexOptions = {}): Promise<LiveIndex> {
    const opened = await openChecked(dir, options);
    const live = new LiveIndex(dir, options, opened);
    live.#timer = setInterval(() => live.#lookAgain(), LOOK_EVERY_MS).unref();
    return live;
  }

  /** Does some work with one index from beginning to end. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    const held = this.#current;
    held.users++;
    try {
      return await this.#held.run(held, work);
    } finally {
      held.users--;
      this.#closeUnused(held);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
    await this.#current.opened.close();
    await Promise.all(this.#closing);
  }

  #lookAgain(): void {
    this.#looking ??= this.#look()
      .catch(this.#options.onError ?? console.error)
      .finally(() => {
        this.#looking = undefined;
      });
  }

  async #look(): Promise<void> {
    // A takedown changes this file; only another index brings another one. What is open keeps its number.
    const found = await stat(join(this.#dir, INDEX_FILES.metadata), { bigint: true }).catch(() => undefined);
    if (!found || found.ino === this.#seen) return;
    this.#seen = found.ino;
    const opened = await openChecked(this.#dir, this.#options);
    this.#seen = opened.table;
    const before = this.#current;
    this.#current = { opened, users: 0, retired: false };
    before.retired = true;
    this.#closeUnused(before);
  }

  #closeUnused({ opened, users, retired }: Held): void {
    if (users > 0 || !retired) return;
    const closed = opened
      .close()
      .catch(this.#options.onError ?? console.error)
      .finally(() => this.#closing.delete(closed));
    this.#closing.add(closed);
  }
}

async function openChecked(dir: string, options: LiveIndexOptions): Promise<OpenedIndex> {
  const { onError, check, ...rest } = options;
  const opened = await openIndex(dir, onError, rest);
  try {
    check?.(opened);
    return opened;
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** An index that is whichever it is when it is asked. */
function indexOf(now: () => OpenedIndex): OpenedIndex {
  return {
    get name() {
      return now().name;
    },
    get summary() {
      return now().summary;
    },
    get contents() {
      return now().contents;
    },
    get table() {
      return now().table;
    },
    get image() {
      return now().image;
    },
    get text() {
      return now().text;
    },
    get fields() {
      return now().fields;
    },
    get captions() {
      return now().captions;
    },
    get rows() {
      return now().rows;
    },
    get images() {
      return now().images;
    },
    get map() {
      return now().map;
    },
    get storage() {
      return now().storage;
    },
    get removed() {
      return now().removed;
    },
    get recipe() {
      return now().recipe;
    },
    get hasMap() {
      return now().hasMap;
    },
    get hasReport() {
      return now().hasReport;
    },
    close: () => now().close(),
  };
}
