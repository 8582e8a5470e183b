/** Training data: drawings with what can be said of them, and features of several views of each, as bytes. */

import { countWords, learnMerges } from './bpe.ts';
import { cachedBytes } from './cache.ts';
import { describe, type Subject, TEMPLATE_WORDS } from './captions.ts';
import { coloursOf } from './colours.ts';
import { type Drawing, renderDrawing } from './drawings.ts';
import type { FeatureExtractor, ScaleBank } from './features.ts';
import { backgroundName, drawViews, pixelValuesOf, VIEW_STYLES, type ViewStyleName } from './views.ts';

/** A drawing and what can be said of it. */
export interface Example {
  readonly drawing: Drawing;
  readonly subject: Subject;
}

/** Side in pixels at which a drawing's colours are counted. */
const COLOUR_SIZE = 32;

export function exampleOf(drawing: Drawing): Example {
  return { drawing, subject: describe(drawing, coloursOf(renderDrawing(drawing, COLOUR_SIZE))) };
}

/** The tokenizer's merges, learnt from names, keywords and the words of the templates. */
export function learnVocabulary(examples: readonly Example[], merges: number) {
  const texts = examples.flatMap(({ subject }) => [...subject.names, ...subject.keywords]);
  const templates = Array.from({ length: 20 }, () => TEMPLATE_WORDS).flat();
  return learnMerges(countWords([...texts, ...templates]), merges);
}

/** Features of several views of every example. */
export interface Dataset {
  readonly examples: readonly Example[];
  readonly views: number;
  readonly width: number;
  /** In units of their column, rounded; [views, examples, width] */
  readonly features: Uint8Array;
  /** What 1 stands for, [width] */
  readonly units: Float32Array;
  /** Colour of the background of each view of each example, where it has a name; [views, examples]. */
  readonly backgrounds: readonly (string | null)[];
  /** Of each feature over all views, [width]. */
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

/** Units in which the largest value of each column of a sample is 255. @param rows - [n, width] */
export function unitsOf(rows: Float32Array, width: number): Float32Array {
  const units = new Float32Array(width).fill(1e-6);
  for (let i = 0; i < rows.length; i++) units[i % width] = Math.max(units[i % width]!, rows[i]! / 255);
  return units;
}

/** Features as bytes; what is above 255 units becomes 255. @param rows - [n, width], not negative */
export function toBytes(rows: Float32Array, units: Float32Array): Uint8Array {
  return Uint8Array.from(rows, (value, i) => Math.min(255, Math.round(value / units[i % units.length]!)));
}

/** Mean and standard deviation of each column. */
function momentsOf(bytes: Uint8Array, units: Float32Array): Pick<Dataset, 'mean' | 'deviation'> {
  const width = units.length;
  const count = bytes.length / width;
  const [sum, squares] = [new Float64Array(width), new Float64Array(width)];
  for (let r = 0; r < bytes.length; r += width) {
    for (let i = 0; i < width; i++) {
      const v = bytes[r + i]!;
      sum[i]! += v;
      squares[i]! += v * v;
    }
  }
  const mean = units.map((unit, i) => (unit * sum[i]!) / count);
  // 0.001 keeps a feature that is nearly always 0 from being blown up
  const deviation = units.map((unit, i) => {
    const variance = squares[i]! / count - (sum[i]! / count) ** 2;
    return unit * Math.sqrt(Math.max(0, variance)) + 1e-3;
  });
  return { mean, deviation };
}

/** Drawings at a time. */
const CHUNK = 64;

/** How features are computed. */
export interface FeatureSource {
  readonly banks: readonly ScaleBank[];
  /** The extractor of these. */
  readonly extract: FeatureExtractor;
  readonly units: Float32Array;
}

/** Computes the features of one view of each example for each style in `styles`; they are kept between runs. */
export async function loadDataset(
  examples: readonly Example[],
  styles: readonly ViewStyleName[],
  { banks, extract, units }: FeatureSource,
  report: (view: number) => void,
): Promise<Dataset> {
  const width = units.length;
  const source = JSON.stringify(banks.map(({ scale, bank }) => [scale, [...bank.filters]]));
  const bySet = [...Map.groupBy(examples, ({ drawing }) => drawing.set)]; // examples come set by set
  const features = new Uint8Array(styles.length * examples.length * width);
  const backgrounds: (string | null)[] = [];
  let at = 0;
  for (const [view, style] of styles.entries()) {
    for (const [set, part] of bySet) {
      const compute = async () => {
        const bytes = new Uint8Array(part.length * width);
        for (let from = 0; from < part.length; from += CHUNK) {
          const drawings = part.slice(from, from + CHUNK).map(({ drawing }) => drawing);
          const views = drawViews(drawings, style, view);
          bytes.set(toBytes(await extract(pixelValuesOf(views)), units), from * width);
        }
        return bytes;
      };
      const ids = part.map(({ drawing }) => drawing.id).join();
      const key = [ids, String(view), JSON.stringify(VIEW_STYLES[style]), source];
      const found = await cachedBytes(`${set}-${style}-${view}`, key, compute);
      features.set(found, at);
      at += found.length;
    }
    backgrounds.push(...examples.map(({ drawing }) => backgroundName(drawing, style, view)));
    report(view);
  }
  const { mean, deviation } = momentsOf(features, units);
  return { examples, views: styles.length, width, features, units, backgrounds, mean, deviation };
}
