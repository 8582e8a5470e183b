/** Trains a CLIP from scratch on a release, measures and exports it: `npm run train:clip -- --help`. */
import { join } from 'node:path';
import { refusedBySystem } from '../../src/schema/index.ts';
import { Parameters, Rng, seedOf, Trainer } from '../autodiff/index.ts';
import { augment } from './augment.ts';
import { learnTokens, tokensOf } from './captions.ts';
import { knownClasses } from './classes.ts';
import { batchesOf, digestOf, findSplit, MOST_HELD_OUT, readPairs } from './data.ts';
import { embedderOf, openModel } from './embedder.ts';
import { evaluate } from './evaluate.ts';
import { writeModelFolder } from './export.ts';
import { clip } from './model.ts';
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

/**
 * @throws GleanerError as the loader, `splitRun` and `Trainer`: SPLIT_EMPTY, DATASET_EMPTY, DAMAGED, RUN_MISMATCH where --out
 * holds a training of another recipe or data, TRAINING_FAILED
 */
export async function train(options: Options, print: (line: string) => void): Promise<void> {
  const began = performance.now();
  const say = (line: string) => print(`[${((performance.now() - began) / 1000).toFixed(0)} s] ${line}`);
  const { dir, out, seed, steps, batch: batchSize, size, control } = options;
  const file = options.split ?? (await findSplit(dir, say));
  const source = { dir, file, side: size.side, workers: options.threads - 1 };
  const large = { ...source, side: Math.round(MARGIN * size.side) };
  const held = Math.floor(options.memory / (3 * large.side ** 2));
  const training = await readPairs(large, 'train', Math.max(held, MOST_CAPTIONS));
  const validation = await readPairs(source, 'validation', MOST_VALIDATION);
  const test = await readPairs(source, 'test', MOST_HELD_OUT);
  const { texts, whole, leftOut } = training;
  const inMemory = whole && texts.length <= held;
  say(
    `${whole ? '' : 'more than '}${texts.length} pairs to train on, ${validation.texts.length} to look at, ${test.texts.length} held out; ${leftOut} left out${inMemory ? '' : '; streamed'}`,
  );
  const encoder = learnTokens(texts, size.merges);
  // The control: to each picture a caption of another, the same in each epoch.
  const captionOf = (key: string, text: string) =>
    control ? texts[seedOf('control', seed, key) % texts.length]! : text;

  const recipe = { seed, steps, batchSize, rate: options.rate, size, control, data: digestOf(training) };
  const parameters = new Parameters(seed);
  await using trainer = await Trainer.open({
    build: (graph) => {
      const { loss, scale } = clip(graph, batchSize, encoder.size, size);
      return { loss, outputs: { scale } };
    },
    ...{ parameters, recipe, path: join(out, 'checkpoint.safetensors'), every: options.every },
    schedule: { steps, rate: options.rate, warmUp: Math.ceil(steps / 20), decay: 0.1 },
    threads: options.threads,
  });
  say(
    `${parameters.count} weights, ${encoder.size} tokens${trainer.step > 0 ? `; goes on at step ${trainer.step}` : ''}`,
  );

  const look = async () => {
    const { retrieval } = await evaluate(embedderOf(parameters, encoder, size), validation);
    trainer.note('text to image', retrieval.textToImage.at10);
    trainer.note('image to text', retrieval.imageToText.at10);
  };
  const every = Math.max(1, Math.ceil(steps / LOOKS));
  const stopped = watchForStop();
  const progress = progressOf(say, trainer.step, steps, batchSize);
  const state = trainer.step > 0 ? trainer.data : undefined;
  const batches = batchesOf(training, inMemory, {
    ...large,
    batchSize,
    seed,
    ...(state !== undefined && { state }),
  });
  if (!trainer.finished)
    for await (const { images, texts: own, keys, state } of batches) {
      const step = trainer.step;
      // Before the step: a training that is stopped there looks when it goes on.
      if (step % every === 0) await look();
      const rng = new Rng(seedOf('view', seed, step));
      const captions = own.map((text, i) => captionOf(keys[i]!, text));
      const feeds = {
        pixels: augment(images, large.side, size.side, rng),
        ...tokensOf(encoder, captions, () => rng.chance(TOKEN_DROPOUT)),
      };
      progress(await trainer.take(feeds, state));
      if (trainer.finished) break;
      if (stopped()) {
        trainer.save();
        say(`stopped at step ${trainer.step}; the same command goes on from there`);
        process.exitCode = 130;
        return;
      }
    }
  await look();

  const folder = join(out, 'model');
  writeModelFolder(folder, { parameters, encoder, size });
  const model = await openModel(folder, size.side);
  const known = await knownClasses(options.classes, texts);
  const measures = await evaluate(model, test, known);
  await model.close();
  const { user, system } = process.cpuUsage();
  const metrics: Metrics = {
    recipe: { ...recipe, sizeName: options.sizeName },
    trainedOn: texts.length,
    lookedAt: validation.texts.length,
    weights: parameters.count,
    tokens: encoder.size,
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
  say(`written: ${folder} (use it as --model), ${join(out, 'metrics.json')}, loss.svg, recall.svg`);
}

/** Whether Ctrl-C was pressed; pressed again, it ends the process at once. */
function watchForStop(): () => boolean {
  let stopped = false;
  process.once('SIGINT', () => {
    stopped = true;
  });
  return () => stopped;
}

/** Says every few seconds where the training stands. */
function progressOf(say: (line: string) => void, first: number, steps: number, batchSize: number) {
  const start = performance.now();
  let said = start;
  return ({ step, loss, rate, outputs }: Awaited<ReturnType<Trainer['take']>>) => {
    const now = performance.now();
    if (now - said < 10_000 && step !== steps) return;
    said = now;
    const perStep = (now - start) / 1000 / (step - first);
    const temperature = 1 / Number(outputs.scale?.[0] ?? 1);
    say(
      `step ${step}/${steps}: loss ${loss.toFixed(3)}, temperature ${temperature.toFixed(3)}, rate ${rate.toExponential(1)}, ${(batchSize / perStep).toFixed(0)} pictures/s, ${Math.ceil(perStep * (steps - step))} s left`,
    );
  };
}

if (import.meta.main) {
  try {
    const options = readOptions(process.argv.slice(2));
    if (!options) process.stdout.write(HELP);
    else await train(options, console.log);
  } catch (error) {
    const known = refusedBySystem(error);
    if (!known) throw error;
    process.stderr.write(`train:clip: ${known.message}\n`);
    process.exitCode = known.exitCode;
  }
}
