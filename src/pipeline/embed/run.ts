import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path/posix';
import type { ClipModel, PixelValues } from '../../clip/index.ts';
import type { BodyThreads } from '../../image/body-threads.ts';
import { GleanerError } from '../../schema/index.ts';
import { ByteBudget } from '../../stages/budget.ts';
import { writePart } from '../../stages/embed/part.ts';
import { readSamples } from '../../stages/embed/read-samples.ts';
import type { EmbedSample } from '../../stages/embed/sample.ts';
import { EmbedSegment, type PreparedSample } from '../../stages/embed/segment.ts';
import { type ImageWatch, workOnImage } from '../../stages/image-watch.ts';
import { mapOrdered } from '../../stages/ordered.ts';
import { fileStorage, type Storage } from '../../storage/index.ts';
import {
  type EmbedManifest,
  type EmbedSpec,
  fixEmbedRun,
  OWN_FOLDER,
  readEmbedManifest,
  writeEmbedManifest,
} from './run-file.ts';

export interface EmbedProgress {
  /** Samples that are through, those of earlier starts included. */
  readonly done: number;
  /** 0 to 1, by bytes of the inputs. */
  readonly share: number;
  readonly finished: boolean;
}

/** What became of the samples of all starts. */
export interface EmbedSummary {
  readonly samples: number;
  readonly rows: number;
  /** Samples without embeddings, by reason. */
  readonly left: Readonly<Record<string, number>>;
  /** Parts that hold rows. */
  readonly parts: number;
  readonly damaged: EmbedManifest['damaged'];
}

export interface RunEmbedOptions {
  /** Folder to write to. */
  readonly root: string;
  readonly spec: EmbedSpec;
  /** Digits of a part's number. */
  readonly digits: number;
  readonly model: ClipModel;
  /** Images a call of the network. */
  readonly batchSize: number;
  readonly threads: BodyThreads<PixelValues>;
  /** Samples that are lost at most when the process is killed. @default 10,000 */
  readonly segmentSamples?: number;
  /** Rows are samples, counted from the first of the first input. */
  readonly watch: Omit<ImageWatch, 'underWay' | 'hungry'>;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: EmbedProgress) => void;
}

/** Samples that are read ahead of the batch that is being embedded: enough for two batches more. */
export function samplesAhead(batchSize: number): number {
  return 3 * batchSize;
}

/** Encoded images that wait for their thread, in bytes. */
const AHEAD_BYTES = 64 << 20;
const SEGMENT_SAMPLES = 10_000;

type Place = EmbedManifest['next'];
/** A sample in its place, or an input that cannot be read any further. */
type Item = { readonly next: Place } & (
  | { readonly sample: EmbedSample }
  | { readonly damage: EmbedManifest['damaged'][number] }
);

/**
 * Embeds all samples of the inputs in their order, or goes on where an earlier start was stopped. A part is put together of
 * segments; a segment that is done stays, whatever becomes of the process. The folder is to be locked.
 *
 * @throws GleanerError RUN_MISMATCH, and what reading and the model throw; a damaged input is told in the summary
 */
export async function runEmbed(options: RunEmbedOptions): Promise<EmbedSummary> {
  const storage = fileStorage(options.root);
  await storage.sweep();
  await fixEmbedRun(storage, options.spec);
  return new EmbedRun(storage, options).run();
}

const partManifest = (part: number) => `${OWN_FOLDER}/parts/${part}.json`;
const segmentsOf = (part: number) => `${OWN_FOLDER}/segments/${part}`;
const segmentManifest = (part: number, segment: number) => `${segmentsOf(part)}/${segment}.json`;

class EmbedRun {
  readonly #storage: Storage;
  readonly #options: RunEmbedOptions;
  /** Parts that are done. */
  readonly #parts: EmbedManifest[] = [];
  /** Segments that are done of the part that is not. */
  #segments: EmbedManifest[] = [];
  #segment: EmbedSegment;
  #damaged: EmbedManifest['damaged'][number][] = [];
  #done = 0;
  /** The first sample ahead whose image may end the process: it waits until all before it are safe. */
  #suspect: number | undefined;
  readonly #safe = Promise.withResolvers<void>();
  /** Of pixel values that are embedded, for the next: never more than there are samples ahead. */
  readonly #memory: ArrayBuffer[] = [];
  /** Bytes of the inputs before the one that is read, and of that one. */
  #bytes = 0;
  #bytesHere = 0;

