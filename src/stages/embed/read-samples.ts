import { readFile, stat } from 'node:fs/promises';
import {
  type Column,
  parquetInfo,
  readParquetRowGroup,
  readWebdataset,
  type TarEntry,
} from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { openFile, streamLocation } from '../../storage/index.ts';
import { decodeText, type EmbedParts, type EmbedSample, MAX_IMAGE_BYTES, toSample } from './sample.ts';

export const EMBED_FORMATS = ['webdataset', 'files', 'parquet'] as const;
export type EmbedFormat = (typeof EMBED_FORMATS)[number];

/** What one reader goes through: a tar, a Parquet file, or the files of a folder. */
export interface EmbedInput {
  readonly format: EmbedFormat;
  /** Absolute path, or for a tar http:, https: or s3:. */
  readonly path: string;
  /** 0 where it is not known. */
  readonly bytes: number;
  /** Of a folder: paths below it without extension, sorted, with the extensions found of each part. */
  readonly files?: readonly FileSample[];
}

export interface FileSample {
  readonly stem: string;
  readonly image?: string;
  readonly caption?: string;
  readonly metadata?: string;
}

/** Where images and captions are found. */
export interface EmbedNames {
  /** Extension or column of the images. @default the first that there is of those known */
  readonly image?: string;
  /** Extension or column of the captions. @default the first that there is of those known */
  readonly caption?: string;
}

/** Extensions that images have in datasets, the likeliest first. */
export const IMAGE_EXTENSIONS: readonly string[] = ['jpg', 'jpeg', 'png', 'webp', 'gif', 'avif'];
/** Columns with encoded images: img2dataset's are named by the format. */
const IMAGE_COLUMNS = [...IMAGE_EXTENSIONS, 'image', 'bytes', 'image_bytes'];
const CAPTION_COLUMNS = ['caption', 'TEXT', 'text'];
/** Metadata and captions are no larger, in bytes: what is, is left out. */
const MAX_TEXT_BYTES = 1 << 20;

/**
 * The samples of an input in their order.
 * @param read called with the bytes read so far
 * @throws GleanerError FILE_NOT_FOUND; DAMAGED, after the samples before the damage; USAGE where a column is missing
 */
export function readSamples(
  input: EmbedInput,
  parts: EmbedParts,
  names: EmbedNames,
  signal: AbortSignal,
  read: (bytes: number) => void,
): AsyncGenerator<EmbedSample, void, undefined> {
  switch (input.format) {
    case 'webdataset':
      return readTarSamples(input, parts, names, signal, read);
    case 'files':
      return readFileSamples(input, parts, read);
    case 'parquet':
      return readParquetSamples(input, parts, names, read);
  }
}

async function* readTarSamples(
  { path }: EmbedInput,
  parts: EmbedParts,
  names: EmbedNames,
  signal: AbortSignal,
  read: (bytes: number) => void,
): AsyncGenerator<EmbedSample> {
  const images = names.image === undefined ? IMAGE_EXTENSIONS : [names.image.toLowerCase()];
  const captions = (names.caption ?? 'txt').toLowerCase();
  const chunks = counted(streamLocation(path, { signal }), read);
  for await (const { key, files } of readWebdataset(chunks, {
    name: path,
    maxMemberBytes: MAX_IMAGE_BYTES,
  })) {
    const image = images.map((extension) => files.get(extension)).find((entry) => entry !== undefined);
    yield toSample(key, parts, {
      image: image?.bytes,
      large: image !== undefined,
      caption: textOf(files.get(captions)),
      metadata: textOf(files.get('json')),
    });
  }
}

function textOf(entry: TarEntry | undefined): string | undefined {
  return entry?.bytes && entry.bytes.length <= MAX_TEXT_BYTES ? decodeText(entry.bytes) : undefined;
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  read: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    yield chunk;
    read(bytes);
  }
}

