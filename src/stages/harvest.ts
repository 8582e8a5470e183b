import { createHash } from 'node:crypto';
import type { ClipModel } from '../clip/index.ts';
import type { Recipe } from '../config/index.ts';
import type { ImageSource } from '../fetcher/index.ts';
import { createNpyWriter, createParquetWriter, createTarWriter } from '../formats/index.ts';
import { decodeImage, encodeJpeg, MAX_JPEG_SIDE, perceptualHash, resizeForStore } from '../image/index.ts';
import type { SafetyTagger } from '../safety/index.ts';
import {
  type DecodedImage,
  type Dropped,
  dropped,
  type FunnelStep,
  type HarvestRow,
  kept,
  LedgerCounter,
  type Outcome,
  type Pair,
  REASONS,
  type RgbImage,
} from '../schema/index.ts';
import type { FileInfo } from '../storage/index.ts';
import { createFetchedWriter, type FetchedFacts, fetchedFacts } from './fetched.ts';
import { HARVEST_COLUMNS, harvestFiles, harvestRecord, type StoredImage } from './harvested.ts';
import { type ImageWatch, workOnImage } from './image-watch.ts';
import { batched, mapOrdered } from './ordered.ts';
import type { Fate, PastPair } from './past.ts';
import type { StageContext, StageResult } from './stage.ts';
import { createTrailWriter } from './trail.ts';
import { writeFile, writeFiles } from './write-file.ts';

/** The engines of a harvest: they outlive a task, so that a model is loaded and connections are made once. */
export interface HarvestEngines {
  readonly images: ImageSource;
  readonly model: ClipModel;
  readonly safety: SafetyTagger;
}

/** A decoded image as harvest keeps it while it waits for its batch: small copies, never the full picture. */
interface Prepared {
  /** What the model sees: resized and cropped. */
  readonly crop: RgbImage;
  /** What the release stores if the pair is kept. */
  readonly stored: RgbImage;
  readonly width: number;
  readonly height: number;
  readonly format: string;
  readonly sha256: string;
  readonly phash: string;
}

interface Sample extends Prepared {
  readonly pair: Pair;
}

/** A pair of a batch: its image, or what became of the pair before. */
type Item =
  | { readonly pair: Pair; readonly outcome: Outcome<Prepared>; readonly facts: FetchedFacts | undefined }
  | PastPair;

/** Steps of the funnel that harvest takes a pair through, in order. */
const STEPS = ['fetched', 'image', 'matched', 'safe'] as const satisfies readonly FunnelStep[];

/**
 * Harvests one shard: each image is fetched once, decoded once, embedded in batches, filtered, and only what is kept
 * is encoded again and written. Pairs are taken and written in the order given, whatever answers first, and batches
 * are made of the same pairs every time: equal answers give equal bytes. The trail goes batch by batch, of each first
 * what has no image, then what was scored.
 *
 * Leaves rows.parquet, images.tar, img_emb.npy, text_emb.npy (float16, rows × dimension), dropped.parquet and, with
 * what it took to fetch each image, fetched.parquet in `folder`. Ledgers: fetched, image, matched, safe. Facts: rows.
 *
 * Memory: `2 × fetch.concurrency` pictures of the stored size, and the embeddings of the kept rows; not what is dropped.
 *
 * @param pairs to be fetched, or with what became of them before: these stay as they are (`readPast`)
 * @param watch where an image may end the process; without it nothing is noted, and images are worked on as they come
 */
