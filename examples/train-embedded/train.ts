/**
 * Trains gleaner-mini and writes models/gleaner-mini: `npm run train:embedded`.
 *
 *   --control           train on shuffled captions instead, and add those figures to the model card
 *   --another-seed N    train from another seed instead, and add those figures to the model card
 *   --leave-out SET     train without this style instead, measure on it, and add those figures to the model card
 *   --steps N           with --leave-out: fewer training steps, and add nothing: for choosing between recipes
 */
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { GleanerError, refusedBySystem } from '../../src/schema/index.ts';
import { Rng, seedOf } from '../autodiff/rng.ts';
import { openMatMul } from '../autodiff/runtime.ts';
import type { Backdrop } from './backdrops.ts';
import { Batches } from './batches.ts';
import { BpeEncoder } from './bpe.ts';
import { type Dataset, exampleOf, learnVocabulary, loadDataset, unitsOf } from './dataset.ts';
import { type Drawing, type IconSet, loadDrawings } from './drawings.ts';
import { openEmbedder } from './embedder.ts';
import { evaluate, type Gallery, type Measures } from './evaluate.ts';
import { type Encoder, textModel, visionModel } from './export.ts';
import { featureCount, learnScales, openFeatureExtractor, type ScaleBank } from './features.ts';
import { type Metrics, readMetrics, writeMetrics, writeModelFolder } from './model-folder.ts';
import { ProgressLines } from './progress.ts';
import { RECIPE, type Recipe } from './recipe.ts';
import { scenesOf } from './scenes.ts';
import { trainHead } from './trainer.ts';
import { drawViews, pixelValuesOf } from './views.ts';

const FOLDER = new URL('../../models/gleaner-mini/', import.meta.url);
const progress = new ProgressLines();

interface Data {
  readonly encoder: BpeEncoder;
  readonly banks: readonly ScaleBank[];
  readonly dataset: Dataset;
  readonly galleries: { readonly varied: Gallery; readonly white: Gallery };
}

/** Filters learnt from views that are not trained on, and the units in which features of these are bytes. */
async function learnFeatures(recipe: Recipe, drawings: readonly Drawing[]) {
  const rng = new Rng(seedOf('filters', recipe.seed));
  const pictures = rng.sample(drawings, recipe.filterPictures);
  const pixels = pixelValuesOf(drawViews(pictures, 'varied', recipe.views.length));
  const banks = await learnScales(pixels, recipe.scales, recipe.filterPatches, await openMatMul(), rng);
  const extract = await openFeatureExtractor(banks);
  return { banks, extract, units: unitsOf(await extract(pixels), featureCount(recipe.scales)) };
}

async function prepare(recipe: Recipe): Promise<Data> {
  const load = (sets: readonly IconSet[]) => sets.flatMap(loadDrawings).map(exampleOf);
  const [all, test] = [load(recipe.sets), load([recipe.testSet])];
  const concepts = [...new Set(all.map((e) => e.drawing.concept))].sort();
  const heldOutCount = Math.round(recipe.heldOutShare * concepts.length);
  const heldOut = new Set(new Rng(seedOf('held out', recipe.seed)).sample(concepts, heldOutCount));
  const examples = all.filter((e) => !heldOut.has(e.drawing.concept));
  progress.say(
    `${examples.length} drawings of ${concepts.length - heldOutCount} concepts, ${heldOutCount} held out`,
  );

  const encoder = new BpeEncoder(learnVocabulary(examples, recipe.merges));
  const drawings = examples.map((e) => e.drawing);
  const { banks, extract, units } = await learnFeatures(recipe, drawings);
  progress.say(`${encoder.size} tokens, ${units.length} features`);

  const report = (view: number) =>
    progress.say(`features of view ${view + 1} of ${recipe.views.length}: ${recipe.views[view]}`);
  const dataset = await loadDataset(examples, recipe.views, { banks, extract, units }, report);
  const gallery = async (backdrop: Backdrop): Promise<Gallery> => ({
    examples: test,
    pixels: await scenesOf(
      test.map((e) => e.drawing),
      backdrop,
    ),
    heldOut,
  });
  const galleries = { varied: await gallery('varied'), white: await gallery('white') };
  progress.say(`test pictures: ${test.length} of ${recipe.testSet}`);
  return { encoder, banks, dataset, galleries };
}

async function train({ encoder, banks, dataset }: Data, recipe: Recipe, shuffled: boolean): Promise<Encoder> {
  const { hidden, dims, schedule, seed } = recipe;
  const shape = { features: dataset.width, hidden, dims, tokens: encoder.size };
  const batches = new Batches(dataset, encoder, seed, shuffled);
  const report = progress.ofSteps(shuffled ? 'control' : 'training', schedule.steps);
  const all = { ...recipe, shuffled };
  const path = fileURLToPath(new URL(`./.cache/${seedOf(JSON.stringify(all))}.safetensors`, import.meta.url));
  const { head, cpuSeconds } = await trainHead(batches, shape, recipe, report, { path, recipe: all });
  progress.add(cpuSeconds);
  return { banks, mean: dataset.mean, deviation: dataset.deviation, head, shape };
}

/** Measures the exported graphs, as onnxruntime runs them. */
async function measure(trained: Encoder, { encoder, galleries }: Data, title: string) {
  const [vision, text] = [visionModel(trained), textModel(trained, encoder)];
  const embedder = await openEmbedder(vision, text, (t) => encoder.encode(t), trained.shape.dims);
  const varied = await evaluate(embedder, galleries.varied);
  const white = await evaluate(embedder, galleries.white);
  progress.say(`${title}, varied backgrounds: ${summary(varied)}`);
  progress.say(`${title}, white backgrounds:  ${summary(white)}`);
  return { vision, text, varied, white };
}

