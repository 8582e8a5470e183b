/**
 * Trains gleaner-mini and writes models/gleaner-mini: `npm run train:embedded`.
 *
 *   --control           train on shuffled captions instead, and add those figures to the model card
 *   --another-seed N    train from another seed instead, and add those figures to the model card
 *   --leave-out SET     train without this style instead, measure on it, and add those figures to the model card
 *   --steps N           with --leave-out: fewer training steps, and add nothing: for choosing between recipes
 */
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { Rng, seedOf } from '../autodiff/rng.ts';
import { openMatMul } from '../autodiff/runtime.ts';
import { Batches } from './batches.ts';
import { BpeEncoder } from './bpe.ts';
import { type Dataset, exampleOf, learnVocabulary, loadDataset, pixelsOf } from './dataset.ts';
import { type IconSet, loadDrawings } from './drawings.ts';
import { openEmbedder } from './embedder.ts';
import { evaluate, type Gallery, type Measures } from './evaluate.ts';
import { type Encoder, textModel, visionModel } from './export.ts';
import { featureCount, openFeatureExtractor } from './features.ts';
import { type Metrics, readMetrics, writeMetrics, writeModelFolder } from './model-folder.ts';
import { type FilterBank, learnFilterBank, samplePatches } from './patches.ts';
import { ProgressLines } from './progress.ts';
import { RECIPE, type Recipe } from './recipe.ts';
import { trainHead } from './trainer.ts';

const FOLDER = new URL('../../models/gleaner-mini/', import.meta.url);
const progress = new ProgressLines();

interface Data {
  readonly encoder: BpeEncoder;
  readonly bank: FilterBank;
  readonly dataset: Dataset;
  readonly galleries: { readonly varied: Gallery; readonly white: Gallery };
}

async function learnBank(recipe: Recipe, drawings: Parameters<typeof pixelsOf>[0]): Promise<FilterBank> {
  const rng = new Rng(seedOf('filters', recipe.seed));
  const pictures = rng.sample(drawings, recipe.filterPictures);
  const pixels = await pixelsOf(pictures, 'varied', recipe.views.length);
  const patches = samplePatches(pixels, recipe.filterPatches, rng);
  return learnFilterBank(patches, recipe.filters, await openMatMul(), rng);
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
  const bank = await learnBank(
    recipe,
    examples.map((e) => e.drawing),
  );
  progress.say(`${encoder.size} tokens, ${bank.count} patch filters`);

  const extract = await openFeatureExtractor(bank);
  const dataset = await loadDataset(examples, recipe.views, extract, bank, (view) =>
    progress.say(`features of view ${view + 1} of ${recipe.views.length}: ${recipe.views[view]}`),
  );
  const gallery = async (style: 'test-varied' | 'test-white'): Promise<Gallery> => {
    const pixels = await pixelsOf(
      test.map((e) => e.drawing),
      style,
      0,
    );
    return { examples: test, pixels, heldOut };
  };
  const galleries = { varied: await gallery('test-varied'), white: await gallery('test-white') };
  progress.say(`test pictures: ${test.length} of ${recipe.testSet}`);
  return { encoder, bank, dataset, galleries };
}

async function train({ encoder, bank, dataset }: Data, recipe: Recipe, shuffled: boolean): Promise<Encoder> {
  const { hidden, dims, schedule, seed } = recipe;
  const shape = { features: featureCount(bank.count), hidden, dims, tokens: encoder.size };
  const batches = new Batches(dataset, encoder, new Rng(seedOf('batches', seed)), shuffled);
  const report = progress.ofSteps(shuffled ? 'control' : 'training', schedule.steps);
  const head = await trainHead(batches, shape, schedule, new Rng(seedOf('weights', seed)), report);
  return { bank, mean: dataset.mean, deviation: dataset.deviation, head, shape };
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

function parseOptions() {
  const { values } = parseArgs({
    options: {
      control: { type: 'boolean', default: false },
      'another-seed': { type: 'string' },
      'leave-out': { type: 'string' },
      steps: { type: 'string' },
    },
  });
  const leaveOut = RECIPE.sets.find((set) => set === values['leave-out']);
  if (values['leave-out'] !== undefined && leaveOut === undefined) {
    throw new RangeError(`--leave-out takes one of ${RECIPE.sets.join(', ')}, not ${values['leave-out']}`);
  }
  const anotherSeed = values['another-seed'] === undefined ? undefined : Number(values['another-seed']);
  const steps = values.steps === undefined ? undefined : Number(values.steps);
  return { control: values.control, anotherSeed, leaveOut, steps };
}

/** Trains and measures by a recipe; with `shuffled`, the control. */
async function run(recipe: Recipe, shuffled: boolean) {
  const data = await prepare(recipe);
  const trained = await train(data, recipe, shuffled);
  const title = `${recipe.testSet}${shuffled ? ', shuffled captions' : ''}`;
  return { data, trained, ...(await measure(trained, data, title)) };
}

/** Adds figures of a second training to those of the model that this very recipe made. */
function amend(change: (metrics: Metrics) => Metrics): void {
  const metrics = readMetrics(FOLDER);
  if (metrics === null || !isDeepStrictEqual(metrics.recipe, JSON.parse(JSON.stringify(RECIPE)))) {
    throw new Error(`${FOLDER.pathname} is not of this recipe: run npm run train:embedded first`);
  }
  writeMetrics(FOLDER, change(metrics));
  progress.say(`added to ${FOLDER.pathname}`);
}

async function main(): Promise<void> {
  const { control, anotherSeed, leaveOut, steps } = parseOptions();
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
  progress.say(`written: ${FOLDER.pathname}`);
}

await main();
