import { createHash } from 'node:crypto';
import { z } from 'zod';
import { GleanerError } from '../../schema/index.ts';
import { parseStatistics, STATISTICS_FILE, type Statistics } from '../../stages/report/index.ts';
import {
  drawSample,
  reviewFingerprint,
  type SampleOptions,
  type Sampling,
} from '../../stages/review/index.ts';
import { fileStorage, type Storage } from '../../storage/index.ts';
import { type LocatedSample, locateImages } from './locate-images.ts';

/** What was drawn, so that a review goes on without another look at the whole release. It is drawn anew where it is gone. */
const SAMPLE_FILE = 'review/sample.json';

/** Where nothing else is asked for. */
const DEFAULT_SAMPLE: SampleOptions = { seed: 0, perBand: 30, perFlagged: 8, bandWidth: null };

const count = z.int().min(0);
const samplingSchema = z.object({
  version: z.literal(1),
  drawnFrom: z.string(),
  options: z.object({
    seed: count,
    perBand: z.int().min(1),
    perFlagged: z.int().min(1),
    bandWidth: z.number().nullable(),
  }),
  bands: z.array(z.object({ from: z.number(), to: z.number(), pairs: count })),
  cells: z.array(
    z.object({ band: count, nsfw: z.string(), tags: z.array(z.string()).nullable(), pairs: count }),
  ),
  samples: z.array(
    z.object({
      uid: z.string(),
      sampleId: count,
      url: z.string(),
      text: z.string(),
      pageUrl: z.string(),
      similarity: z.number(),
      key: z.string(),
      part: count,
      cell: count,
      offset: count,
      length: count,
    }),
  ),
});

/** A sample whose pictures were found. */
export interface LocatedSampling extends Omit<Sampling, 'samples'> {
  readonly samples: readonly LocatedSample[];
}

export interface OpenedReview {
  readonly stats: Statistics;
  /** Names what judgements are about. */
  readonly fingerprint: string;
  readonly sampling: LocatedSampling;
}

/**
 * The sample of a release: the one that was drawn before, or a new one where there is none, where the release has changed
 * since, or where another one is asked for.
 *
 * @param wanted what is not given is as it was before, or `DEFAULT_SAMPLE`
 * @throws GleanerError RUN_NOT_FOUND without a release; DAMAGED
 */
export async function openReview(
  dir: string,
  wanted: Partial<SampleOptions> = {},
  signal?: AbortSignal,
): Promise<OpenedReview> {
  const storage = fileStorage(dir);
  const { stats, drawnFrom } = await readRelease(storage);
  const fingerprint = reviewFingerprint(stats);
  const before = await readSample(storage);
  const options: SampleOptions = { ...(before?.options ?? DEFAULT_SAMPLE), ...wanted };
  if (before?.drawnFrom === drawnFrom && isSame(before.options, options))
    return { stats, fingerprint, sampling: before };
  const drawn = await drawSample(storage, stats, drawnFrom, options, signal);
  const samples = await locateImages(dir, drawn.samples, stats.parts, signal);
  const sampling = { ...drawn, samples };
  await storage.put(SAMPLE_FILE, `${JSON.stringify({ version: 1, ...sampling })}\n`);
  return { stats, fingerprint, sampling };
}

async function readRelease(storage: Storage): Promise<{ stats: Statistics; drawnFrom: string }> {
  if ((await storage.size(STATISTICS_FILE)) === undefined) {
    const hint = "Finish one with 'gleaner run'.";
    throw new GleanerError('RUN_NOT_FOUND', { path: storage.location, what: 'release', hint });
  }
  const bytes = await storage.read(STATISTICS_FILE);
  const path = `${storage.location}/${STATISTICS_FILE}`;
  const stats = parseStatistics(new TextDecoder().decode(bytes), path);
  return { stats, drawnFrom: createHash('sha256').update(bytes).digest('hex') };
}

/** Undefined where there is none that can be read: it can be drawn again. */
async function readSample(storage: Storage): Promise<LocatedSampling | undefined> {
  if ((await storage.size(SAMPLE_FILE)) === undefined) return undefined;
  try {
    const text = new TextDecoder().decode(await storage.read(SAMPLE_FILE));
    const { version: _, ...sampling } = samplingSchema.parse(JSON.parse(text));
    return sampling;
  } catch {
    return undefined;
  }
}

function isSame(one: SampleOptions, other: SampleOptions): boolean {
  return (Object.keys(one) as (keyof SampleOptions)[]).every((name) => one[name] === other[name]);
}
