import type { Recipe } from '../../../config/index.ts';
import { npyInfo, parquetInfo } from '../../../formats/index.ts';
import { countBits } from '../../../image/hamming.ts';
import { decodeImage, giveBack, MAX_JPEG_SIDE, perceptualHash } from '../../../image/index.ts';
import type { SafetyTagger } from '../../../safety/index.ts';
import { dropped, type HarvestRow, kept, type Outcome, type Pair, REASONS } from '../../../schema/index.ts';
import type { FetchedFacts } from '../../../stages/fetched.ts';
import { type HarvestFiles, isNsfw } from '../../../stages/harvested.ts';
import { type ImageWatch, workOnImage } from '../../../stages/image-watch.ts';
import { type Fate, type PastPair, readPast } from '../../../stages/past.ts';
import { type Storage, withSource } from '../../../storage/index.ts';
import { isVolunteersReason } from './claim.ts';
import { ShardRefused } from './forged.ts';
import { isPlainJpeg } from './plain-jpeg.ts';

/**
 * Embeddings are stored as float16, whose numbers are right to 2^-11 of themselves: lengths and cosines of two of them to
 * twice that, 0.001; with room for what a model's own normalisation leaves.
 */
const HALF_TOLERANCE = 0.002;
/**
 * Bits of 64 in which the dHash of the stored picture may differ from that of the picture as fetched (12 of 1,100 photos,
 * `npm run bench -- audit`), and the share of pictures in which it may: of one that is almost of one colour it is all noise.
 */
export const MAX_HASH_BITS = 16;
const MAX_STRANGE = 0.1;
/** Bytes of a stored picture beyond three for each pixel. */
const JPEG_EXTRA_BYTES = 4_096;
/** Longest detail of a dropped pair, in characters: hosts and the last words of decoders. */
const MAX_DETAIL = 400;
/** Longest URL that stands in the facts: as the trail cuts it. */
const MAX_URL = 2_048;
/** Rows whose class turns out otherwise: prompts of almost equal scores, which rounding parts the other way. */
const MAX_TURNED = 0.01;
/** Of the two, so many are none in a shard of any size. */
const FEW = 2;

export type KeptFate = Extract<Fate, { kept: true }>;
type DroppedFate = Exclude<Fate, { kept: true }>;

/** A shard as it was sent, on this machine. */
export interface SentShard {
  readonly storage: Storage;
  readonly files: HarvestFiles;
  /** As they were lent. */
  readonly pairs: () => AsyncIterable<Pair>;
  readonly lent: number;
  /** Rows that are said to be kept. */
  readonly rows: number;
  readonly dimension: number;
}

export interface InspectionTools {
  readonly recipe: Recipe;
  readonly safety: SafetyTagger;
  readonly watch: ImageWatch;
  readonly signal: AbortSignal;
}

/** Called with each pair of the shard, in order. @param n of those kept, or of those dropped */
export type OnFate = (pair: Pair, fate: Fate, n: number) => Promise<void> | void;

/** What of a shard is taken otherwise than it was sent, by uid. */
export type Turned = ReadonlyMap<string, Outcome<HarvestRow['nsfw']>>;

/**
 * Looks at each file and each row of a shard, with what can be known without fetching anything: that all pairs that were lent
 * are there once and as they were; that numbers are consistent; that pictures are pictures.
 *
 * @throws ShardRefused
 */
export async function inspectShard(
  shard: SentShard,
  tools: InspectionTools,
  onFate: OnFate,
): Promise<Turned> {
  const { storage, files, lent, rows } = shard;
  await checkCounts(shard);
  const turned = new Map<string, Outcome<HarvestRow['nsfw']>>();
  let seen = 0;
  let keptRows = 0;
  let strange = 0;
  for await (const { pair, past, facts } of fatesOf(storage, files, shard.pairs())) {
    tools.signal.throwIfAborted();
    seen++;
    checkFacts(pair, facts);
    if (past.kept) {
      const hash = await checkKept(pair, past, keptRows, tools);
      if (hammingDistance(hash, past.row.phash) > MAX_HASH_BITS) strange++;
      const nsfw = tools.safety.tag(past.imageEmbedding, pair.text);
      if (!nsfw.kept || nsfw.value !== past.row.nsfw) turned.set(pair.uid, graver(nsfw, past.row.nsfw));
      await onFate(pair, past, keptRows++);
    } else {
      checkDropped(pair, past, tools.recipe);
      await onFate(pair, past, seen - 1 - keptRows);
    }
  }
  if (seen !== lent || keptRows !== rows) throw new ShardRefused('pairs are missing, or there twice', true);
  if (strange > Math.max(FEW, MAX_STRANGE * rows))
    throw new ShardRefused(`${strange} of ${rows} pictures are others than their hashes tell of`);
  if (turned.size > Math.max(FEW, MAX_TURNED * rows))
    throw new ShardRefused(`${turned.size} of ${rows} safety classes are not those of their embeddings`);
  return turned;
}

