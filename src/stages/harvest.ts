import type { Recipe } from '../config/index.ts';
import { createParquetWriter, createTarWriter, freeBytes } from '../formats/index.ts';
import { encodeJpeg, giveBack } from '../image/index.ts';
import type { Findings } from '../safety/index.ts';
import {
  type Dropped,
  dropped,
  type FetchedImage,
  type FunnelStep,
  type HarvestRow,
  kept,
  LedgerCounter,
  type Outcome,
  type Pair,
  REASONS,
} from '../schema/index.ts';
import type { Shelf } from '../storage/index.ts';
import { askForImage, isNamed, refuseBytes } from './ask.ts';
import { createFetchedWriter, type FetchedFacts, fetchedFacts } from './fetched.ts';
import type { HarvestEngines } from './harvest-engines.ts';
import { HARVEST_COLUMNS, harvestFiles, harvestRecord, type StoredImage } from './harvested.ts';
import { type ImageWatch, workOnImage } from './image-watch.ts';
import { type KnownEntry, UNNAMED, writeKnownContent } from './known-content.ts';
import { look, type Prepared } from './look.ts';
import { mapOrdered } from './ordered.ts';
import type { Fate, PastPair } from './past.ts';
import type { Scored } from './scorer.ts';
import type { StageContext, StageResult } from './stage.ts';
import { createTrailWriter } from './trail.ts';
import { writeFile, writeFiles } from './write-file.ts';
import { writeMatrix } from './write-matrix.ts';

/** A pair that is through: it waits for those before it. */
interface Done {
  readonly pair: Pair;
  readonly fate: Fate;
  readonly facts: FetchedFacts | undefined;
}

/** What is kept of an image until its pair is decided about. */
type Picture = Prepared & Pick<HarvestRow, 'harvestedAt'>;

/** Steps of the funnel that harvest takes a pair through, in order. */
const STEPS = ['fetched', 'image', 'matched', 'safe'] as const satisfies readonly FunnelStep[];

/**
 * Harvests one shard: each image is fetched once, decoded once, embedded in batches, filtered, and only what is kept
 * is encoded again and written. Pairs are worked on as they come and written in the order given: equal answers give equal
 * bytes, and an image that stalls holds up what is written and nothing else.
 *
 * Leaves rows.parquet, images.tar, img_emb.npy, text_emb.npy (float16, rows × dimension), dropped.parquet and, with
 * what it took to fetch each image, fetched.parquet in `folder`; known-content.jsonl too where something was on such a list. Ledgers: fetched, image, matched, safe. Facts: rows.
 *
 * Memory: what the engines allow, the embeddings of the kept rows, and what is said of pairs that wait for those before
 * them; images that are kept wait on a shelf, which goes to disk.
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
  const known: KnownEntry[] = [];
  let fetchedBytes = 0;
  const counters = new Map(STEPS.map((step) => [step, new LedgerCounter()]));

  const sinks = [files.images, files.dropped, files.fetched];
  const written = await writeFiles(ctx.storage, sinks, async ([sink, trailSink, fetchedSink]) => {
    if (!sink || !trailSink || !fetchedSink) throw new Error('a sink for each file');
    const writer = createTarWriter(sink);
    const trail = createTrailWriter(trailSink);
    const fetched = createFetchedWriter(fetchedSink);
    await using shelf = engines.shelf();
    const harvester = new Harvester(recipe, engines, shelf, ctx, watch);
    const admit = async (pair: Pair | PastPair) => {
      if (!('past' in pair)) await engines.intake.admit();
    };
    const work = (pair: Pair | PastPair) => harvester.harvest(pair);
    const items = withEnd(pairs, () => watch?.hungry());
    for await (const { pair, fate, facts } of mapOrdered(items, Number.POSITIVE_INFINITY, work, admit)) {
      if (facts) {
        fetchedBytes += Number(facts.fetched_bytes);
        await fetched.add(facts, fate.kept ? undefined : fate);
      }
      if (!fate.kept) {
        count(fate);
        if (fate.reason === 'known_content') {
          known.push({ id: pair.uid, detail: fate.detail });
          continue;
        }
        // Of what was taken down the uid stays, by which a retry finds it.
        if (fate.reason === 'removed') trail.add({ ...UNNAMED, uid: pair.uid, reason: 'removed' });
        else trail.add({ ...pair, reason: fate.reason, detail: fate.detail, similarity: fate.similarity });
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
    // At the end, so that their place does not say which pairs they were.
    for (const _ of known) trail.add({ ...UNNAMED, reason: 'known_content' });
    await writer.finish();
    await trail.finish();
    await fetched.finish();
  });

  const shape = { rows: rows.length, columns: engines.model.dimension };
  written.push(
    await writeFile(ctx.storage, files.rows, async (sink) => {
      const writer = createParquetWriter(sink, HARVEST_COLUMNS);
      await writer.writeRowGroup(
        rows.map((row, i) => harvestRecord(row, images[i] ?? { offset: 0, bytes: 0 })),
      );
      await writer.finish();
    }),
    await writeMatrix(
      ctx.storage,
      files.imageEmbeddings,
      shape,
      embeddings.map((e) => e.image),
    ),
    await writeMatrix(
      ctx.storage,
      files.textEmbeddings,
      shape,
      embeddings.map((e) => e.text),
    ),
  );
  if (known.length > 0) written.push(await writeKnownContent(ctx.storage, files.knownContent, known));
  const ledgers = Object.fromEntries([...counters].map(([step, counter]) => [step, counter.ledger()]));
  return { files: written, ledgers, facts: { rows: rows.length, fetchedBytes } };

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
}

/** Takes pairs from their URL to their fate, many at once. */
class Harvester {
  readonly #recipe: Recipe;
  readonly #engines: HarvestEngines;
  readonly #shelf: Shelf;
  readonly #ctx: StageContext;
  readonly #watch: ImageWatch | undefined;
  #row = 0;

