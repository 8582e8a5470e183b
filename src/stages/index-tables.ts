import { type Column, parquetInfo, readParquetRowGroup } from '../formats/index.ts';
import type { KnnFields } from '../knn/index.ts';
import { GleanerError } from '../schema/index.ts';
import { type ByteSink, type Storage, streamSource } from '../storage/index.ts';
import { IMAGE_RECORD_BYTES } from './index-files.ts';
import { RELEASE_COLUMNS, type ReleaseFiles } from './released.ts';
import { storedImages } from './stored-images.ts';

/** A row in the tables of an index: where its picture lies in the tar of its part, and what is said of it. */
export interface Place {
  readonly offset: number;
  readonly length: number;
  readonly line: Uint8Array;
}
/** Of a SAMPLE_ID without a row. */
export const NO_PLACE: Place = { offset: 0, length: 0, line: Buffer.from('\n') };

/** What the tables are written to. */
interface TableSinks {
  readonly lines: ByteSink;
  readonly offsets: ByteSink;
  readonly images: ByteSink;
}

/** Writes rows to the tables of an index, place after place. */
export class TableWriter {
  readonly #sinks: TableSinks;
  #position: number;

  /** @param position bytes of lines that are there already */
  constructor(sinks: TableSinks, position = 0) {
    this.#sinks = sinks;
    this.#position = position;
  }

  async write(places: readonly Place[], part: number): Promise<void> {
    const starts = new BigUint64Array(places.length);
    const table = new DataView(new ArrayBuffer(places.length * IMAGE_RECORD_BYTES));
    for (const [i, { offset, length, line }] of places.entries()) {
      table.setBigUint64(i * IMAGE_RECORD_BYTES, BigInt(offset), true);
      table.setUint32(i * IMAGE_RECORD_BYTES + 8, length, true);
      table.setUint32(i * IMAGE_RECORD_BYTES + 12, part, true);
      starts[i] = BigInt(this.#position);
      this.#position += line.length;
    }
    await this.#sinks.lines.write(Buffer.concat(places.map(({ line }) => line)));
    await this.#sinks.offsets.write(new Uint8Array(starts.buffer));
    await this.#sinks.images.write(new Uint8Array(table.buffer));
  }

  /** Where the last line ends. */
  async end(): Promise<void> {
    await this.#sinks.offsets.write(new Uint8Array(BigUint64Array.of(BigInt(this.#position)).buffer));
  }
}

/** The rows of a Parquet file, a row group at a time. */
export function rowGroups<const C extends readonly Column[]>(storage: Storage, path: string, columns: C) {
  return streamSource(storage, path, async function* (source) {
    const info = await parquetInfo(source, path);
    for (const group of info.rowGroups.keys())
      yield await readParquetRowGroup(source, columns, group, { info, name: path });
  });
}

/**
 * The rows of a part of a release with their places in the tables, a row group at a time.
 * @throws GleanerError DAMAGED where metadata and pictures do not agree
 */
export async function* releasedPlaces(storage: Storage, { metadata, images }: ReleaseFiles) {
  const members = storedImages(storage, images);
  for await (const group of rowGroups(storage, metadata, RELEASE_COLUMNS)) {
    const rows = [];
    for (const { SAMPLE_ID, ...row } of group) {
      const { value: member } = await members.next();
      if (member?.name !== `${row.key}.jpg`)
        throw damaged(images, `has ${member?.name ?? 'no member'} in place of ${row.key}.jpg`);
      const { offset, length } = member;
      const place: Place = { offset, length, line: Buffer.from(`${JSON.stringify(row)}\n`) };
      rows.push({ id: Number(SAMPLE_ID), row, place });
    }
    yield rows;
  }
  if (!(await members.next()).done) throw damaged(images, 'holds more images than its metadata has rows');
}

/** What searches filter by, of a released row. */
export function fieldsOf(row: {
  readonly URL: string;
  readonly NSFW: string;
  readonly WIDTH: number;
  readonly HEIGHT: number;
  readonly similarity: number;
  readonly language: string;
  readonly LICENSE: string;
}): KnnFields {
  const { URL: url, NSFW: nsfw, WIDTH: width, HEIGHT: height, similarity, language, LICENSE: license } = row;
  return { nsfw, width, height, similarity, language, license, host: hostOf(url) };
}

/** The host of a URL as it is asked for, or nothing where it is none. */
function hostOf(url: string): string {
  return URL.parse(url)?.hostname ?? '';
}

export function damaged(path: string, problem: string, cause?: unknown): GleanerError {
  return new GleanerError('DAMAGED', { path, problem: `${problem}.` }, cause === undefined ? {} : { cause });
}
