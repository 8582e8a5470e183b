import { createArchiveSource, type ImageSource } from '../fetcher/index.ts';
// Not by index.ts: fetching runs in threads, and classifiers bring native code.
import { type KnownContent, readKnownContent } from '../safety/known-content.ts';
import type { Tombstones } from '../safety/tombstones.ts';
import { dropped } from '../schema/index.ts';
import type { Asked } from '../stages/ask.ts';
import type { FetchEngines } from '../stages/fetch.ts';
import { Intake } from '../stages/intake.ts';
import { openLocation, openStorage, streamFile, streamLocation } from '../storage/index.ts';
import { openWeb } from './open-web.ts';
import type { RunSpec } from './run-file.ts';
import { honouredTombstones } from './tombstones.ts';

/**
 * Opens what a run's images are asked of, with all that says which are not.
 *
 * @param root folder of the run
 * @param share this process or thread is one of so many that ask the same hosts: each takes its part of the limits
 * @throws GleanerError RECIPE_INVALID, FILE_NOT_FOUND
 */
export async function openAsked(spec: RunSpec, share: number, root: string): Promise<Asked> {
  const { knownContent } = spec.recipe.safety;
  const known = knownContent.length > 0 ? await readKnownContent(knownContent, streamFile) : undefined;
  const removed = await honouredTombstones(openStorage(root), spec);
  return { images: await openImages(spec, share, refuserOf({ known, removed })), known, removed };
}

/** What a fetch needs: no model, and nothing that is not JavaScript. */
export async function loadFetchEngines(
  spec: RunSpec,
  share: number,
  root: string,
): Promise<FetchEngines & AsyncDisposable> {
  const asked = await openAsked(spec, share, root);
  return {
    ...asked,
    intake: new Intake(spec.recipe.fetch, share),
    [Symbol.asyncDispose]: () => asked.images.close(),
  };
}

/** What is asked of each URL on the way to an image, where there is anything to ask. */
export function refuserOf({
  known,
  removed,
}: {
  readonly known?: KnownContent | undefined;
  readonly removed?: Tombstones | undefined;
}): KnownContent['refuseUrl'] | undefined {
  if (!removed || removed.empty) return known?.refuseUrl;
  return (...hrefs) => (removed.namesUrl(...hrefs) ? dropped('removed') : known?.refuseUrl(...hrefs));
}

async function openImages(
  { images: from, recipe }: RunSpec,
  share: number,
  refuseUrl: KnownContent['refuseUrl'] | undefined,
): Promise<ImageSource> {
  if (from.kind === 'archive')
    return createArchiveSource(
      from.files.map(({ name, path }) => ({
        name,
        open: () => streamLocation(path),
        source: () => openLocation(path),
      })),
      {
        maxBodyBytes: recipe.fetch.maxBodyBytes,
        maxRedirects: recipe.fetch.maxRedirects,
        ...(refuseUrl && { refuseUrl }),
      },
    );
  return openWeb(recipe.fetch, from.allowHosts, share, refuseUrl);
}
