import { eachOf, openStorage, type Storage } from '../storage/index.ts';

/** Where files of a release lie. */
const RELEASE = 'release';
/** Where they are made: beside a release that stands, which stays whole until this one is. */
const STAGED = 'release.new';

/** The files of a run, by its location. */
export function runStorage(location: string): Storage {
  return stagedRelease(openStorage(location));
}

/**
 * The files of a run while a release is made: what is written below release/ goes beside it, and is found there before
 * what stands in release/. Manifests and stages name files as they will be called.
 */
export function stagedRelease(storage: Storage): Storage {
  async function find(path: string): Promise<string> {
    const staged = stagedPath(path);
    return staged !== undefined && (await storage.size(staged)) !== undefined ? staged : path;
  }
  return {
    kind: storage.kind,
    location: storage.location,
    async open(path) {
      return storage.open(await find(path));
    },
    async *stream(path, options) {
      yield* storage.stream(await find(path), options);
    },
    async read(path) {
      return storage.read(await find(path));
    },
    async create(path, options) {
      const file = await storage.create(stagedPath(path) ?? path, options);
      return {
        write: (bytes) => file.write(bytes),
        async commit(how) {
          const info = await file.commit(how);
          return info && { ...info, path };
        },
        abort: () => file.abort(),
      };
    },
    async put(path, bytes, options) {
      const info = await storage.put(stagedPath(path) ?? path, bytes, options);
      return info && { ...info, path };
    },
    async size(path) {
      return storage.size(await find(path));
    },
    async version(path) {
      return storage.version(await find(path));
    },
    async list(prefix) {
      const there = await storage.list(prefix);
      const staged = stagedPath(`${prefix}/`);
      if (staged === undefined) return there;
      const made = (await storage.list(staged)).map((path) => RELEASE + path.slice(STAGED.length));
      return [...new Set([...there, ...made])].sort();
    },
    move: (from, to) => storage.move(from, to),
    remove: (path) => storage.remove(path),
    sweep: () => storage.sweep(),
  };
}

/** Where a file of a release is made; undefined for any other file. */
function stagedPath(path: string): string | undefined {
  return path.startsWith(`${RELEASE}/`) ? STAGED + path.slice(RELEASE.length) : undefined;
}

/** In a bucket a file of many gigabytes is copied where it is, and one by one they would be waited for. */
function movesAtOnce({ kind }: Storage): number {
  return kind === 's3' ? 16 : 1;
}

/** Whether a release was begun beside the one that stands, and is not whole. */
export async function isReleaseStaged(storage: Storage): Promise<boolean> {
  return (await storage.list(STAGED)).length > 0;
}

/**
 * Puts a release that is whole in the place of the one before: from here on release/ holds these files and no others.
 * Names are given one by one; stopped between two, the next call goes on.
 *
 * @param paths of all its files, those among them that are as they were before
 */
export async function settleRelease(storage: Storage, paths: ReadonlySet<string>): Promise<void> {
  await eachOf(await storage.list(STAGED), movesAtOnce(storage), async (staged) => {
    const path = RELEASE + staged.slice(STAGED.length);
    if (paths.has(path)) await storage.move(staged, path);
  });
  await storage.remove(STAGED);
  for (const path of await storage.list(RELEASE)) if (!paths.has(path)) await storage.remove(path);
}
