import { createHash } from 'node:crypto';
import { GleanerError, keptPairs, type StepLedgers } from '../schema/index.ts';
import { releaseFiles } from '../stages/released.ts';
import { STATISTICS_FILE } from '../stages/report/index.ts';
import type { SubsetStep } from '../stages/subset/step.ts';
import { type FileInfo, openStorage } from '../storage/index.ts';
import { sumLedgers } from './accounting.ts';
import { type Manifest, readManifests } from './manifest.ts';
import { readRunFile, type StoredRun } from './run-file.ts';
import { type ReleaseFileInfos, STAGES } from './task.ts';

/** One part of a release that is there already. */
export interface ParentPart {
  readonly files: ReleaseFileInfos;
  readonly rows: number;
}

/** A finished release of which a subset is made. */
export interface ParentRelease {
  /** Absolute path of its run's folder on this machine. */
  readonly dir: string;
  /** Names the release by its content: see `releaseDigest`. */
  readonly sha256: string;
  readonly parts: readonly ParentPart[];
  /** Its dropped trail. */
  readonly dropped: readonly FileInfo[];
  readonly ledgers: StepLedgers;
  /** How it came to be, where it is a subset itself; the oldest step first. */
  readonly steps: readonly SubsetStep[];
}

/**
 * Names a release by the bytes of its metadata, embeddings, images and trail: SHA-256 of what `sha256sum` prints for
 * these files in the order of their paths, which begin with `release/`.
 */
function releaseDigest(files: readonly FileInfo[]): string {
  const digest = createHash('sha256');
  for (const { path, sha256 } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1)))
    digest.update(`${sha256}  ${path}\n`);
  return digest.digest('hex');
}

/** Pairs that the parent counts among its own and has no longer, as after a takedown. */
export function goneFrom({ ledgers, parts }: Pick<ParentRelease, 'ledgers' | 'parts'>): number {
  return keptPairs(ledgers) - parts.reduce((sum, { rows }) => sum + rows, 0);
}

/**
 * Reads what a finished run's manifests say of its release. Sizes of its files are looked at, not their content, which
 * is `verifyRun`'s to check.
 *
 * @throws GleanerError RUN_NOT_FOUND where there is no finished release, DAMAGED where files of it are missing
 */
export async function readParent(
  dir: string,
): Promise<{ readonly parent: ParentRelease; readonly run: StoredRun }> {
  const storage = openStorage(dir);
  const run = await readRunFile(storage);
  const manifests: Manifest[] = [];
  for (const stage of STAGES) manifests.push(...(await readManifests(storage, stage)));
  const of = (stage: string) => manifests.filter(({ task }) => task.startsWith(`${stage}/`));
  if (!run || of('report').length === 0 || (await storage.size(STATISTICS_FILE)) === undefined)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: dir,
      what: 'release',
      hint: "Finish one with 'gleaner run'.",
    });
  const dropped = of('trail').flatMap(({ files }) => files);
  const released = of('release');
  const parts = released.map((manifest, part) => partOf(storage.location, manifest, part, released.length));
  const all = [...parts.flatMap(({ files }) => Object.values(files)), ...dropped];
  for (const { path, bytes } of all)
    if ((await storage.size(path)) !== bytes)
      throw new GleanerError('DAMAGED', {
        path: `${storage.location}/${path}`,
        problem: "is missing or has another size than it was written with. See 'gleaner verify'.",
      });
  const parent: ParentRelease = {
    dir: storage.location,
    sha256: releaseDigest(all),
    parts,
    dropped,
    ledgers: sumLedgers(manifests),
    steps: run.subset?.steps ?? [],
  };
  if (goneFrom(parent) < 0)
    throw new GleanerError('DAMAGED', {
      path: storage.location,
      problem: 'has more rows than pairs were kept.',
    });
  return { parent, run };
}

function partOf(location: string, manifest: Manifest, part: number, parts: number): ParentPart {
  const paths = releaseFiles(part, parts);
  const find = (path: string): FileInfo => {
    const file = manifest.files.find((one) => one.path === path);
    if (file) return file;
    throw new GleanerError('DAMAGED', {
      path: location,
      problem: `tasks/${manifest.task}.json lacks ${path}.`,
    });
  };
  const { rows } = manifest.facts;
  if (typeof rows !== 'number')
    throw new GleanerError('DAMAGED', {
      path: location,
      problem: `tasks/${manifest.task}.json tells no rows.`,
    });
  return {
    rows,
    files: {
      metadata: find(paths.metadata),
      imageEmbeddings: find(paths.imageEmbeddings),
      textEmbeddings: find(paths.textEmbeddings),
      images: find(paths.images),
    },
  };
}
