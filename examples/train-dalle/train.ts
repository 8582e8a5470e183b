/**
 * Trains a DALL-E on a release: `npm run train:dalle -- DIR --out FOLDER`. A discrete autoencoder learns to write pictures as
 * codes, then a transformer to foresee a caption and the codes of its picture; then it writes pictures for captions that it
 * never saw. Stopped at any moment, the same command goes on.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Batch } from '../../src/loader/index.ts';
import { GleanerError } from '../../src/schema/index.ts';
import {
  type Feeds,
  Parameters,
  Rng,
  type Schedule,
  type StepReport,
  seedOf,
  Trainer,
} from '../autodiff/index.ts';
import { Codebook } from './codebook.ts';
import { heldOut, type OpenPictures, openRelease } from './data.ts';
import { codesOf, type TransformerSize, transformerLoss, vqLoss } from './model.ts';
import { floats, integers, openLikelihood, openVq } from './networks.ts';
import { cut, psnr } from './pictures.ts';
import { stepLines } from './progress.ts';
import { RECIPE, type Recipe, recipeWith } from './recipe.ts';
import { report } from './report.ts';
import { CaptionTokens, learnTokens } from './text.ts';

export interface TrainOptions {
  /** Folder of a finished run. */
  readonly dir: string;
  /** Gets checkpoints, samples and figures. */
  readonly out: string;
  readonly recipe: Recipe;
  /** Folder of the CLIP that ranks. */
  readonly model: string;
  /** Pictures are written for these; none: for an object of the training set before colours that are new to it. */
  readonly captions: readonly string[];
  readonly say: (line: string) => void;
  /** Seconds between checkpoints. */
  readonly every: number;
  /** Threads of onnxruntime; the last bits of sums depend on it. */
  readonly threads: number;
}

/** Codes are restarted every so many steps, until so much of the training is over. */
const RESTART = { every: 20, until: 0.7 };
/** Captions that byte pairs are learnt from, at most. */
const MOST_CAPTIONS = 100_000;

export async function train(options: TrainOptions): Promise<void> {
  const { dir, out, recipe, say } = options;
  mkdirSync(out, { recursive: true });
  const open = await openRelease(dir, recipe, say);
  const captions = await captionsOf(open);
  const tokens = new CaptionTokens(learnTokens(captions, recipe.text.merges), recipe.text.tokens);
  say(`${captions.length} training pictures, ${tokens.vocabulary} text tokens`);
  await using vqTrainer = await trainVq(options, open);
  await using transformerTrainer = await trainTransformer(options, open, vqTrainer.parameters, tokens);
  const size = sizeOf(recipe, tokens);
  await report({ ...options, open, trainCaptions: captions, tokens, size, vqTrainer, transformerTrainer });
}

async function captionsOf(open: OpenPictures): Promise<string[]> {
  const captions: string[] = [];
  await using loader = await open('train', 64, { epochs: 1 });
  for await (const { texts } of loader) {
    captions.push(...texts);
    if (captions.length >= MOST_CAPTIONS) break;
  }
  return captions;
}

/** Those of the transformer, once the captions' tokens are known. */
const sizeOf = ({ vq, transformer }: Recipe, tokens: CaptionTokens): TransformerSize => ({
  ...transformer,
  ...{ textTokens: tokens.length, vocabulary: tokens.vocabulary },
  ...{ imageTokens: codesOf(vq), codes: vq.codes },
});

async function trainVq(options: TrainOptions, open: OpenPictures): Promise<Trainer> {
  const { out, recipe, threads } = options;
  const { seed, from, vq, vqTraining } = recipe;
  const parameters = new Parameters(seed);
  const book = new Codebook(parameters, vq);
  const trainer = await Trainer.open({
    build: (graph) => vqLoss(graph, vqTraining.batch, vq),
    parameters,
    schedule: scheduleOf(vqTraining, 0.01),
    recipe: { seed, from, vq, vqTraining },
    path: join(out, 'vq.safetensors'),
    every: Infinity,
    threads,
  });
  await go(options, trainer, 'autoencoder', vqTraining, open, {
    feeds: async ({ images }, rng) => ({ pixels: cut(images, from, vq.side, rng) }),
    after: ({ step, outputs }) => {
      book.count(integers(outputs.codes));
      const [mse = 0] = floats(outputs.mse);
      trainer.note('psnr', psnr(mse));
      if (step % RESTART.every === 0 && step < RESTART.until * vqTraining.steps)
        book.restart(trainer, floats(outputs.latents), seed);
      return `PSNR ${psnr(mse).toFixed(1)} dB, codes as ${book.perplexity().toFixed(0)}`;
    },
  });
  return trainer;
}