export async function harvest(
  folder: string,
  pairs: AsyncIterable<Pair | PastPair> | Iterable<Pair>,
  recipe: Recipe,
  engines: HarvestEngines,
  ctx: StageContext,
  watch?: ImageWatch,
): Promise<StageResult> {
  const files = harvestFiles(folder);
  const rows: HarvestRow[] = [];
  const images: StoredImage[] = [];
  const embeddings: { readonly image: Float32Array; readonly text: Float32Array }[] = [];
  const counters = new Map(STEPS.map((step) => [step, new LedgerCounter()]));

  const sinks = [files.images, files.dropped, files.fetched];
  const written = await writeFiles(ctx.storage, sinks, async ([sink, trailSink, fetchedSink]) => {
    if (!sink || !trailSink || !fetchedSink) throw new Error('a sink for each file');
    const writer = createTarWriter(sink);
    const trail = createTrailWriter(trailSink);
    const fetched = createFetchedWriter(fetchedSink);
    let at = 0;
    const items = mapOrdered(pairs, 2 * recipe.fetch.concurrency, async (pair): Promise<Item> => {
      ctx.signal.throwIfAborted();
      const row = at++;
      if ('past' in pair) return pair;
      const ended = watch?.underWay();
      try {
        return { pair, ...(await prepare(pair, row, recipe, engines, watch, ctx.signal)) };
      } finally {
        ended?.();
      }
    });
    for await (const batch of batched(items, recipe.score.batchSize)) {
      // Nothing else is at work beside a suspect: what ends the process then is the suspect.
      const leave = watch && watch.suspects.size > 0 ? await watch.turnstile.enter() : undefined;
      const fates = await decide(batch, recipe, engines);
      const ended = batch.map(({ pair }, i) => ({ pair, fate: fates[i] as Fate }));
      for (const { pair, fate } of [...ended.filter(lacksImage), ...ended.filter((e) => !lacksImage(e))]) {
        if (!fate.kept) {
          count(fate);
          trail.add({ ...pair, reason: fate.reason, detail: fate.detail, similarity: fate.similarity });
          if (trail.full) await trail.flush();
          continue;
        }
        for (const step of STEPS) pass(step);
        const key = String(rows.length).padStart(9, '0');
        const jpeg = await fate.jpeg();
        const { offset } = await writer.add(`${key}.jpg`, jpeg);
        images.push({ offset, bytes: jpeg.length });
        embeddings.push({ image: fate.imageEmbedding, text: fate.textEmbedding });
        rows.push(fate.row);
      }
      for (const [i, { facts }] of batch.entries()) {
        const fate = fates[i] as Fate;
        if (facts) await fetched.add(facts, fate.kept ? undefined : fate);
      }
      leave?.();
      ctx.progress(batch.length);
    }
    await writer.finish();
    await trail.finish();
    await fetched.finish();
  });

  written.push(
    await writeFile(ctx.storage, files.rows, async (sink) => {
      const writer = createParquetWriter(sink, HARVEST_COLUMNS);
      await writer.writeRowGroup(
        rows.map((row, i) => harvestRecord(row, images[i] ?? { offset: 0, bytes: 0 })),
      );
      await writer.finish();
    }),
    await writeMatrix(
      files.imageEmbeddings,
      embeddings.map((e) => e.image),
    ),
    await writeMatrix(
      files.textEmbeddings,
      embeddings.map((e) => e.text),
    ),
  );
  const ledgers = Object.fromEntries([...counters].map(([step, counter]) => [step, counter.ledger()]));
  return { files: written, ledgers, facts: { rows: rows.length } };

  function pass(step: (typeof STEPS)[number]): void {
    counters.get(step)?.in();
    counters.get(step)?.out();
  }

  /** Counts a pair through the steps before the one that it fails, and as dropped there. */
  function count({ reason }: Dropped): void {
    const failed = REASONS[reason].step;
    for (const step of STEPS) {
      if (step !== failed) {
        pass(step);
        continue;
      }
      counters.get(step)?.in();
      counters.get(step)?.drop(reason);
      return;
    }
    throw new Error(`'${reason}' is no reason of harvest`);
  }

  function writeMatrix(path: string, vectors: readonly Float32Array[]): Promise<FileInfo> {
    return writeFile(ctx.storage, path, async (sink) => {
      const shape = { dtype: 'float16', rows: vectors.length, columns: engines.model.dimension } as const;
      const writer = await createNpyWriter(sink, shape);
      for (const vector of vectors) await writer.writeRows(vector);
      await writer.finish();
    });
  }
}

/** Fetches and decodes one image, and makes what is needed of it, so that its full pixels can go. */
async function prepare(
  pair: Pair,
  row: number,
  recipe: Recipe,
  engines: HarvestEngines,
  watch: ImageWatch | undefined,
  signal: AbortSignal,
): Promise<{ readonly outcome: Outcome<Prepared>; readonly facts: FetchedFacts | undefined }> {
  const fetched = await engines.images.get(pair.url, signal);
  const facts = fetched.facts && fetchedFacts(pair, fetched.facts);
  if (!fetched.kept) return { outcome: fetched, facts };
  const { bytes } = fetched.value;
  const work = () => look(bytes, recipe, engines.model);
  return { outcome: await (watch ? workOnImage(watch, row, work) : work()), facts };
}

