import { readWebdataset, type WebdatasetSample } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { IMAGE_EXTENSIONS } from '../stages/embed/read-samples.ts';
import { decodeText, MAX_IMAGE_BYTES } from '../stages/embed/sample.ts';
import { openLocation, streamLocation } from '../storage/index.ts';
import type { LoaderOptions } from './options.ts';
import type { Shard } from './shards.ts';
import type { Place } from './state.ts';

/** A sample as it was read: not decoded. */
export interface StoredSample {
  readonly key: string;
  readonly place: Place;
  /** In memory of its own, so that it can be handed to a thread. null: there is one, above 32 MiB; undefined: there is none. */
  readonly image: Uint8Array<ArrayBuffer> | null | undefined;
  readonly text: string | undefined;
}

/** What all shards of a dataset are read with. */
export interface ReadOptions {
  readonly shards: readonly Shard[];
  /** Whether a sample is wanted at all. */
  readonly takes: (sample: WebdatasetSample) => boolean;
  readonly textOf: NonNullable<LoaderOptions['textOf']>;
  readonly signal: AbortSignal;
}

/** Captions are no larger, in bytes: what is, is none. */
const MAX_TEXT_BYTES = 1 << 20;
/** Everything in a tar is padded to this size. POSIX.1-2017, pax. */
const BLOCK = 512;
/** Samples of the buffer that lie no farther apart are read at once, in bytes, up to so many. */
const GAP_BYTES = 256 << 10;
const STRETCH_BYTES = 8 << 20;

/** The caption where nobody says otherwise. */
export function captionOf({ files }: WebdatasetSample): string | undefined {
  const text = textIn(files, 'txt');
  if (text !== undefined) return text;
  const json = textIn(files, 'json');
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    const caption = typeof value === 'object' && value !== null && 'caption' in value && value.caption;
    return typeof caption === 'string' ? caption : undefined;
  } catch {
    return undefined;
  }
}

function textIn(files: WebdatasetSample['files'], extension: string): string | undefined {
  const bytes = files.get(extension)?.bytes;
  return bytes && bytes.length <= MAX_TEXT_BYTES ? decodeText(bytes) : undefined;
}

/** A sample that was read, or that is not wanted. */
export interface FoundSample {
  readonly place: Place;
  readonly sample: StoredSample | undefined;
}

/**
 * The samples of a shard, from a byte on at which one begins.
 * @param wants whether this share of the data has the n-th from there
 * @throws GleanerError FILE_NOT_FOUND, FILE_UNREADABLE; DAMAGED with the byte
 */
export async function* readShard(
  number: number,
  byte: number,
  options: ReadOptions,
  wants: (n: number) => boolean,
): AsyncGenerator<FoundSample, void, undefined> {
  const { signal, shards } = options;
  const path = shards[number]?.path ?? '';
  let n = 0;
  const takes = (sample: WebdatasetSample) => wants(n++) && options.takes(sample);
  yield* samplesIn(number, byte, streamLocation(path, { signal, start: byte }), { ...options, takes });
}

/**
 * Samples by their places, in any order, as those of a shuffle buffer are read again: ranges alone, neighbours at once.
 * @throws as `readShard`
 */
export async function readPlaces(
  places: readonly Place[],
  options: ReadOptions,
): Promise<readonly StoredSample[]> {
  const found = new Map<string, StoredSample>();
  const sorted = places.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
  for (let from = 0; from < sorted.length; ) {
    const [number, start] = sorted[from] ?? [0, 0];
    let to = from + 1;
    for (; to < sorted.length; to++) {
      const [shard, next, end] = sorted[to] ?? [-1, 0, 0];
      if (shard !== number || next - (sorted[to - 1]?.[2] ?? 0) > GAP_BYTES || end - start > STRETCH_BYTES)
        break;
    }
    const wanted = new Map(sorted.slice(from, to).map((place) => [place[1], place]));
    const source = await openLocation(options.shards[number]?.path ?? '', { signal: options.signal });
    try {
      const bytes = new Uint8Array(await source.slice(start, sorted[to - 1]?.[2] ?? start));
      const takes = () => true;
      for await (const { place, sample } of samplesIn(number, start, [bytes], { ...options, takes }))
        if (sample && wanted.get(place[1])?.[2] === place[2]) found.set(nameOf(place), sample);
    } finally {
      await source.close();
    }
    from = to;
  }
  return places.map((place) => {
    const sample = found.get(nameOf(place));
    if (sample) return sample;
    throw new GleanerError('DAMAGED', {
      path: options.shards[place[0]]?.path ?? '',
      problem: `no sample lies at byte ${place[1]}, where the state has one: it changed. Begin anew, without the state.`,
    });
  });
}

const nameOf = ([shard, start]: Place) => `${shard} ${start}`;

async function* samplesIn(
  number: number,
  from: number,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { shards, textOf, takes }: ReadOptions,
): AsyncGenerator<FoundSample, void, undefined> {
  const name = shards[number]?.path ?? '';
  try {
    const stream = (async function* () {
      yield* chunks;
    })();
    for await (const sample of readWebdataset(stream, { name, from, maxMemberBytes: MAX_IMAGE_BYTES })) {
      const entries = [...sample.files.values()];
      const last = entries.at(-1);
      const end = last ? last.offset + Math.ceil(last.length / BLOCK) * BLOCK : 0;
      const place: Place = [number, entries[0]?.start ?? 0, end];
      yield { place, sample: takes(sample) ? stored(sample, place, textOf) : undefined };
    }
  } catch (error) {
    if (!(error instanceof GleanerError) || error.code !== 'DAMAGED') throw error;
    const { path, problem } = error.toPlain().values;
    // What is wrong with a split is not the shard's fault.
    if (path !== name) throw error;
    throw new GleanerError(
      'DAMAGED',
      { path: name, problem: `${problem}. Get the shard again, or leave it out of what is read.` },
      { cause: error },
    );
  }
}

function stored(sample: WebdatasetSample, place: Place, textOf: ReadOptions['textOf']): StoredSample {
  const { key, files } = sample;
  const image = IMAGE_EXTENSIONS.map((one) => files.get(one)).find((entry) => entry !== undefined);
  return {
    ...{ key, place, text: textOf(sample) ?? undefined },
    image: image?.bytes ? new Uint8Array(image.bytes) : image && null,
  };
}