/** The pairs with what became of them: each is asked for by its uid, in order. */
export async function* fatesOf(
  storage: Storage,
  files: HarvestFiles,
  pairs: AsyncIterable<Pair>,
): AsyncGenerator<PastPair, void, undefined> {
  for await (const item of readPast(storage, files, pairs, new Set())) if ('past' in item) yield item;
}

/** Files hold as many rows as they must: what is more would be passed over. */
async function checkCounts({ storage, files, lent, rows, dimension }: SentShard): Promise<void> {
  const tables = [
    [files.rows, rows],
    [files.dropped, lent - rows],
    [files.fetched, lent],
  ] as const;
  for (const [path, expected] of tables) {
    const info = await withSource(storage, path, (source) => parquetInfo(source, path));
    const there = info.rowGroups.reduce((sum, group) => sum + group.rows, 0);
    if (there !== expected) throw new ShardRefused(`${path} has ${there} rows, not ${expected}`);
  }
  for (const path of [files.imageEmbeddings, files.textEmbeddings]) {
    const info = await withSource(storage, path, (source) => npyInfo(source, path));
    if (info.rows !== rows || info.columns !== dimension || info.dtype !== 'float16')
      throw new ShardRefused(
        `${path} is ${info.rows} × ${info.columns} ${info.dtype}, not ${rows} × ${dimension}`,
      );
  }
}

function checkFacts(pair: Pair, facts: FetchedFacts | undefined): void {
  if (!facts) throw new ShardRefused(`fetched.parquet says nothing of ${pair.uid}`);
  if (facts.host.length > MAX_URL || (facts.final_url ?? '').length > MAX_URL)
    throw new ShardRefused(`fetched.parquet names a URL of more than ${MAX_URL} characters`);
  const numbers = Object.values(facts).filter(
    (value) => typeof value === 'number' || typeof value === 'bigint',
  );
  if (numbers.some((value) => value < 0)) throw new ShardRefused('fetched.parquet has numbers below 0');
}

/** @returns the dHash of the stored picture */
async function checkKept(
  pair: Pair,
  fate: KeptFate,
  n: number,
  { recipe, watch }: InspectionTools,
): Promise<string> {
  const { row, imageEmbedding, textEmbedding } = fate;
  const forged = (problem: string) => new ShardRefused(`${pair.uid}: ${problem}`, true);
  for (const key of PAIR_KEYS)
    if (row[key] !== pair[key]) throw forged(`its ${key} is not that of the pair that was lent`);
  // NaN is above nothing.
  for (const [name, embedding] of [
    ['image', imageEmbedding],
    ['text', textEmbedding],
  ] as const)
    if (!(Math.abs(Math.sqrt(dot(embedding, embedding)) - 1) <= HALF_TOLERANCE))
      throw forged(`its ${name} embedding is not of length 1`);
  const cosine = dot(imageEmbedding, textEmbedding);
  if (!(Math.abs(cosine - row.similarity) <= HALF_TOLERANCE))
    throw forged(`its similarity ${row.similarity} is not that of its embeddings, ${cosine.toFixed(4)}`);
  const { minSimilarity } = recipe.score;
  if (minSimilarity !== null && row.similarity < minSimilarity)
    throw forged(`its similarity ${row.similarity} is below the threshold`);
  if (row.tags !== '' || !isNsfw(row.nsfw)) throw forged('it has tags that nobody gave it');
  const wrong = wrongPicture(row, recipe);
  if (wrong !== undefined) throw forged(wrong);
  const image = await fate.jpeg();
  if (image.length > 3 * row.storedWidth * row.storedHeight + JPEG_EXTRA_BYTES || !isPlainJpeg(image))
    throw forged('its picture is not as a release stores it');
  const seen = await workOnImage(watch, n, () => hashOf(image, row));
  if (!seen.kept) throw forged(`its picture cannot be decoded (${seen.detail})`);
  return seen.value;
}

