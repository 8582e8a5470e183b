import { createHash } from 'node:crypto';
import type { Recipe } from '../../../config/index.ts';
import { decodeImage, giveBack } from '../../../image/index.ts';
import type { FetchedImage, Pair, Reason } from '../../../schema/index.ts';
import type { HarvestEngines } from '../../../stages/harvest-engines.ts';
import { type ImageWatch, workOnImage } from '../../../stages/image-watch.ts';
import { look, type Prepared } from '../../../stages/look.ts';
import type { Fate } from '../../../stages/past.ts';
import type { Scored } from '../../../stages/scorer.ts';
import { tooMany } from './chance.ts';
import { ShardRefused } from './forged.ts';
import { dot, hammingDistance, type KeptFate, MAX_HASH_BITS } from './inspect-shard.ts';

/** Cosines by which the same bytes may be scored otherwise on another machine: that of the issue, far above rounding. */
const SAME_COSINE = 0.01;
/** Of the same text: no decoder stands between. */
const SAME_TEXT_COSINE = 0.005;
/**
 * Least cosine of the stored picture's embedding and that of the picture as fetched: it was 0.991 or more for 1,100 photos, and
 * below 0.91 for any two different ones (`npm run bench -- audit`).
 */
const STORED_COSINE = 0.95;
/** Least cosine of a picture that comes with other bytes to be taken for the same, as of another size or quality. */
const ALIKE_COSINE = 0.9;

/**
 * Shares of a sample that honest shards may have: pictures that are others by now, or none any more; failures that are told
 * otherwise now, and those that pass by themselves. `tooMany` leaves room above them.
 */
const EXPECTED = { other: 0.1, gone: 0.35, wrong: 0.1, passing: 0.4 } as const;
type Counted = keyof typeof EXPECTED;
const SAID: Readonly<Record<Counted, string>> = {
  other: 'kept pictures are others at their addresses',
  gone: 'kept pictures are not at their addresses',
  wrong: 'dropped pairs come out otherwise',
  passing: 'failures to fetch are none',
};

/** What may be otherwise a minute later. */
const PASSING: ReadonlySet<string> = new Set<Reason>([
  'timeout',
  'dns',
  'connection',
  'tls',
  'host_down',
  'body_broken',
]);
/** Failures that are of our own network where all that is asked for has them. */
const UNREACHABLE: ReadonlySet<string> = new Set<Reason>([
  'timeout',
  'dns',
  'connection',
  'tls',
  'host_down',
]);
/** Fewer fetches than this say nothing of our own network. */
const MIN_FETCHES = 10;
/** Where the numbers of images that are looked at here begin: those before are of the stored pictures. */
const FIRST_ROW = 1_000_000;

/** A pair that was drawn. */
export interface Drawn {
  readonly pair: Pair;
  readonly fate: Fate;
}

/** What the second look found, by what was counted: found of how many. */
export type Findings = Readonly<Record<Counted, { readonly found: number; readonly of: number }>>;

/** Fetches and scores again what was drawn of a shard, as the harvest does. */
export class SecondLook {
  readonly #recipe: Recipe;
  readonly #engines: HarvestEngines;
  readonly #watch: ImageWatch;
  readonly #signal: AbortSignal;
  readonly #counts = new Map<Counted, { found: number; of: number }>();
  #fetches = 0;
  #unreachable = 0;
  #row = FIRST_ROW;

  constructor(recipe: Recipe, engines: HarvestEngines, watch: ImageWatch, signal: AbortSignal) {
    this.#recipe = recipe;
    this.#engines = engines;
    this.#watch = watch;
    this.#signal = signal;
  }

