import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Task } from '../../pipeline/index.ts';
import { GleanerError } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';

/** Longest part of a task, in bytes of JSON, that goes through the database; longer ones lie in the storage of the run. */
const MAX_INLINE_BYTES = 2_048;
/** Parts that are kept in memory: the tasks of dedup all have the same list. */
const KEPT_PARTS = 8;

const referenceSchema = z.strictObject({ $ref: z.string().regex(/^[0-9a-f]{64}$/) });

/** Makes tasks small enough for a database, however many files they name, and whole again. */
export class TaskPacker {
  readonly #storage: Storage;
  /** Digests of what was packed, by the list itself. */
  readonly #written = new WeakMap<object, string>();
  readonly #read = new Map<string, unknown>();

  /** @param storage of the run */
  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** The task as it goes through a queue: long lists are replaced by the names of files that hold them. */
  async pack(task: Task): Promise<Readonly<Record<string, unknown>>> {
    const packed: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(task))
      packed[key] = Array.isArray(value) ? await this.#put(value) : value;
    return packed;
  }

  /** The task that was packed. @throws GleanerError DAMAGED */
  async unpack(packed: unknown): Promise<Task> {
    const task: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(z.record(z.string(), z.unknown()).parse(packed))) {
      const reference = referenceSchema.safeParse(value);
      task[key] = reference.success ? await this.#get(reference.data.$ref) : value;
    }
    // Written by `pack` of this version: the database's schema and the run's fingerprint see to that.
    return task as unknown as Task;
  }

  async #put(list: readonly unknown[]): Promise<unknown> {
    const known = this.#written.get(list);
    if (known !== undefined) return { $ref: known };
    const text = JSON.stringify(list);
    if (text.length <= MAX_INLINE_BYTES) return list;
    const digest = createHash('sha256').update(text).digest('hex');
    await this.#storage.put(pathOf(digest), text);
    this.#written.set(list, digest);
    return { $ref: digest };
  }

  async #get(digest: string): Promise<unknown> {
    const kept = this.#read.get(digest);
    if (kept !== undefined) return kept;
    const bytes = await this.#storage.read(pathOf(digest));
    if (createHash('sha256').update(bytes).digest('hex') !== digest)
      throw new GleanerError('DAMAGED', {
        path: `${this.#storage.location}/${pathOf(digest)}`,
        problem: 'is not what its name says. Submit the run again.',
      });
    const list: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const [oldest] = this.#read.keys();
    if (this.#read.size >= KEPT_PARTS && oldest !== undefined) this.#read.delete(oldest);
    this.#read.set(digest, list);
    return list;
  }
}

function pathOf(digest: string): string {
  return `plan/${digest}.json`;
}
