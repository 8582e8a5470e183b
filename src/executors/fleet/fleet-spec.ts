import { z } from 'zod';
import { PROVIDERS } from '../../clip/choices.ts';
import { type Recipe, recipeSchema, withSecrets } from '../../config/index.ts';
import type { RunSpec } from '../../pipeline/index.ts';
import { categoriesSchema } from '../../safety/index.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A file or a folder that a run names, brought to where all machines reach it. */
const bundleSchema = z.object({
  /** As the run names it. */
  named: z.string(),
  /** Below the root of the run: the file, or the folder; its last part is that of `named`. */
  stored: z.string(),
  /** A folder's files by their path in it; of a file itself, one with the path ''. */
  files: z.array(z.object({ path: z.string(), bytes: z.int().min(0), sha256 })),
});
export type Bundle = Readonly<z.infer<typeof bundleSchema>>;

const inputFile = z.object({ path: z.string(), name: z.string(), bytes: z.number() });

/** A run as a database keeps it: all that a machine needs to work on it, but for secrets. */
export const fleetSpecSchema = z.object({
  version: z.literal(1),
  recipe: recipeSchema,
  wats: z.array(inputFile),
  images: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('web'), allowHosts: z.array(z.string()) }),
    z.object({ kind: z.literal('archive'), files: z.array(inputFile) }),
  ]),
  model: z.object({ name: z.string(), dimension: z.int(), files: z.record(z.string(), z.string()) }),
  modelDir: z.string(),
  provider: z.enum(PROVIDERS),
  categories: categoriesSchema,
  seen: z.array(z.object({ path: z.string(), name: z.string(), sha256 })),
  tombstones: z.array(z.string()),
  blocklists: z.record(z.string(), z.string()),
  /** As `RunSpec` has them. */
  apart: z.boolean().exactOptional(),
  keepFetched: z.boolean().exactOptional(),
  /** What of this lay on the machine of the submission. */
  bundles: z.array(bundleSchema),
});
export type FleetSpec = Readonly<z.infer<typeof fleetSpecSchema>>;

/** The run that was submitted, with its files where they lay then: to plan by, and to name it. */
export function submittedRun({ version: _version, bundles: _bundles, ...spec }: FleetSpec): RunSpec {
  return spec;
}

/** The bundles that a machine needs a copy of: all but the inputs of extract and the archives, which are read where they are. */
export function localBundles({ bundles, wats, images }: FleetSpec): readonly Bundle[] {
  const read = new Set([...wats, ...(images.kind === 'archive' ? images.files : [])].map(({ path }) => path));
  return bundles.filter(({ named }) => !read.has(named));
}

/**
 * The run as a machine works on it: what it names are this machine's copies, of the same base names. Its recipe is to be
 * told from that of the submission (`TaskEnvironment.given`), which is what the report tells of.
 *
 * @param copyOf where a machine's copy of a bundle lies
 * @param root location of the run
 * @throws GleanerError USAGE where a secret of the recipe is not in the environment
 */
export function localRun(spec: FleetSpec, root: string, copyOf: (bundle: Bundle) => string): RunSpec {
  const places = new Map<string, string>();
  for (const bundle of spec.bundles) places.set(bundle.named, `${root}/${bundle.stored}`);
  for (const bundle of localBundles(spec)) places.set(bundle.named, copyOf(bundle));
  const at = (named: string) => places.get(named) ?? named;
  const { images } = spec;
  const moved = <T extends { readonly path: string }>(files: readonly T[]) =>
    files.map((file) => ({ ...file, path: at(file.path) }));
  return {
    ...submittedRun(spec),
    recipe: localRecipe(withSecrets(spec.recipe), at),
    wats: moved(spec.wats),
    images: images.kind === 'archive' ? { ...images, files: moved(images.files) } : images,
    modelDir: at(spec.modelDir),
    seen: moved(spec.seen),
    tombstones: spec.tombstones.map(at),
  };
}

function localRecipe(recipe: Recipe, at: (named: string) => string): Recipe {
  const { extract, fetch, safety } = recipe;
  return {
    ...recipe,
    extract: {
      ...extract,
      hostBlocklists: extract.hostBlocklists.map(at),
      urlBlocklists: extract.urlBlocklists.map(at),
    },
    fetch: { ...fetch, optOutLists: fetch.optOutLists.map(at) },
    safety: {
      ...safety,
      knownContent: safety.knownContent.map((list) => ({ ...list, path: at(list.path) })),
      classifiers: safety.classifiers.map((one) => ({ ...one, path: at(one.path) })),
    },
  };
}