async function trainTransformer(
  options: TrainOptions,
  open: OpenPictures,
  vqWeights: Parameters,
  tokens: CaptionTokens,
): Promise<Trainer> {
  const { out, recipe, threads } = options;
  const { seed, from, vq, transformerTraining: training } = recipe;
  const size = sizeOf(recipe, tokens);
  const trainer = await Trainer.open({
    build: (graph) => transformerLoss(graph, training.batch, size),
    parameters: new Parameters(seed),
    schedule: scheduleOf(training, 0.1),
    recipe: { seed, from, vq, vqTraining: recipe.vqTraining, size, training, text: recipe.text },
    path: join(out, 'transformer.safetensors'),
    every: Infinity,
    threads,
  });
  await using autoencoder = await openVq(vqWeights, vq);
  const held = await heldOut(open, 'validation', VALIDATION, recipe);
  const heldCodes = await autoencoder.encode(held.pixels);
  const heldText = tokens.encode(held.texts);
  await using likelihood = await openLikelihood(trainer.parameters, size);
  await go(options, trainer, 'transformer', training, open, {
    feeds: async ({ images, texts }, rng) => {
      const captions = texts.map((text) => (rng.chance(training.captionDropout) ? undefined : text));
      const text = tokens.encode(captions);
      const codes = await autoencoder.encode(cut(images, from, vq.side, rng));
      return { text, codes, weights: tokens.weights(captions, text) };
    },
    after: async ({ step, outputs }) => {
      const [nats = 0] = floats(outputs.natsOfCodes);
      trainer.note('train', nats);
      if (step % Math.ceil(training.steps / VALIDATIONS) === 0)
        trainer.note('validation', await likelihood.nats(heldText, heldCodes));
      return `${nats.toFixed(3)} nats a code, validation ${trainer.curves.validation?.at(-1)?.[1].toFixed(3) ?? '-'}`;
    },
  });
  return trainer;
}

/** Pictures of the validation split that the curve is made of, and how often it is looked at. */
const VALIDATION = 96;
const VALIDATIONS = 20;

const scheduleOf = ({ steps, rate }: Recipe['vqTraining'], decay: number): Schedule => ({
  ...{ steps, rate, decay, warmUp: Math.min(100, Math.ceil(steps / 10)) },
});

/** Takes the steps that are left, and says how it goes. */
async function go(
  { recipe: { seed }, say, every }: TrainOptions,
  trainer: Trainer,
  title: string,
  { batch: batchSize, steps }: Recipe['vqTraining'],
  open: OpenPictures,
  work: {
    feeds(batch: Batch, rng: Rng): Promise<Feeds>;
    /** What belongs to the step before it is kept. @returns what is said of it */
    after(report: StepReport): string | Promise<string>;
  },
): Promise<void> {
  if (trainer.finished) return say(`${title}: done before, ${steps} steps`);
  const line = stepLines(title, trainer.step, steps, batchSize, say);
  let saved = performance.now();
  await using loader = await open('train', batchSize, { state: trainer.data });
  for await (const batch of loader) {
    const feeds = await work.feeds(batch, new Rng(seedOf(title, seed, trainer.step)));
    const report = await trainer.take(feeds, batch.state);
    line(report, await work.after(report));
    // Not by the trainer itself: what `after` does to the weights belongs to the step.
    if (trainer.finished || performance.now() - saved >= 1000 * every) {
      trainer.save();
      saved = performance.now();
    }
    if (trainer.finished) return;
  }
}

const HELP = `Usage: npm run train:dalle -- DIR --out FOLDER [options]

Trains a DALL-E on a release (the folder of a finished 'gleaner run') and writes pictures with it. Started again it goes on.

  --out FOLDER       gets checkpoints, samples.png, figures.json and curves
  --seed N           of the weights, the batches and the samples (default ${RECIPE.seed})
  --caption TEXT     write pictures for this caption; may be given again (default: objects before colours new to them)
  --model FOLDER     a CLIP that ranks the samples (default models/gleaner-mini)
  --recipe FILE      JSON with other values than those of examples/train-dalle/recipe.ts
  --threads N        threads of onnxruntime (default 2)
  --checkpoint S     seconds between checkpoints (default 60)
`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      seed: { type: 'string' },
      caption: { type: 'string', multiple: true, default: [] },
      model: { type: 'string', default: DEFAULT_MODEL },
      recipe: { type: 'string' },
      threads: { type: 'string', default: '2' },
      checkpoint: { type: 'string', default: '60' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  const [dir, ...more] = positionals;
  if (dir === undefined || more.length > 0 || values.out === undefined)
    throw new GleanerError('USAGE', {
      problem: 'give one folder of a run, and --out FOLDER. --help says more.',
    });
  const numberOf = (name: string, text: string) => {
    const value = Number(text);
    if (Number.isSafeInteger(value) && value >= 0 && text !== '') return value;
    throw new GleanerError('USAGE', { problem: `--${name} is a whole number, not '${text}'.` });
  };
  const recipe =
    values.recipe === undefined ? RECIPE : recipeWith(readFileSync(values.recipe, 'utf8'), values.recipe);
  const began = performance.now();
  await train({
    ...{ dir, out: values.out, captions: values.caption, model: values.model },
    recipe: values.seed === undefined ? recipe : { ...recipe, seed: numberOf('seed', values.seed) },
    threads: numberOf('threads', values.threads),
    every: numberOf('checkpoint', values.checkpoint),
    say: (line) => console.log(`[${((performance.now() - began) / 1000).toFixed(0)} s] ${line}`),
  });
}

const DEFAULT_MODEL = fileURLToPath(new URL('../../models/gleaner-mini', import.meta.url));

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof GleanerError)) throw error;
    console.error(error.message);
    process.exitCode = error.exitCode;
  }
}
