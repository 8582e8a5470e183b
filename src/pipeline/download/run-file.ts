import { createHash } from 'node:crypto';
import { z } from 'zod';
import {
  canonicalJson,
  GLEANER_VERSION,
  type Recipe,
  recipeHash,
  recipeSchema,
  withoutSecrets,
} from '../../config/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { OWN_FOLDER } from '../../stages/download/layout.ts';
import {
  type DownloadOptions,
  ENCODE_FORMATS,
  HASHES,
  OUTPUT_FORMATS,
  RESIZE_MODES,
} from '../../stages/download/options.ts';
import type { Storage } from '../../storage/index.ts';
import type { ListColumns, UrlList } from './url-lists.ts';

/** What decides about the bytes of a download, fixed when it begins. */
export interface DownloadSpec {
  readonly recipe: Recipe;
  readonly options: DownloadOptions;
  /** HOST:PORT pairs that may be fetched although their address is not public. */
  readonly allowHosts: readonly string[];
  /** sha256 of each opt-out list that the recipe names, by the path it names it with. */
  readonly optOut: Readonly<Record<string, string>>;
  /** Likewise of its lists of known content. */
  readonly knownContent: Readonly<Record<string, string>>;
}

const count = z.int().min(0);
const optionsSchema = z.strictObject({
  outputFormat: z.enum(OUTPUT_FORMATS),
  imageSize: count,
  resizeMode: z.enum(RESIZE_MODES),
  resizeOnlyIfBigger: z.boolean(),
  encodeFormat: z.enum(ENCODE_FORMATS),
  encodeQuality: count,
  skipReencode: z.boolean(),
  disableAllReencoding: z.boolean(),
  minImageSize: count,
  maxImageArea: z.number().nullable(),
  maxAspectRatio: z.number().nullable(),
  computeHash: z.enum(HASHES).nullable(),
  extractExif: z.boolean(),
  samplesPerShard: count,
  shardDigits: count,
  columns: z.array(
    z.strictObject({ name: z.string(), type: z.enum(['string', 'int32', 'int64', 'float', 'double']) }),
  ),
});

const partSchema = z.strictObject({
  identities: z.record(z.string(), z.string()),
  recipe: recipeSchema,
  options: optionsSchema,
  allowHosts: z.array(z.string()),
  optOut: z.record(z.string(), z.string()),
  knownContent: z.record(z.string(), z.string()),
  /** Number of its first shard. */
  first: count,
  /** How many it has; null until its lists have been read to their end. */
  shards: count.nullable(),
});

const runSchema = z.strictObject({ version: z.literal(1), parts: z.array(partSchema) });

/** Lists that were downloaded under the same options: a folder has several where it was extended. */
export type DownloadPart = Readonly<z.infer<typeof partSchema>>;

const RUN_FILE = `${OWN_FOLDER}/run.json`;

/** How a folder is gone on with that holds a download already: img2dataset's words. */
export type IncrementalMode = 'incremental' | 'extend' | 'overwrite';

function identities(
  { recipe, options, allowHosts, optOut, knownContent }: DownloadSpec,
  lists: readonly UrlList[],
  columns: ListColumns,
): Readonly<Record<string, string>> {
  const digest = (value: unknown) => createHash('sha256').update(canonicalJson(value)).digest('hex');
  return {
    'version of gleaner': GLEANER_VERSION,
    recipe: recipeHash(recipe),
    'set of options': digest({ options, allowHosts }),
    'content of its opt-out lists': digest(optOut),
    'content of its lists of known content': digest(knownContent),
    'choice of columns': digest(columns),
    'list of URL files': digest(lists.map(({ name, bytes }) => ({ name, bytes }))),
  };
}

/** Names what a part does: part of the fingerprint of its shards. */
export function partFingerprint(part: DownloadPart): string {
  return createHash('sha256').update(canonicalJson(part.identities)).digest('hex');
}

/** The parts of a download, none where the folder holds none. @throws GleanerError DAMAGED */
export async function readParts(storage: Storage): Promise<readonly DownloadPart[]> {
  if ((await storage.size(RUN_FILE)) === undefined) return [];
  try {
    return runSchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(RUN_FILE)))).parts;
  } catch (cause) {
    const path = `${storage.location}/${RUN_FILE}`;
    throw new GleanerError('DAMAGED', { path, problem: 'describes no download of this version.' }, { cause });
  }
}

/**
 * Begins a download in a folder, or goes on with the one that is there.
 * @throws GleanerError RUN_MISMATCH where the folder holds another and is not to be extended
 */
export async function beginPart(
  storage: Storage,
  spec: DownloadSpec,
  lists: readonly UrlList[],
  columns: ListColumns,
  mode: 'incremental' | 'extend',
): Promise<DownloadPart> {
  const parts = await readParts(storage);
  const mine = identities(spec, lists, columns);
  const same = parts.find((part) => canonicalJson(part.identities) === canonicalJson(mine));
  if (same) {
    // Who asks, and by which way, may change between two starts.
    const now = { ...same, recipe: spec.recipe };
    const recipe = withoutSecrets(spec.recipe);
    if (canonicalJson(recipe) !== canonicalJson(same.recipe))
      await writeParts(
        storage,
        parts.map((part) => (part === same ? now : part)),
      );
    return now;
  }
  const last = parts.at(-1);
  if (last && mode === 'incremental') {
    const what =
      Object.keys(mine).find((name) => last.identities[name] !== mine[name]) ?? 'list of URL files';
    throw new GleanerError('RUN_MISMATCH', { path: storage.location, what });
  }
  if (last && last.shards === null)
    throw new GleanerError('USAGE', {
      problem: `${storage.location}: finish the download that it holds before it is extended.`,
    });
  const first = last ? last.first + (last.shards ?? 0) : 0;
  const { recipe, options, allowHosts, optOut, knownContent } = spec;
  const part: DownloadPart = partSchema.parse({
    identities: mine,
    recipe,
    options,
    allowHosts,
    optOut,
    knownContent,
    first,
    shards: null,
  });
  await writeParts(storage, [...parts, part]);
  return part;
}

/** Notes how many shards a part has. */
export async function closePart(storage: Storage, part: DownloadPart, shards: number): Promise<void> {
  const parts = await readParts(storage);
  await writeParts(
    storage,
    parts.map((other) => (other.first === part.first ? { ...other, shards } : other)),
  );
}

async function writeParts(storage: Storage, parts: readonly DownloadPart[]): Promise<void> {
  const kept = parts.map((part) => ({ ...part, recipe: withoutSecrets(part.recipe) }));
  await storage.put(RUN_FILE, `${JSON.stringify({ version: 1, parts: kept }, null, 1)}\n`);
}
