/**
 * Trains a DALL-E on a release: `npm run train:dalle -- DIR --out FOLDER`. A discrete autoencoder learns to write pictures as
 * codes, then a transformer to foresee a caption and the codes of its picture; then it writes pictures for captions that it
 * never saw. Stopped at any moment, the same command goes on.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Batch } from '../../src/loader/index.ts';
import { GleanerError, refusedBySystem } from '../../src/schema/index.ts';
import {
  type Feeds,
  keepStopped,
  Parameters,
  Rng,
  type Schedule,
  type StepReport,
  sayWithTime,
  seedOf,
  stepLines,
  Trainer,
  watchForStop,
} from '../autodiff/index.ts';
import { COLOUR_NAMES } from '../train-embedded/colours.ts';
import { backgroundColour, type SeenCaption } from './captions.ts';
import { Codebook } from './codebook.ts';
import { heldOut, type OpenPictures, openRelease } from './data.ts';
import { codesOf, type TransformerSize, transformerLoss, vqLoss } from './model.ts';
import { floats, integers, openLikelihood, openVq } from './networks.ts';
import { HELP, readOptions, type TrainOptions } from './options.ts';
import { cut, psnr } from './pictures.ts';
import type { Recipe } from './recipe.ts';
import { report } from './report.ts';
import { CaptionTokens, learnTokens } from './text.ts';

/** Codes are restarted every so many steps, until so much of the training is over. */
const RESTART = { every: 20, until: 0.7 };
/** Captions that are looked at before the training, at most. */
const MOST_CAPTIONS = 100_000;

type Say = (line: string) => void;

/**
 * Trains, or goes on with it, then writes pictures and measures.
 * @throws GleanerError as `splitRun`, `openLoader`, `Trainer` and `loadClip`: SPLIT_EMPTY, DAMAGED, RUN_MISMATCH where `out` holds a
 * training of another recipe, TRAINING_FAILED where a loss is no number or explodes
 */
export async function train(options: TrainOptions, say: Say): Promise<void> {
  const { dir, out, recipe } = options;
  mkdirSync(out, { recursive: true });
  const open = await openRelease(dir, recipe, say);
  const captions = await captionsOf(open, recipe);
  const texts = captions.map(({ caption }) => caption);
  const tokens = new CaptionTokens(learnTokens(texts, recipe.text.merges), recipe.text.tokens);
  say(`${captions.length} training pictures, ${tokens.vocabulary} text tokens`);
  await using vqTrainer = await trainVq(options, say, open);
  if (!vqTrainer.finished) return keepStopped(vqTrainer, say);
  await using transformerTrainer = await trainTransformer(options, say, open, vqTrainer.parameters, tokens);
  if (!transformerTrainer.finished) return keepStopped(transformerTrainer, say);
  const size = sizeOf(recipe, tokens);
  await report({
    ...options,
    say,
    open,
    trainCaptions: captions,
    tokens,
    size,
    vqTrainer,
    transformerTrainer,
  });
}

/** Captions of the training split, with the colours of their pictures' corners. */
async function captionsOf(open: OpenPictures, { from, vq: { side } }: Recipe): Promise<SeenCaption[]> {
  const captions: SeenCaption[] = [];
  await using loader = await open('train', 64, { epochs: 1 });
  for await (const { images, texts } of loader) {
    const pixels = cut(images, from, side);
    const each = 3 * side * side;
    texts.forEach((caption, i) => {
      const one = pixels.subarray(i * each, (i + 1) * each);
      captions.push({ caption, seen: backgroundColour(one, side, COLOUR_NAMES) });
    });
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

async function trainVq(options: TrainOptions, say: Say, open: OpenPictures): Promise<Trainer> {
  const { out, recipe, threads, every } = options;
  const { seed, from, vq, vqTraining } = recipe;
  const parameters = new Parameters(seed);
  const book = new Codebook(parameters, vq);
  const trainer = await Trainer.open({
    build: (graph) => vqLoss(graph, vqTraining.batch, vq),
    parameters,
    schedule: scheduleOf(vqTraining, 0.01),
    recipe: { seed, from, vq, vqTraining },
    path: join(out, 'vq.safetensors'),
    ...{ every, threads },
  });
  await go(seed, say, trainer, 'autoencoder', vqTraining, open, {
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
  say: Say,
  open: OpenPictures,
  vqWeights: Parameters,
  tokens: CaptionTokens,
): Promise<Trainer> {
  const { out, recipe, threads, every } = options;
  const { seed, from, vq, transformerTraining: training } = recipe;
  const size = sizeOf(recipe, tokens);
  const trainer = await Trainer.open({
    build: (graph) => transformerLoss(graph, training.batch, size),
    parameters: new Parameters(seed),
    schedule: scheduleOf(training, 0.1),
    recipe: { seed, from, vq, vqTraining: recipe.vqTraining, size, training, text: recipe.text },
    path: join(out, 'transformer.safetensors'),
    ...{ every, threads },
  });
  await using autoencoder = await openVq(vqWeights, vq);
  const held = await heldOut(open, 'validation', VALIDATION, recipe);
  const heldCodes = await autoencoder.encode(held.pixels);
  const heldText = tokens.encode(held.texts);
  await using likelihood = await openLikelihood(trainer.parameters, size);
  await go(seed, say, trainer, 'transformer', training, open, {
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

/** Takes the steps that are left, or those until Ctrl-C, and says how it goes. */
async function go(
  seed: number,
  say: Say,
  trainer: Trainer,
  title: string,
  { batch: batchSize, steps }: Recipe['vqTraining'],
  open: OpenPictures,
  work: {
    feeds(batch: Batch, rng: Rng): Promise<Feeds>;
    /** What belongs to the step. @returns what is said of it */
    after(report: StepReport): string | Promise<string>;
  },
): Promise<void> {
  if (trainer.finished) return say(`${title}: done before, ${steps} steps`);
  const line = stepLines(title, trainer.step, steps, batchSize, say);
  using stop = watchForStop();
  await using loader = await open('train', batchSize, { state: trainer.data });
  for await (const batch of loader) {
    const feeds = await work.feeds(batch, new Rng(seedOf(title, seed, trainer.step)));
    await trainer.take(feeds, batch.state, async (report) => line(report, await work.after(report)));
    if (trainer.finished || stop.asked()) return;
  }
}

if (import.meta.main) {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options === undefined) process.stdout.write(HELP);
    else await train(options, sayWithTime);
  } catch (error) {
    const known = error instanceof GleanerError ? error : refusedBySystem(error);
    if (!known) throw error;
    console.error(`train:dalle: ${known.message}`);
    process.exitCode = known.exitCode;
  }
}
