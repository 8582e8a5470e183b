/** Trains a CLIP from scratch on a release, measures and exports it: `npm run train:clip -- --help`. */
import { join } from 'node:path';
import { refusedBySystem } from '../../src/schema/index.ts';
import {
  keepStopped,
  Parameters,
  Rng,
  sayWithTime,
  seedOf,
  stepLines,
  Trainer,
  watchForStop,
} from '../autodiff/index.ts';
import type { BpeEncoder } from '../train-embedded/bpe.ts';
import { augment } from './augment.ts';
import { learnTokens, tokensOf } from './captions.ts';
import { type KnownClasses, knownClasses } from './classes.ts';
import { batchesOf, digestOf, findSplit, MOST_HELD_OUT, type Pairs, readPairs, type Source } from './data.ts';
import { embedderOf, openModel } from './embedder.ts';
import { evaluate, type Measures } from './evaluate.ts';
import { writeModelFolder } from './export.ts';
import { clip, type Size } from './model.ts';
import { HELP, type Options, readOptions } from './options.ts';
import { type Metrics, writeCurves, writeMetrics } from './results.ts';

/** Pictures are read so much larger than they are trained on: views are cut out of them. */
const MARGIN = 1.25;
/** Share of a caption's tokens that are passed over in training. */
const TOKEN_DROPOUT = 0.1;
/** The vocabulary is learnt from so many captions at least, where there are as many. */
const MOST_CAPTIONS = 2000;
/** Looks at the validation split during a training, and most pairs that are looked at. */
const LOOKS = 12;
const MOST_VALIDATION = 1000;

type Say = (line: string) => void;

/**
 * Trains, or goes on with it; then measures and exports.
 * @throws GleanerError as the loader, `splitRun` and `Trainer`: SPLIT_EMPTY, DATASET_EMPTY, DAMAGED, RUN_MISMATCH where --out
 * holds a training of another recipe or data, TRAINING_FAILED
 */
export async function train(options: Options, say: Say): Promise<void> {
  const data = await prepare(options, say);
  const { out, seed, steps, batch, rate, size, control } = options;
  const { tokens, training, inMemory } = data;
  const digest = digestOf(training);
  const recipe = { seed, steps, batchSize: batch, rate, size, control, data: digest };
  const parameters = new Parameters(seed);
  await using trainer = await Trainer.open({
    build: (graph) => {
      const { loss, scale } = clip(graph, batch, tokens.size, size);
      return { loss, outputs: { scale } };
    },
    ...{ parameters, path: join(out, 'checkpoint.safetensors'), every: options.every },
    recipe: { ...recipe, ...(!inMemory && { streamed: true }) },
    schedule: { steps, rate, warmUp: Math.ceil(steps / 20), decay: 0.1 },
    threads: options.threads,
  });
  const goesOn = trainer.step > 0 ? `; goes on at step ${trainer.step}` : '';
  say(`${parameters.count} weights, ${tokens.size} tokens${goesOn}`);
  if (!trainer.finished && !(await takeSteps(trainer, data, options, say))) {
    return keepStopped(trainer, say);
  }
  await look(trainer, data, size);
  const model = join(out, 'model');
  writeModelFolder(model, { parameters, encoder: tokens, size });
  const measures = await measure(model, data, size);
  const { user, system } = process.cpuUsage();
  const metrics: Metrics = {
    recipe: { ...recipe, sizeName: options.sizeName },
    trainedOn: training.texts.length,
    lookedAt: data.validation.texts.length,
    weights: parameters.count,
    tokens: tokens.size,
    measures,
    curves: trainer.curves,
    seconds: Math.round(trainer.seconds),
    cpuSeconds: Math.round((user + system) / 1e6),
  };
  writeMetrics(out, metrics);
  writeCurves(join(out, '/'), [metrics]);
  const { textToImage: t, imageToText: i, gallery, chance } = measures.retrieval;
  say(
    `held out, among ${gallery}: text→image R@1/5/10 ${t.at1}/${t.at5}/${t.at10}, image→text ${i.at1}/${i.at5}/${i.at10}, chance ${chance.at1}/${chance.at5}/${chance.at10}`,
  );
  say(`written: ${model} (use it as --model), ${join(out, 'metrics.json')}, loss.svg, recall.svg`);
}