  constructor(
    recipe: Recipe,
    engines: HarvestEngines,
    shelf: Shelf,
    ctx: StageContext,
    watch: ImageWatch | undefined,
  ) {
    this.#recipe = recipe;
    this.#engines = engines;
    this.#shelf = shelf;
    this.#ctx = ctx;
    this.#watch = watch;
  }

  /** Of a pair that was not harvested before: one that the intake has admitted. */
  async harvest(item: Pair | PastPair): Promise<Done> {
    const row = this.#row++;
    const done = 'past' in item ? { ...item, fate: item.past } : await this.#fresh(item, row);
    this.#ctx.progress(1);
    return done;
  }

  async #fresh(pair: Pair, row: number): Promise<Done> {
    const here = this.#engines.scorer.coming();
    const ended = this.#watch?.underWay();
    const over = once(() => {
      ended?.();
      here();
    });
    try {
      const { facts, ...fetched } = await askForImage(pair, this.#engines, this.#ctx.signal);
      const fate = fetched.kept
        ? await this.#see(pair, row, fetched.value, over)
        : { ...fetched, similarity: null };
      const named = fate.kept || isNamed(fate.reason);
      return { pair, fate, facts: named && facts ? fetchedFacts(pair, facts) : undefined };
    } finally {
      over();
    }
  }

  async #see(pair: Pair, row: number, fetched: FetchedImage, over: () => void): Promise<Fate> {
    const { intake, pictures } = this.#engines;
    const { bytes, fetchedAt } = fetched;
    const { length } = bytes;
    const listed = refuseBytes(bytes, this.#engines);
    if (listed) {
      intake.done(length);
      return { ...listed, similarity: null };
    }
    await pictures.reserve(1);
    try {
      const work = () => look(bytes, this.#recipe, this.#engines);
      const seen = await (this.#watch ? workOnImage(this.#watch, row, work) : work());
      freeBytes(bytes);
      intake.done(length);
      if (!seen.kept) return { ...seen, similarity: null };
      try {
        return await this.#decide(pair, { ...seen.value, harvestedAt: this.#timeOf(fetchedAt) }, over);
      } finally {
        freeBytes(seen.value.crop.data);
        giveBack(seen.value.stored.data);
      }
    } finally {
      pictures.adjust(-1);
    }
  }

  #timeOf(ms: number | undefined): string {
    if (ms === undefined || !this.#recipe.harvest.recordTime) return '';
    // To the second: finer says nothing about an image.
    return `${new Date(ms).toISOString().slice(0, 19)}Z`;
  }

  async #decide(pair: Pair, picture: Picture, over: () => void): Promise<Fate> {
    const { scorer } = this.#engines;
    // Nothing else is at work beside a suspect: what ends the process then is the suspect.
    const guard = this.#watch && this.#watch.suspects.size > 0 ? this.#watch.turnstile : undefined;
    const scoring = scorer.score(picture.crop, pair.text, guard);
    over();
    const scored = await scoring;
    const { image, text, similarity } = scored;
    const verdict = await judge(pair, picture, scored, this.#recipe, this.#engines);
    if (!verdict.kept) return { ...verdict, similarity };
    const jpeg = await this.#shelf.put(await encodeJpeg(picture.stored, this.#recipe.image.storeQuality));
    const row = toRow(pair, picture, verdict.value, similarity);
    return { kept: true, row, jpeg: () => jpeg.take(), imageEmbedding: image, textEmbedding: text };
  }
}

async function* withEnd<T>(items: AsyncIterable<T> | Iterable<T>, end: () => void): AsyncGenerator<T> {
  yield* items;
  end();
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}

/** Steps 5 to 8 of the recipe: the threshold, the NSFW class, and what may not stand beside it. */
async function judge(
  { text }: Pair,
  picture: Prepared,
  { image, similarity }: Scored,
  recipe: Recipe,
  { safety, classifiers = [] }: HarvestEngines,
): Promise<Outcome<Pick<HarvestRow, 'nsfw' | 'tags'>>> {
  const { minSimilarity } = recipe.score;
  if (minSimilarity !== null && similarity < minSimilarity)
    return dropped('similarity', similarity.toFixed(4));
  const found: Findings[] = [];
  for (const [i, classifier] of classifiers.entries()) {
    const prepared = picture.classified[i];
    if (prepared) found.push(await classifier.classify(prepared));
  }
  const refusal = found.find(({ drop }) => drop !== null)?.drop;
  if (refusal) return dropped('classifier', refusal);
  const opinion = (['NSFW', 'UNSURE'] as const).find((nsfw) => found.some((one) => one.nsfw === nsfw));
  const tagged = safety.tag(image, text, opinion);
  const tags = [...new Set(found.flatMap((one) => one.tags))].join(' ');
  return tagged.kept ? kept({ nsfw: tagged.value, tags }) : tagged;
}

function toRow(
  pair: Pair,
  picture: Picture,
  tags: Pick<HarvestRow, 'nsfw' | 'tags'>,
  similarity: number,
): HarvestRow {
  const { width, height, format, sha256, phash, stored, harvestedAt } = picture;
  const sizes = { width, height, storedWidth: stored.width, storedHeight: stored.height };
  return { ...pair, ...sizes, format, sha256, phash, ...tags, similarity, harvestedAt };
}
