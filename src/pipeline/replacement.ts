import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import type { FileInfo, Storage } from '../storage/index.ts';

/** Holds copies until they take the place of their files. */
const FOLDER = 'replacing';
/** Says that all copies are there, and which. */
const LIST = `${FOLDER}/replace.json`;

const listSchema = z.array(z.string());

/**
 * Files of a run that take the place of others all together: copies are written beside them, a list of them is written
 * last, and then they are moved. Killed before the list is there, nothing has happened; killed after it, what is missing
 * is moved by `finishReplacement`.
 */
export class Replacement {
  readonly #storage: Storage;
  readonly #paths: string[] = [];

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** Where the copy of a file is to be written. */
  at(path: string): string {
    return `${FOLDER}/files/${path}`;
  }

  /** Notes a copy that was written. @returns what it will be when it has taken its place */
  add({ path, bytes, sha256 }: FileInfo): FileInfo {
    const place = path.slice(this.at('').length);
    this.#paths.push(place);
    return { path: place, bytes, sha256 };
  }

  /** Puts a small file in the place of another. */
  async put(path: string, text: string): Promise<void> {
    await this.#storage.put(this.at(path), text);
    this.#paths.push(path);
  }

  /** Gives all copies their places. */
  async commit(): Promise<void> {
    if (this.#paths.length > 0) await this.#storage.put(LIST, JSON.stringify(this.#paths));
    await finishReplacement(this.#storage);
  }
}

/**
 * Ends a replacement that was stopped: all of its files take their places, or none. Only to be called by whom the folder
 * of the run belongs to.
 * @throws GleanerError DAMAGED
 */
export async function finishReplacement(storage: Storage): Promise<void> {
  if ((await storage.size(LIST)) !== undefined) {
    for (const path of await readList(storage)) {
      const copy = `${FOLDER}/files/${path}`;
      // One that is no longer there has been moved.
      if ((await storage.size(copy)) !== undefined) await storage.move(copy, path);
    }
    await storage.remove(LIST);
  }
  await storage.remove(FOLDER);
}

async function readList(storage: Storage): Promise<readonly string[]> {
  try {
    return listSchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(LIST))));
  } catch (cause) {
    const path = `${storage.location}/${LIST}`;
    throw new GleanerError('DAMAGED', { path, problem: 'is no list of files to replace.' }, { cause });
  }
}