  /**
   * @throws ShardRefused; Error where nothing can be fetched from here at all, which says nothing of the shard
   */
  async take(drawn: readonly Drawn[]): Promise<Findings> {
    for (const { pair, fate } of drawn) if (fate.kept) await this.#stored(pair, fate);
    await Promise.all(
      drawn.map(async ({ pair, fate }, i) => {
        await this.#engines.intake.admit();
        const row = this.#row + 2 * drawn.length + i;
        if (fate.kept) await this.#kept(pair, fate, row);
        else await this.#dropped(pair, fate, row);
      }),
    );
    if (this.#fetches >= MIN_FETCHES && this.#unreachable === this.#fetches)
      throw new Error('an audit reaches nothing of the web from here');
    for (const [what, { found, of }] of this.#counts)
      if (tooMany(found, of, EXPECTED[what])) throw new ShardRefused(`${found} of ${of} ${SAID[what]}`);
    const none = { found: 0, of: 0 };
    const count = (what: Counted) => this.#counts.get(what) ?? none;
    return { other: count('other'), gone: count('gone'), wrong: count('wrong'), passing: count('passing') };
  }

  /** The picture that is there has to be the one that was scored, and the text the one that stands beside it. */
  async #stored(pair: Pair, fate: KeptFate): Promise<void> {
    const { storedWidth, storedHeight } = fate.row;
    const limits = { minBytes: 1, maxPixels: storedWidth * storedHeight, formats: ['jpeg'] } as const;
    const bytes = await fate.jpeg();
    const seen = await workOnImage(this.#watch, this.#row++, () => decodeImage(bytes, limits));
    if (!seen.kept) throw forged(pair, `its picture cannot be decoded (${seen.detail})`);
    const crop = this.#engines.model.crop(seen.value);
    const own = { ...crop, data: crop.data.slice() };
    giveBack(seen.value.data);
    const scored = await this.#score(own, pair.text);
    const text = dot(scored.text, fate.textEmbedding);
    if (!(text >= 1 - SAME_TEXT_COSINE))
      throw forged(pair, `its text embedding is another text's (cosine ${text.toFixed(3)})`);
    const image = dot(scored.image, fate.imageEmbedding);
    if (!(image >= STORED_COSINE))
      throw forged(pair, `its image embedding is not that of its picture (cosine ${image.toFixed(3)})`);
  }

  async #kept(pair: Pair, fate: KeptFate, row: number): Promise<void> {
    const fetched = await this.#fetch(pair);
    this.#count('gone', !fetched.kept);
    if (!fetched.kept) return;
    const { bytes } = fetched.value;
    const isSame = createHash('sha256').update(bytes).digest('hex') === fate.row.sha256;
    const seen = await this.#see(bytes, row);
    if (!seen.kept) {
      // What the harvest keeps, the same bytes give always: but a decoder that died here is no proof.
      this.#count('other', true);
      return;
    }
    const scored = await this.#score(seen.value.crop, pair.text);
    const cosine = dot(scored.image, fate.imageEmbedding);
    if (!isSame) {
      this.#count('other', !(cosine >= ALIKE_COSINE));
      return;
    }
    if (!(cosine >= 1 - SAME_COSINE) || !(Math.abs(scored.similarity - fate.row.similarity) <= SAME_COSINE))
      throw forged(
        pair,
        `the same bytes give similarity ${scored.similarity.toFixed(4)}, not ${fate.row.similarity.toFixed(4)} (cosine of the images ${cosine.toFixed(3)})`,
      );
    const { width, height, format, phash } = seen.value;
    if (width !== fate.row.width || height !== fate.row.height || format !== fate.row.format)
      throw forged(pair, 'the same bytes give another size or format');
    // Decoders of other processors may differ in the last bit, and a hash of what is almost flat with them.
    this.#count('other', hammingDistance(phash, fate.row.phash) > MAX_HASH_BITS);
  }

  async #dropped(pair: Pair, fate: Exclude<Fate, { kept: true }>, row: number): Promise<void> {
    const { reason, similarity } = fate;
    const passes = PASSING.has(reason) || (reason === 'http_status' && /^(?:429|5\d\d)/.test(fate.detail));
    const fetched = await this.#fetch(pair);
    if (!fetched.kept) {
      // Told as it was, or nothing is known: it may have gone since.
      this.#count(passes ? 'passing' : 'wrong', false);
      return;
    }
    const seen = await this.#see(fetched.value.bytes, row);
    if (similarity === null) {
      this.#count(passes ? 'passing' : 'wrong', seen.kept);
      return;
    }
    if (!seen.kept) return this.#count('wrong', true);
    const scored = await this.#score(seen.value.crop, pair.text);
    this.#count('wrong', !(Math.abs(scored.similarity - similarity) <= SAME_COSINE));
  }

  async #fetch(
    pair: Pair,
  ): Promise<{ readonly kept: true; readonly value: FetchedImage } | { readonly kept: false }> {
    const { intake, images } = this.#engines;
    const fetched = await intake.fetch(async () => {
      this.#signal.throwIfAborted();
      return images.get(pair.url, this.#signal);
    });
    this.#fetches++;
    if (fetched.kept) return fetched;
    if (UNREACHABLE.has(fetched.reason)) this.#unreachable++;
    return { kept: false };
  }

  async #see(bytes: Uint8Array, row: number) {
    const seen = await workOnImage<Prepared>(this.#watch, row, () =>
      look(bytes, this.#recipe, this.#engines),
    );
    this.#engines.intake.done(bytes.length);
    if (seen.kept) giveBack(seen.value.stored.data);
    return seen;
  }

  #score(crop: Prepared['crop'], text: string): Promise<Scored> {
    return this.#engines.scorer.score(crop, text);
  }

  #count(what: Counted, found: boolean): void {
    const count = this.#counts.get(what) ?? { found: 0, of: 0 };
    this.#counts.set(what, { found: count.found + Number(found), of: count.of + 1 });
  }
}

function forged(pair: Pair, problem: string): ShardRefused {
  return new ShardRefused(`${pair.uid}: ${problem}`, true);
}