  constructor(storage: Storage, options: RunEmbedOptions) {
    this.#storage = storage;
    this.#options = options;
    this.#segment = this.#newSegment();
  }

  async run(): Promise<EmbedSummary> {
    const { inputs } = this.#options.spec;
    await this.#readDone();
    const end: Place = { input: inputs.length, sample: 0 };
    let next: Place = this.#last()?.next ?? { input: 0, sample: 0 };
    const ahead = [...this.#options.watch.suspects].filter((row) => row >= this.#done);
    this.#suspect = ahead.length > 0 ? Math.min(...ahead) : undefined;
    const ended = next.input === end.input && this.#segments.length === 0 && this.#parts.length > 0;
    if (!ended) {
      await this.#beforeSuspect(next);
      for await (const item of this.#prepared(next)) {
        this.#options.signal.throwIfAborted();
        if ('damage' in item) this.#damaged.push(item.damage);
        else {
          await this.#segment.add(item);
          this.#done++;
        }
        next = item.next;
        if (this.#isFull()) await this.#closeSegment(next);
        await this.#beforeSuspect(next);
        if (this.#rowsOfPart() >= this.#options.spec.writeBatchSize) await this.#closePart();
        this.#tell(false);
      }
      await this.#closeSegment(end);
      await this.#closePart();
    }
    this.#tell(true);
    return this.#summary();
  }

  async #readDone(): Promise<void> {
    for (;;) {
      const part = await readEmbedManifest(this.#storage, partManifest(this.#parts.length));
      if (!part) break;
      await this.#storage.remove(segmentsOf(this.#parts.length));
      this.#parts.push(part);
    }
    for (;;) {
      const path = segmentManifest(this.#parts.length, this.#segments.length);
      const segment = await readEmbedManifest(this.#storage, path);
      if (!segment) break;
      this.#segments.push(segment);
    }
    this.#done = [...this.#parts, ...this.#segments].reduce((sum, { seen }) => sum + seen, 0);
  }

  /** What is embedded is not lost to a suspect: the second death costs no more than the few samples between suspects. */
  async #beforeSuspect(next: Place): Promise<void> {
    if (this.#done !== this.#suspect) return;
    this.#suspect = undefined;
    if (this.#segment.counts.seen > 0) await this.#closeSegment(next);
    this.#safe.resolve();
  }

  #last(): EmbedManifest | undefined {
    return this.#segments.at(-1) ?? this.#parts.at(-1);
  }

  #newSegment(): EmbedSegment {
    const { model, spec, batchSize } = this.#options;
    return new EmbedSegment(model, spec.parts, batchSize, (memory) => {
      if (memory instanceof ArrayBuffer) this.#memory.push(memory);
    });
  }

  #rowsOfPart(): number {
    return this.#segments.reduce((sum, { rows }) => sum + rows, 0);
  }

  #isFull(): boolean {
    const { spec, segmentSamples = SEGMENT_SAMPLES } = this.#options;
    const { seen, rows } = this.#segment.counts;
    return seen >= segmentSamples || this.#rowsOfPart() + rows >= spec.writeBatchSize;
  }

  async #closeSegment(next: Place): Promise<void> {
    const number = this.#segments.length;
    const part = this.#parts.length;
    // In a folder of its own: a process that outlives the one that began it by a moment never writes into another's.
    const folder = `${segmentsOf(part)}/${number}-${randomBytes(6).toString('hex')}`;
    const files = await this.#segment.write(this.#storage, folder);
    const manifest = { next, ...this.#segment.counts, damaged: this.#damaged, files: [...files] };
    await writeEmbedManifest(this.#storage, segmentManifest(part, number), manifest);
    this.#segments.push({ version: 1, ...manifest });
    this.#segment = this.#newSegment();
    this.#damaged = [];
  }

  async #closePart(): Promise<void> {
    const { spec, digits } = this.#options;
    const number = this.#parts.length;
    const places = this.#segments.map(({ rows, files: [file] }) => ({
      folder: dirname(file?.path ?? ''),
      rows,
    }));
    const files = await writePart(this.#storage, places, {
      number: String(number).padStart(digits, '0'),
      dimension: spec.model.dimension,
      parts: spec.parts,
    });
    const next = this.#last()?.next ?? { input: 0, sample: 0 };
    const manifest = { next, ...sumCounts(this.#segments), files: [...files] };
    await writeEmbedManifest(this.#storage, partManifest(number), manifest);
    await this.#storage.remove(segmentsOf(number));
    this.#parts.push({ version: 1, ...manifest });
    this.#segments = [];
  }

  /** Samples from a place on, their images decoded and cropped beside the network. */
  #prepared(
    from: Place,
  ): AsyncGenerator<
    { readonly next: Place } & (PreparedSample | { readonly damage: EmbedManifest['damaged'][number] })
  > {
    const { batchSize, threads, watch } = this.#options;
    const first = this.#done;
    let begun = 0;
    const budget = new ByteBudget(AHEAD_BYTES);
    const bytesOf = (item: Item) => ('sample' in item ? (item.sample.image?.length ?? 0) : 0);
    const admit = (item: Item) => budget.reserve(bytesOf(item));
    const prepare = async (item: Item) => {
      if ('damage' in item) return item;
      const bytes = bytesOf(item);
      const row = first + begun++;
      const { image, ...sample } = item.sample;
      try {
        if (watch.suspects.has(row)) await this.#safe.promise;
        const crop =
          image && !sample.left
            ? await workOnImage(watch, row, () => threads.run(image, this.#memory.pop()))
            : undefined;
        return { next: item.next, sample, ...(crop && { crop }) };
      } finally {
        budget.adjust(-bytes);
      }
    };
    return mapOrdered(this.#items(from), samplesAhead(batchSize), prepare, admit);
  }

  async *#items(from: Place): AsyncGenerator<Item> {
    const { spec, signal } = this.#options;
    for (const [number, input] of spec.inputs.entries()) {
      if (number >= from.input) {
        const skip = number === from.input ? from.sample : 0;
        let sample = 0;
        try {
          const read = (bytes: number) => {
            this.#bytesHere = bytes;
          };
          for await (const found of readSamples(input, spec.parts, spec.names, signal, read)) {
            sample++;
            if (sample > skip) yield { next: { input: number, sample }, sample: found };
          }
        } catch (error) {
          // Of an input that gives nothing at all, somebody should know at once: it is likely to be another kind of file.
          if (!(error instanceof GleanerError) || error.code !== 'DAMAGED' || sample === 0) throw error;
          const damage = { path: input.path, problem: error.message };
          yield { next: { input: number + 1, sample: 0 }, damage };
        }
      }
      this.#bytes += input.bytes;
      this.#bytesHere = 0;
    }
  }

  #tell(finished: boolean): void {
    const total = this.#options.spec.inputs.reduce((sum, { bytes }) => sum + bytes, 0);
    const share = finished ? 1 : Math.min(1, (this.#bytes + this.#bytesHere) / Math.max(1, total));
    this.#options.onProgress({ done: this.#done, share, finished });
  }

  #summary(): EmbedSummary {
    const { seen, rows, left, damaged } = sumCounts(this.#parts);
    return { samples: seen, rows, left, parts: this.#parts.filter((p) => p.rows > 0).length, damaged };
  }
}

function sumCounts(
  manifests: readonly EmbedManifest[],
): Pick<EmbedManifest, 'seen' | 'rows' | 'left' | 'damaged'> {
  const left: Record<string, number> = {};
  for (const manifest of manifests)
    for (const [reason, n] of Object.entries(manifest.left)) left[reason] = (left[reason] ?? 0) + n;
  return {
    seen: manifests.reduce((sum, { seen }) => sum + seen, 0),
    rows: manifests.reduce((sum, { rows }) => sum + rows, 0),
    left,
    damaged: manifests.flatMap(({ damaged }) => damaged),
  };
}