async function* readFileSamples(
  { path, files = [], bytes }: EmbedInput,
  parts: EmbedParts,
  read: (bytes: number) => void,
): AsyncGenerator<EmbedSample> {
  for (const [i, file] of files.entries()) {
    const image = parts.image ? await readUpTo(path, file.image, MAX_IMAGE_BYTES) : undefined;
    yield toSample(`${path}/${file.image ?? file.stem}`, parts, {
      image,
      large: file.image !== undefined,
      caption: parts.text ? asText(await readUpTo(path, file.caption, MAX_TEXT_BYTES)) : undefined,
      metadata: parts.metadata ? asText(await readUpTo(path, file.metadata, MAX_TEXT_BYTES)) : undefined,
    });
    read((bytes * (i + 1)) / files.length);
  }
}

const asText = (bytes: Uint8Array | undefined) => bytes && decodeText(bytes);

async function readUpTo(
  folder: string,
  name: string | undefined,
  most: number,
): Promise<Uint8Array | undefined> {
  if (name === undefined) return undefined;
  const path = `${folder}/${name}`;
  if ((await stat(path)).size > most) return undefined;
  const bytes = await readFile(path);
  // Small files come out of a pool that cannot be handed over; a copy is what they cost.
  return bytes.buffer.byteLength === bytes.length ? bytes : new Uint8Array(bytes);
}

/** One row group in memory at a time: with images, some hundreds of rows as img2dataset's and our writers cut them. */
async function* readParquetSamples(
  { path, bytes }: EmbedInput,
  parts: EmbedParts,
  names: EmbedNames,
  read: (bytes: number) => void,
): AsyncGenerator<EmbedSample> {
  const source = await openFile(path);
  try {
    const info = await parquetInfo(source, path);
    const columnNames = info.columns.map(({ name }) => name);
    const pick = (option: string, named: string | undefined, known: readonly string[]) => {
      const found = named === undefined ? known.find((name) => columnNames.includes(name)) : named;
      if (found === undefined || !columnNames.includes(found))
        throw new GleanerError('USAGE', {
          problem: `${path}: has no column '${found ?? known[0]}' (it has ${columnNames.join(', ')}); name it with ${option}.`,
        });
      return found;
    };
    const image = parts.image ? pick('--image-key', names.image, IMAGE_COLUMNS) : undefined;
    const caption = parts.text ? pick('--caption-key', names.caption, CAPTION_COLUMNS) : undefined;
    const pixels = new Set([image, ...IMAGE_COLUMNS]);
    const others = info.columns.flatMap(({ name, type }): Column[] => {
      const wanted = name === 'key' || (parts.metadata && name !== caption && !pixels.has(name));
      return wanted && type !== 'other' ? [{ name, type, nullable: true }] : [];
    });
    const columns: Column[] = [
      ...(image === undefined ? [] : [{ name: image, type: 'binary', nullable: true } as const]),
      ...(caption === undefined ? [] : [{ name: caption, type: 'string', nullable: true } as const]),
    ];
    for (const [group, { rows, rowStart }] of info.rowGroups.entries()) {
      const options = { name: path, info };
      const texts = [...columns.filter((c) => c.type === 'string'), ...others];
      // Apart: hyparquet makes strings of all columns or of none that their writer left unmarked.
      const images =
        image === undefined ? [] : await readParquetRowGroup(source, columns.slice(0, 1), group, options);
      const values = texts.length === 0 ? [] : await readParquetRowGroup(source, texts, group, options);
      for (let row = 0; row < rows; row++) {
        const value = values[row] ?? {};
        const found = image === undefined ? undefined : images[row]?.[image];
        const body = found instanceof Uint8Array && found.length <= MAX_IMAGE_BYTES ? found : undefined;
        const text = caption === undefined ? undefined : value[caption];
        yield toSample(String(value.key ?? rowStart + row), parts, {
          image: body && new Uint8Array(body),
          large: found instanceof Uint8Array,
          caption: typeof text === 'string' ? text : undefined,
          metadata: parts.metadata ? metadataOf(value, others) : undefined,
        });
      }
      read((bytes * (rowStart + rows)) / Math.max(1, info.rows));
    }
  } finally {
    await source.close();
  }
}

function metadataOf(row: Readonly<Record<string, unknown>>, columns: readonly Column[]): string {
  const entries = columns.map(({ name }) => [name, row[name]] as const);
  return JSON.stringify(Object.fromEntries(entries), (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  );
}
