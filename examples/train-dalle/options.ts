/** The command line of the training. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { GleanerError } from '../../src/schema/index.ts';
import { RECIPE, type Recipe, recipeWith } from './recipe.ts';

export interface TrainOptions {
  /** Folder of a finished run. */
  readonly dir: string;
  /** Gets checkpoints, samples and figures. */
  readonly out: string;
  readonly recipe: Recipe;
  /** Folder of the CLIP that ranks. */
  readonly model: string;
  /** Pictures are written for these; none: for objects of the training set before colours that are new to them. */
  readonly captions: readonly string[];
  /** Seconds between checkpoints. */
  readonly every: number;
  /** Threads of onnxruntime; the last bits of sums depend on it. */
  readonly threads: number;
}

export const HELP = `Usage: npm run train:dalle -- DIR --out FOLDER [OPTIONS]

Trains a DALL-E on a release (DIR is the folder of a finished 'gleaner run') and writes
pictures with it. Stopped at any moment, the same command goes on.

  --out FOLDER       gets checkpoints, samples.png, figures.json and curves
  --seed N           of the weights, the batches and the samples (default ${RECIPE.seed})
  --caption TEXT     write pictures for this; may be given again (default: objects of
                     the training set before colours that they were never seen before)
  --model FOLDER     a CLIP that ranks the samples (default models/gleaner-mini)
  --recipe FILE      JSON with other values than those of examples/train-dalle/recipe.ts
  --threads N        of onnxruntime (default 2)
  --checkpoint-every SECONDS    (default 60)

  npm run train:dalle -- out/large --out out/dalle
  npm run train:dalle -- out/large --out out/dalle --caption "a drawing of a squid on a red background"
`;

const usage = (problem: string, cause?: unknown) =>
  new GleanerError('USAGE', { problem: `${problem} See npm run train:dalle -- --help.` }, { cause });

/**
 * Reads the command line.
 * @returns undefined where help is asked for @throws GleanerError USAGE, FILE_NOT_FOUND
 */
export function readOptions(args: readonly string[]): TrainOptions | undefined {
  const { values, positionals } = parsed(args);
  if (values.help) return undefined;
  const [dir, ...more] = positionals;
  if (dir === undefined || more.length > 0) throw usage('Give one folder of a run.');
  if (values.out === undefined) throw usage('--out is missing: a folder for what is trained.');
  const recipe = values.recipe === undefined ? RECIPE : recipeWith(contentOf(values.recipe), values.recipe);
  return {
    ...{ dir, out: values.out, captions: values.caption, model: values.model },
    recipe: values.seed === undefined ? recipe : { ...recipe, seed: wholeNumber('seed', values.seed, 0) },
    threads: wholeNumber('threads', values.threads, 1),
    every: wholeNumber('checkpoint-every', values['checkpoint-every'], 0),
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        out: { type: 'string' },
        seed: { type: 'string' },
        caption: { type: 'string', multiple: true, default: [] },
        model: {
          type: 'string',
          default: fileURLToPath(new URL('../../models/gleaner-mini', import.meta.url)),
        },
        recipe: { type: 'string' },
        threads: { type: 'string', default: '2' },
        'checkpoint-every': { type: 'string', default: '60' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw usage(`${error instanceof Error ? error.message.split('. ')[0] : error}.`, error);
  }
}

function contentOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new GleanerError('FILE_NOT_FOUND', { path, hint: '--recipe names a JSON file.' }, { cause });
  }
}

function wholeNumber(name: string, text: string, least: number): number {
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text)) && Number(text) >= least) return Number(text);
  throw usage(`--${name} is a whole number of at least ${least}, not '${text}'.`);
}
