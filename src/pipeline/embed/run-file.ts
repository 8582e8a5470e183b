import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { ModelIdentity } from '../../clip/index.ts';
import { canonicalJson } from '../../config/index.ts';
import { GleanerError } from '../../schema/index.ts';
import type { EmbedInput, EmbedNames } from '../../stages/embed/read-samples.ts';
import type { EmbedParts } from '../../stages/embed/sample.ts';
import type { Storage } from '../../storage/index.ts';

/** All that is gleaner's own lies here: readers of folders pass over names that begin with '_'. */
export const OWN_FOLDER = '_gleaner';
const RUN_FILE = `${OWN_FOLDER}/embed.json`;

/** What decides about the files of an embedding run. Batches and threads do not. */
export interface EmbedSpec {
  readonly model: ModelIdentity;
  readonly inputs: readonly EmbedInput[];
  readonly parts: EmbedParts;
  readonly names: EmbedNames;
  readonly writeBatchSize: number;
}

const runSchema = z.strictObject({
  version: z.literal(1),
  model: z.strictObject({
    name: z.string(),
    dimension: z.int(),
    files: z.record(z.string(), z.string()),
  }),
  identities: z.record(z.string(), z.string()),
});

/**
 * Fixes what a folder is made of, or sees that it is made of that.
 * @throws GleanerError RUN_MISMATCH, DAMAGED
 */
export async function fixEmbedRun(storage: Storage, spec: EmbedSpec): Promise<void> {
  const { name, dimension, files } = spec.model;
  const run = { version: 1 as const, model: { name, dimension, files }, identities: identities(spec) };
  if ((await storage.size(RUN_FILE)) === undefined) {
    const foreign = (await storage.list('')).find((path) => /^(?:img_emb|text_emb|metadata)\//.test(path));
    if (foreign !== undefined)
      throw new GleanerError('RUN_MISMATCH', { path: storage.location, what: `origin (${foreign})` });
    await storage.put(RUN_FILE, `${JSON.stringify(run, null, 1)}\n`);
    return;
  }
  const path = `${storage.location}/${RUN_FILE}`;
  let known: z.infer<typeof runSchema>;
  try {
    known = runSchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(RUN_FILE))));
  } catch (cause) {
    throw new GleanerError('DAMAGED', { path, problem: 'is no run of gleaner embed.' }, { cause });
  }
  const differs = Object.keys(run.identities).find((what) => known.identities[what] !== run.identities[what]);
  if (differs !== undefined)
    throw new GleanerError('RUN_MISMATCH', { path: storage.location, what: differs });
}

function identities({ model, inputs, parts, names, writeBatchSize }: EmbedSpec): Record<string, string> {
  const digest = (value: unknown) => createHash('sha256').update(canonicalJson(value)).digest('hex');
  return {
    model: digest(model.files),
    'choice of image, text and metadata': digest({ parts, names }),
    'write batch size': String(writeBatchSize),
    'list of inputs': digest(inputs.map((input) => ({ files: null, ...input }))),
  };
}

const count = z.int().min(0);
const fileSchema = z.strictObject({ path: z.string(), bytes: count, sha256: z.string() });
const manifestSchema = z.strictObject({
  version: z.literal(1),
  /** The first sample that is not in it: number of the input, and of the sample in there. */
  next: z.strictObject({ input: count, sample: count }),
  seen: count,
  rows: count,
  left: z.record(z.string(), count),
  /** Inputs that could not be read to their end. */
  damaged: z.array(z.strictObject({ path: z.string(), problem: z.string() })),
  files: z.array(fileSchema),
});

/** What a finished segment or part leaves behind, written last. */
export type EmbedManifest = Readonly<z.infer<typeof manifestSchema>>;

/** A manifest whose files are there, whole by their size; undefined where there is none, or one that does not hold. */
export async function readEmbedManifest(storage: Storage, path: string): Promise<EmbedManifest | undefined> {
  if ((await storage.size(path)) === undefined) return undefined;
  let manifest: EmbedManifest;
  try {
    manifest = manifestSchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(path))));
  } catch (cause) {
    const where = `${storage.location}/${path}`;
    throw new GleanerError(
      'DAMAGED',
      { path: where, problem: 'is no manifest; remove it and run again.' },
      { cause },
    );
  }
  for (const file of manifest.files) if ((await storage.size(file.path)) !== file.bytes) return undefined;
  return manifest;
}

export async function writeEmbedManifest(
  storage: Storage,
  path: string,
  manifest: Omit<EmbedManifest, 'version'>,
): Promise<void> {
  await storage.put(path, `${JSON.stringify({ version: 1, ...manifest }, null, 1)}\n`);
}