/** All that is trained and measured on. */
interface Data {
  readonly training: Pairs;
  readonly validation: Pairs;
  readonly test: Pairs;
  readonly tokens: BpeEncoder;
  readonly known: KnownClasses | undefined;
  /** Whether `training` is the whole train split; else it was only begun, and is streamed. */
  readonly inMemory: boolean;
  /** Where batches come from, larger than they are trained on. */
  readonly source: Source;
}

async function prepare(options: Options, say: Say): Promise<Data> {
  const { dir, split, size, threads, memory, classes } = options;
  const file = split ?? (await findSplit(dir, say));
  const exact = { dir, file, side: size.side, workers: threads - 1 };
  const source = { ...exact, side: Math.round(MARGIN * size.side) };
  const held = Math.floor(memory / (3 * source.side ** 2));
  const training = await readPairs(source, 'train', Math.max(held, MOST_CAPTIONS));
  const validation = await readPairs(exact, 'validation', MOST_VALIDATION);
  const test = await readPairs(exact, 'test', MOST_HELD_OUT);
  const { texts, whole, leftOut } = training;
  const inMemory = whole && texts.length <= held;
  say(
    `${whole ? '' : 'more than '}${texts.length} pairs to train on, ${validation.texts.length} to look at, ${test.texts.length} held out; ${leftOut} left out${inMemory ? '' : '; streamed'}`,
  );
  const [tokens, known] = [learnTokens(texts, size.merges), await knownClasses(classes, texts)];
  return { training, validation, test, tokens, known, inMemory, source };
}

/** Trains to the end. @returns false where Ctrl-C stopped it */
async function takeSteps(trainer: Trainer, data: Data, options: Options, say: Say): Promise<boolean> {
  const { seed, steps, batch, size, control } = options;
  const { training, tokens, inMemory, source } = data;
  // The control: to each picture a caption of another, the same in each epoch.
  const { texts } = training;
  const captionOf = (key: string, text: string) =>
    control ? texts[seedOf('control', seed, key) % texts.length]! : text;
  const line = stepLines('step', trainer.step, steps, batch, say);
  const every = Math.max(1, Math.ceil(steps / LOOKS));
  const state = trainer.step > 0 && { state: trainer.data };
  using stop = watchForStop();
  for await (const pairs of batchesOf(training, inMemory, { ...source, batchSize: batch, seed, ...state })) {
    // Before the step: a training that was stopped here looks when it goes on.
    if (trainer.step % every === 0) await look(trainer, data, size);
    const rng = new Rng(seedOf('view', seed, trainer.step));
    const captions = pairs.texts.map((text, i) => captionOf(pairs.keys[i]!, text));
    const feeds = {
      pixels: augment(pairs.images, source.side, size.side, rng),
      ...tokensOf(tokens, captions, () => rng.chance(TOKEN_DROPOUT)),
    };
    const report = await trainer.take(feeds, pairs.state);
    line(report, `temperature ${(1 / Number(report.outputs.scale?.[0])).toFixed(3)}`);
    if (trainer.finished || stop.asked()) break;
  }
  return trainer.finished;
}

/** Adds points to the curves of the validation split. */
async function look(trainer: Trainer, { tokens, validation }: Data, size: Size): Promise<void> {
  const { retrieval } = await evaluate(embedderOf(trainer.parameters, tokens, size), validation);
  trainer.note('text to image', retrieval.textToImage.at10);
  trainer.note('image to text', retrieval.imageToText.at10);
}

/** What the exported model does with the test split, read as gleaner reads it. */
async function measure(folder: string, { test, known }: Data, size: Size): Promise<Measures> {
  const model = await openModel(folder, size.side);
  try {
    return await evaluate(model, test, known);
  } finally {
    await model.close();
  }
}

if (import.meta.main) {
  try {
    const options = readOptions(process.argv.slice(2));
    if (!options) process.stdout.write(HELP);
    else await train(options, sayWithTime);
  } catch (error) {
    const known = refusedBySystem(error);
    if (!known) throw error;
    process.stderr.write(`train:clip: ${known.message}\n`);
    process.exitCode = known.exitCode;
  }
}
