import { readTar } from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { placesOf } from '../../stages/index-files.ts';
import { releaseFiles } from '../../stages/released.ts';
import type { ReviewSample } from '../../stages/review/index.ts';
import { fileStorage, type Storage } from '../../storage/index.ts';

export interface LocatedSample extends ReviewSample {
  /** Where the stored picture lies in the tar of its part, in bytes. */
  readonly offset: number;
  readonly length: number;
}

/**
 * Finds the pictures of a sample: by the tables of the search index where the release has one, else by going through the
 * tars.
 *
 * @param parts of the release
 * @throws GleanerError DAMAGED where a picture is not in its tar
 */
export async function locateImages(
  dir: string,
  samples: readonly ReviewSample[],
  parts: number,
  signal?: AbortSignal,
): Promise<LocatedSample[]> {
  const storage = fileStorage(dir);
  const indexed = await locateByIndex(dir, storage, samples);
  if (indexed) return indexed;
  const places = new Map<string, { offset: number; length: number }>();
  for (const part of new Set(samples.map((sample) => sample.part)))
    await readPlaces(
      storage,
      releaseFiles(part, parts).images,
      new Map(samples.flatMap((sample) => (sample.part === part ? [[`${sample.key}.jpg`, sample.uid]] : []))),
      places,
      signal,
    );
  return samples.flatMap((sample) => {
    const place = places.get(sample.uid);
    return place ? [{ ...sample, ...place }] : [];
  });
}

/** @param wanted names of members, with the uid of each; those found are taken out */
async function readPlaces(
  storage: Storage,
  path: string,
  wanted: Map<string, string>,
  places: Map<string, { offset: number; length: number }>,
  signal: AbortSignal | undefined,
): Promise<void> {
  for await (const { name, offset, length } of readTar(storage.stream(path), {
    maxMemberBytes: 0,
    name: path,
  })) {
    signal?.throwIfAborted();
    const uid = wanted.get(name);
    if (uid === undefined) continue;
    places.set(uid, { offset, length });
    wanted.delete(name);
    if (wanted.size === 0) return;
  }
  const [missing] = wanted.keys();
  if (missing !== undefined) throw new GleanerError('DAMAGED', { path, problem: `holds no ${missing}.` });
}

/** Undefined where the release as it is now has no index. */
async function locateByIndex(
  dir: string,
  storage: Storage,
  samples: readonly ReviewSample[],
): Promise<LocatedSample[] | undefined> {
  if ((await storage.size('index/index.json')) === undefined) return undefined;
  // Loaded here: it brings the engine of the search with it.
  const [{ readIndexSummary }, { ImageStore }] = await Promise.all([
    import('../opened-index.ts'),
    import('../image-store.ts'),
  ]);
  const summary = await readIndexSummary(dir).catch(() => undefined);
  if (!summary) return undefined;
  const store = await ImageStore.open(storage, {
    ...summary,
    places: placesOf(summary).places,
  });
  try {
    const located: LocatedSample[] = [];
    for (const sample of samples) {
      const { offset, length } = await store.locate(sample.sampleId);
      located.push({ ...sample, offset, length });
    }
    return located;
  } finally {
    await store.close();
  }
}
