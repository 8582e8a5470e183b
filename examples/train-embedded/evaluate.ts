/** Measures an encoder on drawings: retrieval both ways, matched against mismatched pairs, groups, free queries. */

import { Rng } from '../autodiff/rng.ts';
import { GROUPS, groupWords, plainName, sayCaption } from './captions.ts';
import type { Example } from './dataset.ts';
import { BOUNDARY } from './head.ts';
import { QUERIES } from './queries.ts';

/** What is measured: only its embeddings count. */
export interface Embedder {
  readonly dims: number;
  /** [n, 3, 64, 64] → [n, dims], of length 1 */
  images(pixels: Float32Array): Promise<Float32Array>;
  texts(texts: readonly string[]): Promise<Float32Array>;
}

/** The pictures that retrieval looks in. */
export interface Gallery {
  readonly examples: readonly Example[];
  /** [n, 3, 64, 64] */
  readonly pixels: Float32Array;
  /** Concepts that were left out of training. */
  readonly heldOut: ReadonlySet<string>;
}

/** Shares in percent, rounded to a tenth; AUC to four places. */
export interface Measures {
  readonly gallery: number;
  /** Of these, drawings of concepts that were left out of training; `seen` figures leave them out. */
  readonly heldOut: number;
  readonly textToImage: Recall;
  readonly imageToText: Recall;
  readonly textToImageHeldOut: Recall;
  /** Matched against mismatched pairs of picture and alt-text-like caption. */
  readonly pairs: Pairs;
  readonly groups: { readonly accuracy: number; readonly majority: number };
  /** Of the first five answers, how many fit; the same for answers at random; queries with at least one. */
  readonly queries: { readonly precisionAt5: number; readonly chance: number; readonly answered: number };
}
export interface Recall {
  readonly at1: number;
  readonly at5: number;
  readonly at10: number;
}
export interface Pairs {
  readonly auc: number;
  /** Matched pairs at or above cosine 0.3, mismatched pairs below it. */
  readonly kept: number;
  readonly dropped: number;
  readonly meanMatched: number;
  readonly meanMismatched: number;
}

/** Mismatched captions drawn for each picture. */
const MISMATCHES = 8;
const round = (value: number, digits: number): number => Number(value.toFixed(digits));
const percent = (share: number): number => round(100 * share, 1);
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const share = <T>(items: readonly T[], test: (item: T) => boolean): number =>
  items.filter(test).length / items.length;

function dot(a: Float32Array, i: number, b: Float32Array, j: number, dims: number): number {
  let sum = 0;
  for (let k = 0; k < dims; k++) sum += a[i * dims + k]! * b[j * dims + k]!;
  return sum;
}

/** Rank of the right answer for each query, from 0; equals before it count. */
function ranks(queries: Float32Array, answers: Float32Array, dims: number): number[] {
  const count = queries.length / dims;
  return Array.from({ length: count }, (_, q) => {
    const right = dot(queries, q, answers, q, dims);
    let better = 0;
    for (let a = 0; a < count; a++) if (a !== q && dot(queries, q, answers, a, dims) >= right) better += 1;
    return better;
  });
}

function recallOf(found: readonly number[]): Recall {
  const at = (k: number) => percent(share(found, (rank) => rank < k));
  return { at1: at(1), at5: at(5), at10: at(10) };
}

/** Chance that a matched pair scores above a mismatched one (Mann and Whitney's U over its maximum). */
export function areaUnderCurve(matched: readonly number[], mismatched: readonly number[]): number {
  const sorted = Float64Array.from(mismatched).sort();
  const countBelow = (value: number, orEqual: boolean) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! < value || (orEqual && sorted[middle]! === value)) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return mean(matched.map((m) => (countBelow(m, false) + countBelow(m, true)) / 2)) / sorted.length;
}

async function measurePairs(
  embedder: Embedder,
  { examples, heldOut }: Gallery,
  images: Float32Array,
): Promise<Pairs> {
  const rng = new Rng(5);
  const texts = await embedder.texts(examples.map(({ subject }) => sayCaption(subject, null, rng).text));
  const score = (text: number, image: number) => dot(texts, text, images, image, embedder.dims);
  const [matched, mismatched]: [number[], number[]] = [[], []];
  examples.forEach(({ drawing }, image) => {
    if (heldOut.has(drawing.concept)) return;
    matched.push(score(image, image));
    for (let k = 0; k < MISMATCHES; k++) {
      let other = rng.int(examples.length);
      while (examples[other]!.drawing.concept === drawing.concept) other = rng.int(examples.length);
      mismatched.push(score(other, image));
    }
  });
  return {
    auc: round(areaUnderCurve(matched, mismatched), 4),
    kept: percent(share(matched, (s) => s >= BOUNDARY)),
    dropped: percent(share(mismatched, (s) => s < BOUNDARY)),
    meanMatched: round(mean(matched), 3),
    meanMismatched: round(mean(mismatched), 3),
  };
}

async function measureGroups(embedder: Embedder, { examples }: Gallery, images: Float32Array) {
  const groups = Object.keys(GROUPS);
  const texts = await embedder.texts(groups.map((group) => `a picture of ${groupWords(group)}`));
  const right = examples.filter(({ drawing }, i) => {
    const scores = groups.map((_, g) => dot(images, i, texts, g, embedder.dims));
    return groups[scores.indexOf(Math.max(...scores))] === drawing.group;
  });
  const sizes = groups.map((group) => share(examples, ({ drawing }) => drawing.group === group));
  return { accuracy: percent(right.length / examples.length), majority: percent(Math.max(...sizes)) };
}

/** Names of the first answers to a query. */
function topNames({ examples }: Gallery, images: Float32Array, text: Float32Array, count: number): string[] {
  const scored = examples.map(({ drawing }, i) => ({
    name: drawing.name,
    score: dot(text, 0, images, i, text.length),
  }));
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, count)
    .map(({ name }) => name);
}

async function measureQueries(embedder: Embedder, gallery: Gallery, images: Float32Array) {
  const { dims } = embedder;
  const texts = await embedder.texts(QUERIES.map((q) => q.text));
  const hits = QUERIES.map(({ answer }, q) =>
    share(topNames(gallery, images, texts.subarray(q * dims, (q + 1) * dims), 5), (name) =>
      answer.test(name),
    ),
  );
  const chance = QUERIES.map(({ answer }) => share(gallery.examples, (e) => answer.test(e.drawing.name)));
  return {
    precisionAt5: percent(mean(hits)),
    chance: percent(mean(chance)),
    answered: hits.filter((h) => h > 0).length,
  };
}

/** Takes every measure. */
export async function evaluate(embedder: Embedder, gallery: Gallery): Promise<Measures> {
  const { examples, heldOut } = gallery;
  const images = await embedder.images(gallery.pixels);
  const names = await embedder.texts(examples.map(({ drawing }) => plainName(drawing.name)));
  const isHeldOut = (i: number) => heldOut.has(examples[i]!.drawing.concept);
  const byText = ranks(names, images, embedder.dims);
  const byImage = ranks(images, names, embedder.dims);
  return {
    gallery: examples.length,
    heldOut: examples.filter((_, i) => isHeldOut(i)).length,
    textToImage: recallOf(byText.filter((_, i) => !isHeldOut(i))),
    imageToText: recallOf(byImage.filter((_, i) => !isHeldOut(i))),
    textToImageHeldOut: recallOf(byText.filter((_, i) => isHeldOut(i))),
    pairs: await measurePairs(embedder, gallery, images),
    groups: await measureGroups(embedder, gallery, images),
    queries: await measureQueries(embedder, gallery, images),
  };
}
