import { GleanerError } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';
import { type MetadataRow, readGroups } from '../subset/draw.ts';

/**
 * The rows of a release in its order, with some columns, one at a time: a release stands in the order of its uids, so two
 * of them are compared by walking both.
 */
export class UidRows implements AsyncDisposable {
  readonly #groups: AsyncGenerator<readonly MetadataRow[], void, undefined>;
  #group: readonly MetadataRow[] = [];
  #at = 0;
  #uid = '';
  #location: string;

  private constructor(storage: Storage, paths: readonly string[], names: readonly string[]) {
    this.#location = storage.location;
    this.#groups = readAll(storage, paths, names);
  }

  /** @param names columns, `uid` among them */
  static async open(storage: Storage, paths: readonly string[], names: readonly string[]): Promise<UidRows> {
    const rows = new UidRows(storage, paths, names);
    await rows.#fill();
    return rows;
  }

  /** The row that is looked at; undefined at the end. */
  get row(): MetadataRow | undefined {
    return this.#group[this.#at];
  }

  /** Its uid; above all others at the end. */
  get uid(): string {
    return this.#uid;
  }

  /** Goes on to the next row; synchronous but at the end of a row group. @throws GleanerError DAMAGED where it is out of order */
  async next(): Promise<void> {
    const before = this.#uid;
    this.#at++;
    await this.#fill();
    if (this.#uid <= before)
      throw new GleanerError('DAMAGED', {
        path: this.#location,
        problem: `its rows are not in the order of their uids (${this.#uid} after ${before}).`,
      });
  }

  async #fill(): Promise<void> {
    while (this.#at >= this.#group.length) {
      const next = await this.#groups.next();
      if (next.done) {
        this.#group = [];
        this.#uid = END;
        return;
      }
      this.#group = next.value;
      this.#at = 0;
    }
    this.#uid = String(this.#group[this.#at]?.uid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#groups.return();
  }
}

/** Above every uid, which has digits and letters up to f. */
const END = 'g';

async function* readAll(
  storage: Storage,
  paths: readonly string[],
  names: readonly string[],
): AsyncGenerator<readonly MetadataRow[], void, undefined> {
  for (const path of paths) yield* readGroups(storage, path, names);
}

/** A uid and the releases that have it. */
export interface Met {
  readonly uid: string;
  readonly a: MetadataRow | undefined;
  readonly b: MetadataRow | undefined;
}

/** The uids of two releases in their order, each with its rows. */
export async function* meet(a: UidRows, b: UidRows): AsyncGenerator<Met, void, undefined> {
  for (;;) {
    const { uid } = a.uid <= b.uid ? a : b;
    if (uid === END) return;
    const met = { uid, a: a.uid === uid ? a.row : undefined, b: b.uid === uid ? b.row : undefined };
    // First: whoever stops here and begins again goes on with the next.
    if (met.a) await a.next();
    if (met.b) await b.next();
    yield met;
  }
}
