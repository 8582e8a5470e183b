import { OWN_FOLDER, shardFiles } from '../../stages/download/layout.ts';
import { type DownloadOptions, shardName } from '../../stages/download/options.ts';
import type { StageResult } from '../../stages/stage.ts';
import type { Storage } from '../../storage/index.ts';
import { type Manifest, readManifest, storeManifest } from '../manifest.ts';

/** Shards lie here, each in a folder of its own, until they are whole. */
export const STAGED = `${OWN_FOLDER}/staged`;

/** Where the manifest of a shard lies. */
export function shardManifest(shard: number, options: Pick<DownloadOptions, 'shardDigits'>): string {
  return `${OWN_FOLDER}/tasks/${shardName(shard, options)}.json`;
}

/**
 * Ends a shard. Its several files cannot get their names in one moment, so the manifest comes first and says where they
 * lie: from then on the shard is done, and `settle` goes on with what a killed process left of the rest.
 */
export async function commitShard(
  storage: Storage,
  shard: { readonly index: number; readonly folder: string; readonly fingerprint: string },
  options: DownloadOptions,
  result: StageResult,
  seconds: number,
): Promise<Manifest> {
  const { images } = shardFiles(shard.index, options);
  const facts = { ...result.facts, staged: shard.folder, images: images ?? '' };
  const name = `download/${shardName(shard.index, options)}`;
  const path = shardManifest(shard.index, options);
  const manifest = await storeManifest(
    storage,
    path,
    { name, fingerprint: shard.fingerprint },
    { ...result, facts },
    seconds,
  );
  await place(storage, shard.folder, manifest);
  return manifest;
}

/** Gives the files of a shard that is done their names. What has its name already is left alone. */
async function place(storage: Storage, folder: string, manifest: Manifest): Promise<void> {
  const { images = '' } = manifest.facts;
  const paths = new Set(manifest.files.map(({ path }) => path));
  for (const path of paths)
    if ((await storage.size(`${folder}/${path}`)) !== undefined)
      await storage.move(`${folder}/${path}`, path);
  // A folder of images, which the manifest does not list one by one.
  if (typeof images === 'string' && images !== '' && !paths.has(images)) {
    const left = await storage.list(`${folder}/${images}`);
    if (left.length > 0) await storage.move(`${folder}/${images}`, images);
  }
  await storage.remove(folder);
}

/** Ends what a killed process left: shards that are done get their names, all others are thrown away. */
export async function settle(storage: Storage): Promise<void> {
  const folders = new Set(
    (await storage.list(STAGED)).map((path) =>
      path
        .split('/')
        .slice(0, STAGED.split('/').length + 1)
        .join('/'),
    ),
  );
  for (const folder of folders) {
    const name = folder.slice(STAGED.length + 1).split('-')[0] ?? '';
    const manifest = await readManifest(storage, `${OWN_FOLDER}/tasks/${name}.json`);
    if (manifest?.facts.staged === folder) await place(storage, folder, manifest);
  }
  await storage.remove(STAGED);
}
