import { userAgentOf } from '../../fetcher/index.ts';
import type { SubsetStep } from '../subset/step.ts';
import { formatCount } from './numbers.ts';
import type { ModelInfo, Statistics } from './statistics.ts';

export const HOW_TO_READ_SHARES =
  'Every link is accounted for: what came into a step either left it or is listed with its reason. Bars are on one linear scale, from no link to all.';

/** What the scores are worth: a small encoder is not to be taken for CLIP. */
export function encoderNote(model: ModelInfo): string {
  const scored = `Scored by ${model.name}, embeddings of ${model.dimension} dimensions.`;
  return model.name === 'gleaner-mini'
    ? `${scored} gleaner-mini is a small contrastive encoder that knows emoji, not CLIP: its cosines say how well a text fits a drawing of an emoji, and nothing reliable about photographs.`
    : `${scored} Cosines of different encoders cannot be compared.`;
}

/** The run in words, a sentence a step, with the numbers that it ran with. */
export function describeRecipe({
  recipe,
  model,
  subset = [],
}: Pick<Statistics, 'recipe' | 'model' | 'subset'>): readonly string[] {
  const { extract, image, fetch, score, safety } = recipe;
  const texts = [
    `at least ${count(extract.minTextChars, 'character')}`,
    ...(extract.maxTextChars === null ? [] : [`at most ${count(extract.maxTextChars, 'character')}`]),
    ...(extract.minTextWords > 1 ? [`at least ${count(extract.minTextWords, 'word')}`] : []),
  ].join(', ');
  const shapes = [
    ...(image.minShortestSide === null
      ? []
      : [`at least ${count(image.minShortestSide, 'pixel')} on the shorter side`]),
    ...(image.maxAspectRatio === null ? [] : [`at most ${image.maxAspectRatio} times as long as wide`]),
  ];
  const honoured = [
    ...(fetch.respectRobots ? ['robots.txt'] : []),
    ...(fetch.respectHeaders ? ['X-Robots-Tag (noai, noimageai, noindex) and TDM-Reservation'] : []),
    ...(fetch.optOut.length + fetch.optOutLists.length > 0 ? ['opt-out lists'] : []),
  ];
  const classes = safety.dropUnlikely ? 'of any class' : 'of class NSFW or UNSURE';
  const dropped = [...(safety.dropMinors ? ['minors'] : []), ...(safety.dropAnimals ? ['animals'] : [])];
  const lists = safety.knownContent.map(({ name, kind }) => `${name} (${kind})`);
  const known = lists.length > 0 ? ` Lists of known content: ${lists.join(', ')}.` : '';
  return [
    `Links: every image of a page that has an alternative text and an http or https URL, read from WAT files. The licence is a Creative Commons link anywhere on the page.`,
    `Texts: ${texts}; ${extract.languages === null ? 'every language' : `language ${extract.languages.join(', ')}`}.`,
    `Duplicates: the same URL with the same text once, compared exactly over the whole run (SHA-256 of both, then the values themselves). ${nearSentence(recipe)}`,
    `Fetching: user agent “${userAgentOf(fetch)}”; bodies up to ${formatCount(fetch.maxBodyBytes)} bytes, ${formatCount(fetch.totalTimeoutMs)} ms a request, ${count(fetch.maxRedirects, 'redirect')}. ${honoured.length > 0 ? `Honoured: ${honoured.join('; ')}.` : 'robots.txt and opt-out headers were not honoured.'}`,
    `Images: ${image.formats.join(', ')}; at least ${formatCount(image.minBytes)} bytes; at most ${formatCount(image.maxPixels)} pixels${shapes.map((shape) => `; ${shape}`).join('')}. Stored as JPEG of quality ${image.storeQuality}, at most ${formatCount(image.storeShortestSide)} pixels on the shorter side.`,
    `Similarity: cosine of the embeddings of image and text by ${model.name}, ${score.minSimilarity === null ? 'recorded, no threshold' : `at least ${score.minSimilarity}`}.`,
    `Safety: NSFW classes from category prompts (${safety.categories}) scored against the image. ${dropped.length > 0 ? `Pairs ${classes} that may show ${dropped.join(' or ')} were dropped.` : 'Nothing was dropped by them.'}${known}`,
    ...subset.map(describeSubset),
  ];
}

/** Duplicates beyond the same URL and text, as the recipe has them. */
function nearSentence({ near }: Statistics['recipe']): string {
  const { sameBytes, samePicture, sameMeaning } = near ?? {};
  const alike = [
    ...(sameBytes ? ['the same bytes (SHA-256)'] : []),
    ...(samePicture
      ? [
          `the same picture (64-bit dHash, at most ${count(samePicture.maxDistance, 'bit')} apart${samePicture.minCosine === null ? '' : `, and image embeddings with a cosine of at least ${samePicture.minCosine}`})`,
        ]
      : []),
    ...(sameMeaning
      ? [
          `the same meaning (cosine of image embeddings at least ${sameMeaning.minCosine} within clusters of some ${formatCount(sameMeaning.rowsPerCluster)} images, as SemDeDup has it)`,
        ]
      : []),
  ];
  return alike.length > 0
    ? `Of images with ${alike.join(', or ')}, the pair with the greatest similarity is kept.`
    : 'The same image at another URL stays, as does the same URL with another text.';
}

function describeSubset({ release, rows, where, sample, split }: SubsetStep): string {
  const part = split
    ? `those that 'gleaner split' dealt to '${split.name}' (split.parquet ${split.sha256})`
    : '';
  const which = where === null ? '' : `those for which ${where}`;
  const drawn = sample
    ? `${formatCount(sample.size)} ${where === null && !split ? '' : 'of these '}drawn with seed ${sample.seed} (the smallest SHA-256 of seed, NUL and uid)`
    : '';
  return `Subset: of the ${count(rows, 'pair')} of another release (${release}), ${[part, which, drawn].filter(Boolean).join('; ')}. What was left out is in dropped/ as not_in_subset.`;
}

function count(n: number, unit: string): string {
  return `${formatCount(n)} ${unit}${n === 1 ? '' : 's'}`;
}
