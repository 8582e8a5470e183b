import { createHash } from 'node:crypto';
import { z } from 'zod';
import { PROVIDERS } from '../clip/choices.ts';
import type { ModelIdentity, Provider } from '../clip/index.ts';
import {
  canonicalJson,
  GLEANER_VERSION,
  type Recipe,
  recipeHash,
  recipeSchema,
  withoutSecrets,
} from '../config/index.ts';
import type { SafetyCategories } from '../safety/index.ts';
import { GleanerError } from '../schema/index.ts';
import { type SubsetStep, subsetStepSchema } from '../stages/subset/step.ts';
import type { Storage } from '../storage/index.ts';
import type { SeenRun } from './open-seen.ts';
import type { SubsetSpec } from './plan-subset.ts';
import type { InputFile } from './task.ts';

/** Where the images of a run come from. */
export type ImagesFrom =
  | { readonly kind: 'web'; readonly allowHosts: readonly string[] }
  | { readonly kind: 'archive'; readonly files: readonly InputFile[] };

/** What a run is made of, fixed when it begins. */
export interface RunSpec {
  readonly recipe: Recipe;
  readonly wats: readonly InputFile[];
  readonly images: ImagesFrom;
  /** Null in a run that ends before scoring. */
  readonly model: ModelIdentity | null;
  /** The safety categories that the recipe names, by content; null where there is no model. */
  readonly categories: SafetyCategories | null;
  /** Earlier runs whose pairs are dropped, in the order in which they are asked. */
  readonly seen: readonly SeenRun[];
  /**
   * Further tombstone files, or folders of runs that have one: what stands there now is honoured. No part of the run's
   * identity, since takedowns come at any time. @default none
   */
  readonly tombstones?: readonly string[];
  /** sha256 of each list (blocked, opted out, known content) and file of a classifier that the recipe names, by the path it names it with. */
  readonly blocklists: Readonly<Record<string, string>>;
  /** Folder of the model on this machine; no part of the run's identity. */
  readonly modelDir: string | null;
  /** What the model's networks are run on; null in a run that ends before scoring. */
  readonly provider: Provider | null;
  /**
   * Images are fetched by a stage of its own, and scored by another: as by machines of two kinds. No part of the run's
   * identity, nor is what follows: the release is the same. @default false
   */
  readonly apart?: boolean;
  /** What was fetched apart stays when it has been harvested. @default false */
  readonly keepFetched?: boolean;
  /** Where it is no run of its own, but made of another's release. */
  readonly subset?: SubsetSpec;
}

const RUN_FILE = 'run.json';

/** What may not change between two starts of a run, each by a name that tells whether it has. */
function identities(spec: RunSpec): Readonly<Record<string, string>> {
  const named = (files: readonly InputFile[]) => files.map(({ name, bytes }) => ({ name, bytes }));
  const images =
    spec.images.kind === 'web' ? spec.images : { kind: 'archive', files: named(spec.images.files) };
  const digest = (value: unknown) => createHash('sha256').update(canonicalJson(value)).digest('hex');
  return {
    'version of gleaner': GLEANER_VERSION,
    recipe: recipeHash(spec.recipe),
    'set of safety categories': digest(spec.categories),
    'content of its lists or classifiers': digest(spec.blocklists),
    'list of earlier runs (--seen)': digest(spec.seen.map(({ name }) => name)),
    'content of its earlier runs (--seen)': digest(spec.seen.map(({ sha256 }) => sha256)),
    model: digest(spec.model && { dimension: spec.model.dimension, files: spec.model.files }),
    'execution provider (--provider)': digest(spec.provider),
    'list of WAT files': digest(named(spec.wats)),
    'image source': digest(images),
    ...(spec.subset && {
      'parent release (gleaner subset)': spec.subset.parent.sha256,
      'condition (--where)': digest(spec.subset.where),
      'sample (--sample, --seed)': digest(spec.subset.sample),
      ...(spec.subset.split && { 'split (--split)': digest(spec.subset.split) }),
    }),
  };
}

/** Names a run: equal where the same release must come out. */
export function runFingerprint(spec: RunSpec): string {
  return fingerprintOf(identities(spec));
}

/** The same of a run as its folder describes it: without its model, its lists and whatever else it was made with. */
export function storedFingerprint(stored: StoredRun): string {
  return fingerprintOf(stored.identities);
}

function fingerprintOf(names: Readonly<Record<string, string>>): string {
  return createHash('sha256').update(canonicalJson(names)).digest('hex');
}

/**
 * Begins a run in a folder, or goes on with the one that is there. What may change between two starts (the contact, the
 * way to a proxy, where files lie) is then kept as it is now.
 *
 * @throws GleanerError RUN_MISMATCH where the folder holds a run with another recipe, model or input
 */