async function look(bytes: Uint8Array, recipe: Recipe, model: ClipModel): Promise<Outcome<Prepared>> {
  const decoded = await decodeImage(bytes, recipe.image);
  if (!decoded.kept) return decoded;
  const image = decoded.value;
  const refused = refuseSize(image, recipe);
  if (refused) return refused;
  return kept({
    crop: model.crop(image),
    stored: resizeForStore(image, { shortestSide: recipe.image.storeShortestSide }),
    width: image.width,
    height: image.height,
    format: image.format,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    phash: perceptualHash(image),
  });
}

function refuseSize({ width, height }: DecodedImage, recipe: Recipe): Dropped | undefined {
  const [shorter, longer] = width < height ? [width, height] : [height, width];
  const { minShortestSide, maxAspectRatio, storeShortestSide } = recipe.image;
  if (minShortestSide !== null && shorter < minShortestSide)
    return dropped('size_small', `${width}×${height}`);
  if (maxAspectRatio !== null && longer > maxAspectRatio * shorter)
    return dropped('aspect', `${width}×${height}`);
  // What is stored is a JPEG, and a JPEG has at most 65,535 pixels on a side (ITU-T T.81, B.2.2).
  if (longer * Math.min(1, storeShortestSide / shorter) > MAX_JPEG_SIDE)
    return dropped('aspect', `${width}×${height}`);
  return undefined;
}

/** Whether a pair failed before it could be scored. */
function lacksImage({ fate }: { readonly fate: Fate }): boolean {
  return !fate.kept && ['fetched', 'image'].includes(REASONS[fate.reason].step);
}

/** Scores what a batch has of images, and says what becomes of each of its pairs, in their order. */
async function decide(
  batch: readonly Item[],
  recipe: Recipe,
  { model, safety }: HarvestEngines,
): Promise<Fate[]> {
  const samples = batch.flatMap((item): Sample[] =>
    !('past' in item) && item.outcome.kept ? [{ pair: item.pair, ...item.outcome.value }] : [],
  );
  const scored = await score(samples, model);
  let at = 0;
  return batch.map((item): Fate => {
    if ('past' in item) return item.past;
    if (!item.outcome.kept) return { ...item.outcome, similarity: null };
    const { image, text, similarity } = scored[at] as Scored;
    const sample = samples[at++] as Sample;
    const verdict = judge(sample, image, similarity, recipe, safety);
    if (!verdict.kept) return { ...verdict, similarity };
    const jpeg = () => encodeJpeg(sample.stored, recipe.image.storeQuality);
    const row = toRow(sample, verdict.value, similarity);
    return { kept: true, row, jpeg, imageEmbedding: image, textEmbedding: text };
  });
}

interface Scored {
  readonly image: Float32Array;
  readonly text: Float32Array;
  /** Their cosine. */
  readonly similarity: number;
}

/** Embeds images and texts of a batch: L2-normalised vectors of `model.dimension` numbers each. */
async function score(samples: readonly Sample[], model: ClipModel): Promise<Scored[]> {
  if (samples.length === 0) return [];
  const images = await model.embedImages(samples.map((sample) => sample.crop));
  const texts = await model.embedTexts(samples.map((sample) => sample.pair.text));
  return samples.map((_, i) => {
    const at = i * model.dimension;
    const image = images.subarray(at, at + model.dimension);
    const text = texts.subarray(at, at + model.dimension);
    return { image, text, similarity: dot(image, text) };
  });
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** Steps 5 to 8 of the recipe: the threshold, the NSFW class, and what may not stand beside it. */
function judge(
  sample: Sample,
  imageEmbedding: Float32Array,
  similarity: number,
  recipe: Recipe,
  safety: SafetyTagger,
): Outcome<HarvestRow['nsfw']> {
  const { minSimilarity } = recipe.score;
  if (minSimilarity !== null && similarity < minSimilarity)
    return dropped('similarity', similarity.toFixed(4));
  return safety.tag(imageEmbedding, sample.pair.text);
}

function toRow(sample: Sample, nsfw: HarvestRow['nsfw'], similarity: number): HarvestRow {
  const { width, height, format, sha256, phash } = sample;
  const stored = { storedWidth: sample.stored.width, storedHeight: sample.stored.height };
  return { ...sample.pair, width, height, ...stored, format, sha256, phash, nsfw, similarity };
}