function summary({ textToImage: t, imageToText: i, pairs: p, groups, queries }: Measures): string {
  return [
    `text→image R@1/5/10 ${t.at1}/${t.at5}/${t.at10}`,
    `image→text ${i.at1}/${i.at5}/${i.at10}`,
    `AUC ${p.auc}, at 0.3 kept ${p.kept} %, dropped ${p.dropped} %`,
    `groups ${groups.accuracy} %, free queries P@5 ${queries.precisionAt5} %`,
  ].join('; ');
}

/** The command line's values. @throws GleanerError USAGE */
function readValues() {
  try {
    const { values } = parseArgs({
      options: {
        control: { type: 'boolean', default: false },
        'another-seed': { type: 'string' },
        'leave-out': { type: 'string' },
        steps: { type: 'string' },
      },
    });
    return values;
  } catch (cause) {
    throw new GleanerError(
      'USAGE',
      {
        problem: `${cause instanceof Error ? cause.message : cause} (examples/train-embedded/README.md lists options)`,
      },
      { cause },
    );
  }
}

/** A whole number above 0, where one is given. @throws GleanerError USAGE */
function countOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined || /^[1-9]\d*$/.test(text)) return text === undefined ? undefined : Number(text);
  throw new GleanerError('USAGE', { problem: `--${name} takes a whole number above 0, not ${text}` });
}

function parseOptions() {
  const values = readValues();
  const leaveOut = RECIPE.sets.find((set) => set === values['leave-out']);
  if (values['leave-out'] !== undefined && leaveOut === undefined) {
    const problem = `--leave-out takes one of ${RECIPE.sets.join(', ')}, not ${values['leave-out']}`;
    throw new GleanerError('USAGE', { problem });
  }
  const anotherSeed = countOf('another-seed', values['another-seed']);
  const steps = countOf('steps', values.steps);
  return { control: values.control, anotherSeed, leaveOut, steps };
}

/** Trains and measures by a recipe; with `shuffled`, the control. */
async function run(recipe: Recipe, shuffled: boolean) {
  const data = await prepare(recipe);
  const trained = await train(data, recipe, shuffled);
  const title = `${recipe.testSet}${shuffled ? ', shuffled captions' : ''}`;
  return { data, trained, ...(await measure(trained, data, title)) };
}

/** The figures of the model that this very recipe made. @throws GleanerError where the model is of another */
function madeBefore(): Metrics {
  const metrics = readMetrics(FOLDER);
  if (metrics === null || !isDeepStrictEqual(metrics.recipe, JSON.parse(JSON.stringify(RECIPE)))) {
    const problem = `${fileURLToPath(FOLDER)} is not of this recipe: run npm run train:embedded first`;
    throw new GleanerError('USAGE', { problem });
  }
  return metrics;
}

/** Adds figures of a second training to those of the model. */
function amend(change: (metrics: Metrics) => Metrics): void {
  writeMetrics(FOLDER, change(madeBefore()));
  progress.say(`added to ${fileURLToPath(FOLDER)}`);
}

async function main(): Promise<void> {
  const { control, anotherSeed, leaveOut, steps } = parseOptions();
  // Said before a quarter of an hour of work, not after it.
  if (control || anotherSeed !== undefined || (leaveOut !== undefined && steps === undefined)) madeBefore();
  if (leaveOut !== undefined) {
    const sets = RECIPE.sets.filter((set) => set !== leaveOut);
    const schedule = { ...RECIPE.schedule, steps: steps ?? RECIPE.schedule.steps };
    const { varied, white } = await run({ ...RECIPE, sets, testSet: leaveOut, schedule }, false);
    if (steps !== undefined) return;
    return amend((metrics) => {
      const others = metrics.leftOut.filter(({ set }) => set !== leaveOut);
      return { ...metrics, leftOut: [...others, { set: leaveOut, varied, white }] };
    });
  }
  if (control) {
    const { varied, white } = await run(RECIPE, true);
    return amend((metrics) => ({ ...metrics, control: { varied, white } }));
  }
  if (anotherSeed !== undefined) {
    const { varied, white } = await run({ ...RECIPE, seed: anotherSeed }, false);
    return amend((metrics) => {
      const others = metrics.otherSeeds.filter(({ seed }) => seed !== anotherSeed);
      return { ...metrics, otherSeeds: [...others, { seed: anotherSeed, varied, white }] };
    });
  }
  const { data, trained, vision, text, varied, white } = await run(RECIPE, false);
  const training = {
    drawings: data.dataset.examples.length,
    heldOutConcepts: data.galleries.varied.heldOut.size,
    cpuSeconds: Math.round(progress.cpuSeconds()),
  };
  const metrics = {
    recipe: RECIPE,
    training,
    test: { varied, white },
    control: null,
    otherSeeds: [],
    leftOut: [],
  };
  writeModelFolder(FOLDER, { vision, text, encoder: data.encoder, trained, metrics });
  progress.say(`written: ${fileURLToPath(FOLDER)}`);
}

try {
  await main();
} catch (error) {
  const known = refusedBySystem(error);
  if (!known) throw error;
  process.stderr.write(`train:embedded: ${known.message}\n`);
  process.exitCode = known.exitCode;
}