const PAIR_KEYS = [
  'uid',
  'url',
  'text',
  'pageUrl',
  'wat',
  'license',
  'language',
  'languageConfidence',
] as const satisfies readonly (keyof Pair)[];

/** What the numbers of a picture say against each other and against the recipe. */
function wrongPicture(row: HarvestRow, { image, harvest }: Recipe): string | undefined {
  const { width, height, storedWidth, storedHeight } = row;
  const [shorter, longer] = width < height ? [width, height] : [height, width];
  if (shorter < 1 || width * height > image.maxPixels) return `${width} × ${height} is no size of a picture`;
  if (image.minShortestSide !== null && shorter < image.minShortestSide) return 'its picture is too small';
  if (image.maxAspectRatio !== null && longer > image.maxAspectRatio * shorter)
    return 'its picture is too elongated';
  const ratio = Math.min(1, image.storeShortestSide / shorter);
  if (longer * ratio > MAX_JPEG_SIDE) return 'its picture is too elongated';
  if (storedWidth !== Math.round(width * ratio) || storedHeight !== Math.round(height * ratio))
    return `${storedWidth} × ${storedHeight} is not what ${width} × ${height} is stored as`;
  if (!image.formats.some((format) => format === row.format))
    return `its format ${row.format.slice(0, 20)} is not accepted`;
  if (!/^[0-9a-f]{64}$/.test(row.sha256) || !/^[0-9a-f]{16}$/.test(row.phash)) return 'its hashes are none';
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(row.harvestedAt) && Date.parse(row.harvestedAt) > 0;
  if (harvest.recordTime ? !isTime : row.harvestedAt !== '') return 'its time is none';
  return undefined;
}

async function hashOf(bytes: Uint8Array, row: HarvestRow): Promise<Outcome<string>> {
  const { storedWidth, storedHeight } = row;
  const limits = { minBytes: 1, maxPixels: storedWidth * storedHeight, formats: ['jpeg'] } as const;
  const decoded = await decodeImage(bytes, limits);
  if (!decoded.kept) return decoded;
  const { width, height } = decoded.value;
  const hash = perceptualHash(decoded.value);
  giveBack(decoded.value.data);
  return width === storedWidth && height === storedHeight
    ? kept(hash)
    : dropped('undecodable', `it is ${width} × ${height}`);
}

function checkDropped(pair: Pair, { reason, detail, similarity }: DroppedFate, recipe: Recipe): void {
  const refused = (problem: string) => new ShardRefused(`${pair.uid}: ${problem}`);
  if (!isVolunteersReason(reason)) throw refused(`'${reason}' is no reason of a volunteer's`);
  if (detail.length > MAX_DETAIL) throw refused(`a detail of ${detail.length} characters`);
  const isScored = ['matched', 'safe'].includes(REASONS[reason].step);
  if (isScored !== (similarity !== null))
    throw refused(`dropped for ${reason} with similarity ${similarity}`);
  const { minSimilarity } = recipe.score;
  if (similarity === null) return;
  if (!(Math.abs(similarity) <= 1 + HALF_TOLERANCE)) throw refused(`a similarity of ${similarity}`);
  if (reason === 'similarity' && !(minSimilarity !== null && similarity < minSimilarity))
    throw refused(`dropped for a similarity of ${similarity}, which is enough`);
  if (reason !== 'similarity' && minSimilarity !== null && similarity < minSimilarity)
    throw refused(`dropped for ${reason} with a similarity of ${similarity}, which is not enough`);
}

/** Doubt goes against the picture. */
function graver(mine: Outcome<HarvestRow['nsfw']>, theirs: HarvestRow['nsfw']): Outcome<HarvestRow['nsfw']> {
  if (!mine.kept) return mine;
  const order = ['UNLIKELY', 'UNSURE', 'NSFW'] as const;
  return kept(order[Math.max(order.indexOf(mine.value), order.indexOf(theirs))] ?? 'NSFW');
}

export function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** Bits in which two hashes of 16 hexadecimal digits differ. */
export function hammingDistance(one: string, other: string): number {
  const words = (hash: string) => [0, 8].map((at) => Number.parseInt(hash.slice(at, at + 8), 16));
  const [a = 0, b = 0] = words(one);
  const [c = 0, d = 0] = words(other);
  return countBits(a ^ c) + countBits(b ^ d);
}
