import type { Database } from '../database.ts';
import type { BundleCache } from './bundle-cache.ts';
import { copyRun, type RunCopy } from './run-copy.ts';

/** A copy that nobody has asked for in so long is read again: what a run was submitted with may have changed. In milliseconds. */
const KEPT_MS = 60_000;
/** A run that this machine cannot do is left to others for so long, in milliseconds. */
const LEFT_MS = 300_000;

/** The runs that a worker has to do with: those that it works on, and those that it leaves to others for a while. */
export class RunCopies {
  readonly #database: Database;
  readonly #cache: BundleCache;
  readonly #copies = new Map<string, { readonly copy: Promise<RunCopy>; usedMs: number }>();
  readonly #left = new Map<string, number>();
  readonly #end = new AbortController();

  constructor(database: Database, cache: BundleCache) {
    this.#database = database;
    this.#cache = cache;
  }

  /** @throws as `copyRun` */
  async of(id: string): Promise<RunCopy> {
    const now = performance.now();
    for (const [other, { usedMs }] of this.#copies) if (now - usedMs > KEPT_MS) this.#copies.delete(other);
    const known = this.#copies.get(id) ?? {
      copy: copyRun(this.#database, id, this.#cache, this.#end.signal),
      usedMs: now,
    };
    this.#copies.set(id, known);
    known.usedMs = now;
    try {
      return await known.copy;
    } catch (error) {
      this.#copies.delete(id);
      throw error;
    }
  }

  /** Where a run lies, if it was brought here. */
  async locationOf(id: string): Promise<string | undefined> {
    const copy = await this.#copies.get(id)?.copy.catch(() => undefined);
    return copy?.environment.root;
  }

  /** Stops what is being brought here. */
  end(reason: Error): void {
    this.#end.abort(reason);
  }

  /** This machine cannot do that run, now. @returns whether that is new */
  leave(id: string): boolean {
    const known = this.#left.has(id);
    this.#left.set(id, performance.now() + LEFT_MS);
    return !known;
  }

  /** Runs of which nothing is taken now. */
  get left(): readonly string[] {
    const now = performance.now();
    return [...this.#left].filter(([, until]) => until > now).map(([id]) => id);
  }
}
