/** Training data: drawings with what can be said of them, and features of several views of each. */

import { Rng, seedOf } from '../autodiff/rng.ts';
import { countWords, learnMerges } from './bpe.ts';
import { cachedFloats } from './cache.ts';
import { describe, type Subject, TEMPLATE_WORDS } from './captions.ts';
import { coloursOf } from './colours.ts';
import { type Drawing, renderDrawing } from './drawings.ts';
import { type FeatureExtractor, featureCount } from './features.ts';
import { type FilterBank, IMAGE_SIZE } from './patches.ts';
import { writePixelValues } from './resize.ts';
import { backgroundName, composeScene, SCENE_STYLES, type SceneStyle } from './scenes.ts';

/** A drawing and what can be said of it. */
export interface Example {
  readonly drawing: Drawing;
  readonly subject: Subject;
}

/** Side in pixels at which a drawing's colours are counted. */
const COLOUR_SIZE = 32;
const CHUNK = 64;

export function exampleOf(drawing: Drawing): Example {
  return { drawing, subject: describe(drawing, coloursOf(renderDrawing(drawing, COLOUR_SIZE))) };
}

/** The tokenizer's merges, learnt from names, keywords and the words of the templates. */
export function learnVocabulary(examples: readonly Example[], merges: number) {
  const texts = examples.flatMap(({ subject }) => [...subject.names, ...subject.keywords]);
  const templates = Array.from({ length: 20 }, () => TEMPLATE_WORDS).flat();
  return learnMerges(countWords([...texts, ...templates]), merges);
}

type StyleName = keyof typeof SCENE_STYLES;
/** One seed for each drawing and view, so that neither the order nor the choice of drawings matters. */
const viewRng = ({ set, id }: Drawing, style: StyleName, view: number): Rng =>
  new Rng(seedOf('view', set, id, style, view));

/** Pixel values [drawings, 3, 64, 64] of one view of each drawing. */
export async function pixelsOf(
  drawings: readonly Drawing[],
  style: StyleName,
  view: number,
): Promise<Float32Array> {
  const values = 3 * IMAGE_SIZE ** 2;
  const pixels = new Float32Array(drawings.length * values);
  for (const [i, drawing] of drawings.entries()) {
    const scene = await composeScene(drawing, SCENE_STYLES[style], viewRng(drawing, style, view));
    writePixelValues(scene, IMAGE_SIZE, pixels, i * values);
  }
  return pixels;
}

/** Features of several views of every example, standardised. */
export interface Dataset {
  readonly examples: readonly Example[];
  readonly views: number;
  readonly width: number;
  /** [views, examples, width] */
  readonly features: Float32Array;
  /** Colour of the background of each view of each example, where it has a name; [views, examples]. */
  readonly backgrounds: readonly (string | null)[];
  /** Of each feature over all views, before it was standardised. */
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

async function viewFeatures(
  drawings: readonly Drawing[],
  style: StyleName,
  view: number,
  extract: FeatureExtractor,
  width: number,
): Promise<Float32Array> {
  const features = new Float32Array(drawings.length * width);
  for (let from = 0; from < drawings.length; from += CHUNK) {
    const pixels = await pixelsOf(drawings.slice(from, from + CHUNK), style, view);
    features.set(await extract(pixels), from * width);
  }
  return features;
}

/** Mean and standard deviation of each column; then the columns are standardised in place. */
function standardize(rows: Float32Array, width: number): { mean: Float32Array; deviation: Float32Array } {
  const count = rows.length / width;
  const [sum, squares] = [new Float64Array(width), new Float64Array(width)];
  for (let r = 0; r < rows.length; r += width) {
    for (let i = 0; i < width; i++) {
      const v = rows[r + i]!;
      sum[i]! += v;
      squares[i]! += v * v;
    }
  }
  const mean = Float32Array.from(sum, (s) => s / count);
  // 0.001 keeps a feature that is nearly always 0 from being blown up
  const deviation = Float32Array.from(
    squares,
    (s, i) => Math.sqrt(Math.max(0, s / count - mean[i]! ** 2)) + 1e-3,
  );
  for (let r = 0; r < rows.length; r += width) {
    for (let i = 0; i < width; i++) rows[r + i] = (rows[r + i]! - mean[i]!) / deviation[i]!;
  }
  return { mean, deviation };
}

/**
 * Computes the features of one view of each example for each style of scene in `styles`.
 *
 * @param extract - The extractor of `bank`; what it gives is kept between runs.
 */
export async function loadDataset(
  examples: readonly Example[],
  styles: readonly StyleName[],
  extract: FeatureExtractor,
  bank: FilterBank,
  report: (view: number) => void,
): Promise<Dataset> {
  const width = featureCount(bank.count);
  const bankBytes = new Uint8Array(bank.filters.buffer, bank.filters.byteOffset, bank.filters.byteLength);
  const drawings = examples.map((e) => e.drawing);
  const bySet = [...Map.groupBy(drawings, (d) => d.set)]; // examples come set by set
  const features = new Float32Array(styles.length * examples.length * width);
  let at = 0;
  for (const [view, style] of styles.entries()) {
    for (const [set, part] of bySet) {
      const compute = () => viewFeatures(part, style, view, extract, width);
      const ids = part.map((d) => d.id).join();
      const scene = JSON.stringify([SCENE_STYLES[style], String(SCENE_STYLES[style].place)]);
      const found = await cachedFloats(
        `${set}-${style}-${view}`,
        [ids, String(view), scene, bankBytes],
        compute,
      );
      features.set(found, at);
      at += found.length;
    }
    report(view);
  }
  const backgrounds = styles.flatMap((style, view) =>
    drawings.map((drawing) =>
      backgroundName(SCENE_STYLES[style] as SceneStyle, viewRng(drawing, style, view)),
    ),
  );
  const { mean, deviation } = standardize(features, width);
  return { examples, views: styles.length, width, features, backgrounds, mean, deviation };
}
