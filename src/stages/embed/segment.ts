import type { ClipModel, PixelValues } from '../../clip/index.ts';
import { type Column, createParquetWriter } from '../../formats/index.ts';
import type { Outcome } from '../../schema/index.ts';
import type { FileInfo, Storage } from '../../storage/index.ts';
import { writeFile } from '../write-file.ts';
import { writeMatrix } from '../write-matrix.ts';
import type { EmbedParts, EmbedSample, LeftReason } from './sample.ts';

/** A sample whose image went through its thread, where it has one and one was asked for. */
export interface PreparedSample {
  readonly sample: Omit<EmbedSample, 'image'>;
  readonly crop?: Outcome<PixelValues>;
}

/** Counts of samples, by what became of them. */
export interface EmbedCounts {
  readonly seen: number;
  readonly rows: number;
  readonly left: Readonly<Record<string, number>>;
}

export const SEGMENT_COLUMNS = [
  { name: 'key', type: 'string' },
  { name: 'caption', type: 'string', nullable: true },
  { name: 'metadata', type: 'string', nullable: true },
] as const satisfies readonly Column[];

/** Files of a segment below its folder. */
export const SEGMENT_FILES = { image: 'img.npy', text: 'text.npy', rows: 'rows.parquet' } as const;

/**
 * Embeds samples that follow each other. Images are embedded as soon as a batch of them is there, captions together at the
 * end: equal ones once, those of about one length beside each other. A row depends on its sample alone (`ClipModel`).
 *
 * Memory: the embeddings of the segment, its captions and metadata, and a batch of crops.
 */
export class EmbedSegment {
  readonly #model: ClipModel;
  readonly #parts: EmbedParts;
  readonly #batchSize: number;
  readonly #done: (memory: ArrayBufferLike) => void;
  readonly #rows: {
    readonly key: string;
    readonly caption: string | null;
    readonly metadata: string | null;
  }[] = [];
  readonly #crops: PixelValues[] = [];
  readonly #images: Float32Array[] = [];
  readonly #left = new Map<LeftReason, number>();
  #seen = 0;

  /** @param done takes the memory of pixel values that are embedded */
  constructor(
    model: ClipModel,
    parts: EmbedParts,
    batchSize: number,
    done: (memory: ArrayBufferLike) => void,
  ) {
    this.#done = done;
    this.#model = model;
    this.#parts = parts;
    this.#batchSize = batchSize;
  }

  get rows(): number {
    return this.#rows.length;
  }

  get counts(): EmbedCounts {
    return { seen: this.#seen, rows: this.rows, left: Object.fromEntries([...this.#left].sort()) };
  }

  async add({ sample, crop }: PreparedSample): Promise<void> {
    this.#seen++;
    const left = sample.left ?? (crop && !crop.kept ? crop.reason : undefined);
    if (left !== undefined) {
      this.#left.set(left, (this.#left.get(left) ?? 0) + 1);
      return;
    }
    const { key, caption, metadata } = sample;
    this.#rows.push({ key, caption, metadata });
    if (crop?.kept) this.#crops.push(crop.value);
    if (this.#crops.length >= this.#batchSize) await this.#embedImages();
  }

  async #embedImages(): Promise<void> {
    const crops = this.#crops.splice(0);
    if (crops.length > 0) this.#images.push(await this.#model.embedPixels(crops));
    for (const { values } of crops) this.#done(values.buffer);
  }

  /** Embeds what waits and writes the segment's files into `folder`. */
  async write(storage: Storage, folder: string): Promise<readonly FileInfo[]> {
    await this.#embedImages();
    const files: FileInfo[] = [];
    const shape = { rows: this.rows, columns: this.#model.dimension };
    if (this.#parts.image)
      files.push(await writeMatrix(storage, `${folder}/${SEGMENT_FILES.image}`, shape, this.#images));
    if (this.#parts.text) {
      const texts = await this.#model.embedTexts(this.#rows.map(({ caption }) => caption ?? ''));
      files.push(await writeMatrix(storage, `${folder}/${SEGMENT_FILES.text}`, shape, [texts]));
    }
    files.push(
      await writeFile(storage, `${folder}/${SEGMENT_FILES.rows}`, async (sink) => {
        const writer = createParquetWriter(sink, SEGMENT_COLUMNS);
        await writer.writeRowGroup(this.#rows);
        await writer.finish();
      }),
    );
    return files;
  }
}
