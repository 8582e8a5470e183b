/** What an encoder can do with pairs that it never saw: retrieval both ways, and classes named in words. */
import type { KnownClasses } from './classes.ts';
import type { Pairs } from './data.ts';

/** What is measured: only its embeddings count, rows of length 1. */
export interface Embedder {
  readonly dimension: number;
  /** [n, 3, side, side], 0 to 255 → [n, dimension] */
  images(planes: Uint8Array): Promise<Float32Array>;
  texts(texts: readonly string[]): Promise<Float32Array>;
}

/** Percent of queries whose right answer is among the first so many. */
export interface Recall {
  readonly queries: number;
  readonly at1: number;
  readonly at5: number;
  readonly at10: number;
}

export interface Retrieval {
  /** Pairs that are looked among. */
  readonly gallery: number;
  readonly textToImage: Recall;
  readonly imageToText: Recall;
  /** Of answers at random. */
  readonly chance: Omit<Recall, 'queries'>;
}

/** Percent of pictures whose class is the first, or among the first five. */
export interface Classification {
  readonly pictures: number;
  readonly classes: number;
  readonly top1: number;
  readonly top5: number;
  readonly chance1: number;
  /** Of always naming the commonest class of these pictures. */
  readonly majority: number;
}

export interface Measures {
  readonly retrieval: Retrieval;
  /** The same gallery, asked for pairs alone whose class was or was not in a caption of the training. */
  readonly seen?: Pick<Retrieval, 'textToImage' | 'imageToText'>;
  readonly unseen?: Pick<Retrieval, 'textToImage' | 'imageToText'>;
  readonly names?: Classification;
  readonly namesSeen?: Classification;
  readonly groups?: Classification;
}

/** Sentences that a class is put into; its embedding is their mean (Radford et al. 2021, section 3.1.4). */
const PROMPTS: readonly ((noun: string) => string)[] = [
  (noun) => `this is a drawing of ${noun}`,
  (noun) => `a picture of ${noun}`,
  (noun) => `an illustration of ${noun} on a white background`,
];
const GROUP_PROMPTS: readonly ((group: string) => string)[] = [
  (group) => `this is an illustration, one of the ${group}`,
  (group) => `this is a drawing from the ${group}`,
];

const TOP = [1, 5, 10] as const;
const percent = (share: number): number => Number((100 * share).toFixed(1));

function dot(a: Float32Array, i: number, b: Float32Array, j: number, dims: number): number {
  let sum = 0;
  for (let k = 0; k < dims; k++) sum += a[i * dims + k]! * b[j * dims + k]!;
  return sum;
}

/**
 * Rank of each query's own answer, from 0; equals before it count. Pairs with the same caption are not held against
 * each other: nobody can tell them apart.
 */
function ranksOf(from: Float32Array, to: Float32Array, dims: number, texts: readonly string[]): number[] {
  return texts.map((text, query) => {
    const right = dot(from, query, to, query, dims);
    let better = 0;
    for (const [other, otherText] of texts.entries())
      if (otherText !== text && dot(from, query, to, other, dims) >= right) better += 1;
    return better;
  });
}

function recallOf(ranks: readonly number[]): Recall {
  const [at1 = 0, at5 = 0, at10 = 0] = TOP.map((k) =>
    percent(ranks.filter((rank) => rank < k).length / Math.max(1, ranks.length)),
  );
  return { queries: ranks.length, at1, at5, at10 };
}

/** @param known adds classification, and retrieval by whether a class was seen in training */
export async function evaluate(
  embedder: Embedder,
  { images, texts }: Pairs,
  known?: KnownClasses,
): Promise<Measures> {
  const dims = embedder.dimension;
  const [pictures, captions] = [await embedder.images(images), await embedder.texts(texts)];
  const byText = ranksOf(captions, pictures, dims, texts);
  const byImage = ranksOf(pictures, captions, dims, texts);
  const recalls = (takes: (row: number) => boolean) => ({
    textToImage: recallOf(byText.filter((_, row) => takes(row))),
    imageToText: recallOf(byImage.filter((_, row) => takes(row))),
  });
  const [at1 = 0, at5 = 0, at10 = 0] = TOP.map((k) => percent(Math.min(1, k / texts.length)));
  const retrieval = { gallery: texts.length, ...recalls(() => true), chance: { at1, at5, at10 } };
  if (!known) return { retrieval };

  const { classes, finder, seen } = known;
  const shown = texts.map((text) => finder.find(text));
  const isSeen = (row: number) => shown[row] !== undefined && seen.has(shown[row]);
  const isUnseen = (row: number) => shown[row] !== undefined && !seen.has(shown[row]);
  const classify = async (
    labels: readonly string[],
    prompts: readonly ((label: string) => string)[],
    labelOf: (row: number) => string | undefined,
  ) => classification(pictures, await promptsOf(embedder, labels, prompts), labels, labelOf, dims);
  const nouns = [...new Set(classes.map(({ noun }) => noun))];
  const groups = [...new Set(classes.flatMap(({ group }) => group ?? []))];
  const nounOf = (row: number) => shown[row]?.noun;
  return {
    retrieval,
    seen: recalls(isSeen),
    unseen: recalls(isUnseen),
    names: await classify(nouns, PROMPTS, nounOf),
    namesSeen: await classify(nouns, PROMPTS, (row) => (isSeen(row) ? nounOf(row) : undefined)),
    ...(groups.length > 1 && { groups: await classify(groups, GROUP_PROMPTS, (row) => shown[row]?.group) }),
  };
}

/** [labels, dimension], the mean of each label's prompts; its length does not matter among pictures, but does among labels. */
async function promptsOf(
  embedder: Embedder,
  labels: readonly string[],
  prompts: readonly ((label: string) => string)[],
): Promise<Float32Array> {
  const { dimension } = embedder;
  const all = await embedder.texts(prompts.flatMap((prompt) => labels.map(prompt)));
  const means = new Float32Array(labels.length * dimension);
  for (let i = 0; i < all.length; i++) means[i % means.length]! += all[i]!;
  for (let row = 0; row < labels.length; row++) {
    const part = means.subarray(row * dimension, (row + 1) * dimension);
    const length = Math.hypot(...part);
    for (let i = 0; i < dimension; i++) part[i]! /= length;
  }
  return means;
}

function classification(
  pictures: Float32Array,
  labels: Float32Array,
  names: readonly string[],
  labelOf: (row: number) => string | undefined,
  dims: number,
): Classification {
  const rows = Array.from({ length: pictures.length / dims }, (_, row) => names.indexOf(labelOf(row) ?? ''));
  const right = rows.flatMap((label, row) => {
    if (label < 0) return [];
    const score = dot(pictures, row, labels, label, dims);
    return [
      names.filter((_, other) => other !== label && dot(pictures, row, labels, other, dims) >= score).length,
    ];
  });
  const { queries, at1, at5 } = recallOf(right);
  const counts = Map.groupBy(
    rows.filter((label) => label >= 0),
    (label) => label,
  );
  const majority = Math.max(0, ...[...counts.values()].map(({ length }) => length)) / Math.max(1, queries);
  return {
    ...{ pictures: queries, classes: names.length, top1: at1, top5: at5 },
    chance1: Number((100 / names.length).toPrecision(2)),
    majority: percent(majority),
  };
}
