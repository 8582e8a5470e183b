import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GleanerError } from '../schema/index.ts';
import { KNOWN_MODELS, type KnownModel } from './known-models.ts';

/** Models that come with the package, in models/, and what they are. */
const EMBEDDED: ReadonlyMap<string, string> = new Map([
  ['gleaner-mini', 'a small contrastive encoder that knows emoji, not CLIP'],
]);

/** A model as a list tells of it. */
export interface ListedModel {
  readonly name: string;
  readonly what: string;
  readonly repository: string | null;
  readonly licence: string;
  /** About what its fp32 files have together. */
  readonly bytes: number;
  readonly dimension: number;
  readonly variants: readonly string[];
  /** Folder that holds it; null where it has to be pulled. */
  readonly here: string | null;
}

/** The name of a model as people should read it: an embedded one is never named without what it is. */
export function describeModel(name: string): string {
  const what = EMBEDDED.get(name);
  return what === undefined ? name : `${name}, ${what}`;
}

/** Folder below which pulled models lie: $GLEANER_MODELS, or gleaner/models in the user's cache. */
export function modelsHome(): string {
  const { GLEANER_MODELS, XDG_CACHE_HOME } = process.env;
  return resolve(GLEANER_MODELS || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'gleaner', 'models'));
}

/** Every model that gleaner knows by name, the embedded ones first. */
export function listModels(): readonly ListedModel[] {
  // The embedded one: bytes of its two networks; models/gleaner-mini/README.md has the other figures.
  const embedded = [...EMBEDDED].map(([name, what]) => {
    const here = embeddedDir(name);
    const networks = ['vision_model', 'text_model'].map((file) => join(here, 'onnx', `${file}.onnx`));
    const bytes = networks.reduce(
      (sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0),
      0,
    );
    const fixed = { repository: null, licence: 'Apache-2.0', dimension: 512 };
    return { name, what, bytes, variants: ['fp32'], here, ...fixed };
  });
  const known = KNOWN_MODELS.map(({ name, what, repository, licence, parametersM, dimension, networks }) => {
    const dir = join(modelsHome(), name);
    const here = existsSync(join(dir, 'config.json')) ? dir : null;
    const bytes = Math.round(parametersM * 4e6);
    const variants = Object.keys(networks);
    return {
      name,
      what,
      repository,
      licence,
      bytes,
      dimension,
      variants,
      here,
    };
  });
  return [...embedded, ...known];
}

/** @throws GleanerError USAGE where no model has that name. */
export function knownModel(name: string): KnownModel {
  const model = KNOWN_MODELS.find((known) => known.name === name);
  if (model) return model;
  const problem = EMBEDDED.has(name)
    ? `${name} comes with gleaner: there is nothing to pull.`
    : `${name}: no such model. Known: ${KNOWN_MODELS.map((known) => known.name).join(', ')}.`;
  throw new GleanerError('USAGE', { problem });
}

/**
 * The folder of a model: the name of an embedded one, the path of a folder, or the name of one that was pulled.
 *
 * @throws GleanerError MODEL_INVALID where there is none of these.
 */
export function resolveModel(nameOrDir: string): string {
  if (EMBEDDED.has(nameOrDir)) return embeddedDir(nameOrDir);
  const dir = resolve(nameOrDir);
  if (isFolder(dir)) return dir;
  const known = KNOWN_MODELS.find(({ name }) => name === nameOrDir);
  const pulled = known && join(modelsHome(), known.name);
  if (pulled !== undefined && isFolder(pulled)) return pulled;
  const problem = known
    ? `is not here yet: 'gleaner models pull ${known.name}' downloads it`
    : `no such model folder. Give a folder, an embedded model (${[...EMBEDDED.keys()].join(', ')}), or one that 'gleaner models' lists`;
  throw new GleanerError('MODEL_INVALID', { path: nameOrDir, problem });
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function embeddedDir(name: string): string {
  // src/clip and dist/clip are both two folders below the package.
  return fileURLToPath(new URL(`../../models/${name}`, import.meta.url));
}
