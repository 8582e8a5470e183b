import type { WebdatasetSample } from '../formats/index.ts';
import { GleanerError } from '../schema/index.ts';
import { KEY_DIGITS } from '../stages/released.ts';
import { SplitRows } from '../stages/split/split-rows.ts';
import { openLocation } from '../storage/index.ts';
import type { LoaderOptions } from './options.ts';
import type { ReadOptions } from './read-shard.ts';

/** The samples of one split. */
export interface SplitSamples {
  /** @throws GleanerError DAMAGED where the split is not of the release that has the sample */
  readonly takes: ReadOptions['takes'];
  /** Names split and file. */
  readonly digest: string;
}

/**
 * Reads which samples of a release are of a split.
 * @throws GleanerError FILE_NOT_FOUND, DAMAGED; SPLIT_EMPTY
 */
export async function openSplit({ file, name }: NonNullable<LoaderOptions['split']>): Promise<SplitSamples> {
  const source = await openLocation(file);
  try {
    const rows = await SplitRows.read(source, file, name);
    return {
      takes: (sample) => rows.has(idOf(sample, file), uidOf(sample)),
      digest: `${name} of ${rows.digest}`,
    };
  } finally {
    await source.close();
  }
}

/** SAMPLE_ID by the key, which is made of it. */
function idOf({ key }: WebdatasetSample, file: string): number {
  const digits = key.slice(key.lastIndexOf('/') + 1);
  if (digits.length === KEY_DIGITS && /^\d+$/.test(digits)) return Number(digits);
  throw new GleanerError('DAMAGED', {
    path: file,
    problem: `is of a release, and sample '${key.slice(0, 100)}' of none. Read the tars of that release.`,
  });
}

/** As SampleJson writes it; within a text the quotes would be escaped. Parsing the JSON of every sample would cost more than reading it. */
const UID = Buffer.from('"uid":"');

function uidOf({ files }: WebdatasetSample): string | undefined {
  const json = files.get('json')?.bytes;
  if (!json) return undefined;
  const bytes = Buffer.from(json.buffer, json.byteOffset, json.byteLength);
  const at = bytes.indexOf(UID);
  return at < 0 ? undefined : bytes.toString('latin1', at + UID.length, at + UID.length + 8);
}