export async function beginRun(storage: Storage, spec: RunSpec): Promise<void> {
  const { wats, images, seen, model, modelDir, provider, tombstones = [], apart, keepFetched } = spec;
  const mine = identities(spec);
  const recipe = withoutSecrets(spec.recipe);
  const subset = spec.subset && { parent: spec.subset.parent.dir, steps: stepsOfSubset(spec.subset) };
  const run = {
    ...{ version: 1, identities: mine, recipe, wats, images, seen },
    ...(tombstones.length > 0 && { tombstones }),
    ...(apart && { apart }),
    ...(keepFetched && { keepFetched }),
    ...{ model, modelDir, provider, subset },
  };
  const text = `${JSON.stringify(run, null, 1)}\n`;
  if (await storage.put(RUN_FILE, text, { ifAbsent: true })) return;
  const theirs = (await readRunFile(storage))?.identities;
  // What only one of both has is told first: a subset has the recipe and the inputs of its parent.
  const names = new Set([...Object.keys(mine), ...Object.keys(theirs ?? {})]);
  const isShared = (what: string) => Number(what in mine && what in (theirs ?? {}));
  for (const what of [...names].sort((a, b) => isShared(a) - isShared(b)))
    if (theirs?.[what] !== mine[what])
      throw new GleanerError('RUN_MISMATCH', { path: storage.location, what });
  if (new TextDecoder().decode(await storage.read(RUN_FILE)) !== text) await storage.put(RUN_FILE, text);
}

/** How a subset came to be: the steps of its parent, and its own. */
export function stepsOfSubset({ parent, where, sample, split }: SubsetSpec): readonly SubsetStep[] {
  const rows = parent.parts.reduce((sum, part) => sum + part.rows, 0);
  return [...parent.steps, { release: parent.sha256, rows, where, sample, ...(split && { split }) }];
}

const inputFile = z.object({ path: z.string(), name: z.string(), bytes: z.number() });
const storedRunSchema = z.object({
  version: z.literal(1),
  identities: z.record(z.string(), z.string()),
  recipe: recipeSchema,
  wats: z.array(inputFile),
  images: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('web'), allowHosts: z.array(z.string()) }),
    z.object({ kind: z.literal('archive'), files: z.array(inputFile) }),
  ]),
  seen: z.array(z.object({ path: z.string(), name: z.string(), sha256: z.string() })),
  tombstones: z.array(z.string()).default([]),
  model: z
    .object({ name: z.string(), dimension: z.int(), files: z.record(z.string(), z.string()) })
    .nullable(),
  modelDir: z.string().nullable(),
  provider: z.enum(PROVIDERS).nullable().default(null),
  apart: z.boolean().exactOptional(),
  keepFetched: z.boolean().exactOptional(),
  /** Where it is a subset: the folder of the parent as it lay when it was made, and how it came to be, the oldest step first. */
  subset: z.object({ parent: z.string(), steps: z.array(subsetStepSchema) }).exactOptional(),
});

/** A run as its folder describes it. */
export type StoredRun = Readonly<z.infer<typeof storedRunSchema>>;

/** @returns undefined where the folder holds no run. @throws GleanerError DAMAGED */
export async function readRunFile(storage: Storage): Promise<StoredRun | undefined> {
  if ((await storage.size(RUN_FILE)) === undefined) return undefined;
  const path = `${storage.location}/${RUN_FILE}`;
  try {
    return storedRunSchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(RUN_FILE))));
  } catch (cause) {
    throw new GleanerError(
      'DAMAGED',
      { path, problem: 'does not describe a run of this version.' },
      { cause },
    );
  }
}

/** Keeps what those say who publish the release: no part of the run's identity. */
export async function keepCard(storage: Storage, run: StoredRun, card: Recipe['card']): Promise<void> {
  const kept = { ...run, recipe: { ...run.recipe, card } };
  await storage.put(RUN_FILE, `${JSON.stringify(kept, null, 1)}\n`);
}

/** The run with what its card says: what a recipe leaves open stays as it was said last, by an earlier start or `remakeCard`. */
export async function withKeptCard(storage: Storage, spec: RunSpec): Promise<RunSpec> {
  const kept = (await readRunFile(storage))?.recipe.card;
  if (!kept) return spec;
  const { card } = spec.recipe;
  const merged = {
    contact: card.contact ?? kept.contact,
    license: card.license ?? kept.license,
    published: card.published ?? kept.published,
    version: card.version ?? kept.version,
  };
  return { ...spec, recipe: { ...spec.recipe, card: merged } };
}
