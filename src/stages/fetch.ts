import { createHash } from 'node:crypto';
import type { Recipe } from '../config/index.ts';
import { createTarWriter, freeBytes, type TarMember, type TarWriter } from '../formats/index.ts';
// Not by index.ts: this stage runs in threads, and decoders in C are nothing for them.
import { type ImageHead, readHead } from '../image/head.ts';
import type { FetchedImage, Pair } from '../schema/index.ts';
import { type Asked, askForImage, isNamed, refuseBytes } from './ask.ts';
import type { Intake } from './intake.ts';
import { type KnownEntry, writeKnownContent } from './known-content.ts';
import { mapOrdered } from './ordered.ts';
import { createOutcomeWriter, type FetchedFate, fetchedFiles } from './outcomes.ts';
import type { StageContext, StageResult } from './stage.ts';
import { writeFiles } from './write-file.ts';

/** What a fetch needs: the part of a harvest's engines that has to do with asking. They outlive a task. */
export interface FetchEngines extends Asked {
  readonly intake: Intake;
}

/**
 * Fetches the images of one shard and leaves them to be harvested elsewhere: asked for as harvest asks, and written as they
 * came. What a harvest refuses without a decoder is refused here, in the same words, and not written.
 *
 * Leaves images.tar (as they come, not in the order of the pairs: none waits for another) and, for each pair in order, what
 * became of it in outcomes.parquet; known-content.jsonl too where something was on such a list. No ledgers: the
 * harvest counts. Facts: pairs, images, bytes of these.
 *
 * Memory: what the intake allows.
 *
 * @param rowStart number of the first pair in its file of unique/
 */
export async function fetchImages(
  folder: string,
  pairs: AsyncIterable<Pair> | Iterable<Pair>,
  rowStart: number,
  recipe: Pick<Recipe, 'image'>,
  engines: FetchEngines,
  ctx: StageContext,
): Promise<StageResult> {
  const files = fetchedFiles(folder);
  const known: KnownEntry[] = [];
  const facts = { pairs: 0, images: 0, bytes: 0 };
  // Where one cannot be written, nobody waits for the others.
  const stop = new AbortController();
  const signal = AbortSignal.any([ctx.signal, stop.signal]);

  const written = await writeFiles(ctx.storage, [files.images, files.outcomes], async ([tar, table]) => {
    if (!tar || !table) throw new Error('a sink for each file');
    const images = new ImageQueue(createTarWriter(tar));
    const outcomes = createOutcomeWriter(table);
    let row = rowStart;
    const work = async (pair: Pair) => {
      const mine = row++;
      const fate = await fetchOne(pair, mine, images).catch((error: unknown) => {
        stop.abort(error);
        throw error;
      });
      ctx.progress(1);
      return { pair, row: mine, fate };
    };
    const admit = () => engines.intake.admit();
    try {
      for await (const { pair, row: of, fate } of mapOrdered(pairs, Number.POSITIVE_INFINITY, work, admit)) {
        facts.pairs++;
        if (fate.kept) {
          facts.images++;
          facts.bytes += fate.length;
        } else if (fate.reason === 'known_content') {
          known.push({ id: pair.uid, detail: fate.detail });
          continue;
        }
        await outcomes.add(pair, of, fate);
      }
    } finally {
      stop.abort();
    }
    await images.finish();
    await outcomes.finish();
  });
  if (known.length > 0) written.push(await writeKnownContent(ctx.storage, files.knownContent, known));
  return { files: written, ledgers: {}, facts };

  async function fetchOne(pair: Pair, row: number, images: ImageQueue): Promise<FetchedFate> {
    const { facts: told, ...fetched } = await askForImage(pair, engines, signal);
    const fate = fetched.kept ? await keep(fetched.value, row, images) : fetched;
    return fate.kept || isNamed(fate.reason) ? { ...fate, facts: told } : fate;
  }

  async function keep(image: FetchedImage, row: number, images: ImageQueue): Promise<FetchedFate> {
    const { bytes, finalUrl, fetchedAt } = image;
    const { length } = bytes;
    try {
      const refused = refuseBytes(bytes, engines);
      if (refused) return refused;
      const head = readHead(bytes, recipe.image);
      if (!head.kept) return head;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      const { offset } = await images.add(memberName(row, head.value), bytes);
      return { kept: true, offset, length, sha256, fetchedAt, finalUrl };
    } finally {
      freeBytes(bytes);
      engines.intake.done(length);
    }
  }
}

/** As webdataset has it: key and extension. */
function memberName(row: number, { format }: ImageHead): string {
  return `${String(row).padStart(9, '0')}.${format === 'jpeg' ? 'jpg' : format}`;
}

/** Writes images one after the other, in the order in which they come. */
class ImageQueue {
  readonly #tar: TarWriter;
  #last: Promise<unknown> = Promise.resolve();

  constructor(tar: TarWriter) {
    this.#tar = tar;
  }

  /** @throws what writing it, or one before it, throws: a tar with half a member takes no more */
  add(name: string, bytes: Uint8Array): Promise<TarMember> {
    const added = this.#last.then(() => this.#tar.add(name, bytes));
    this.#last = added;
    return added;
  }

  async finish(): Promise<void> {
    await this.#last;
    await this.#tar.finish();
  }
}
