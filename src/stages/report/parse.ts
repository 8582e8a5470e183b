import { z } from 'zod';
import { recipeSchema } from '../../config/index.ts';
import { FUNNEL_STEPS, GleanerError, REASON_NAMES } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';
import { subsetStepSchema } from '../subset/step.ts';
import type { Statistics } from './statistics.ts';

const count = z.int().min(0);
const share = z.number().min(0).max(1);
const step = z.enum(FUNNEL_STEPS);
const reason = z.enum(REASON_NAMES);
const ledger = z.object({ in: count, out: count, dropped: z.partialRecord(reason, count) });
const quantiles = z.object({
  p1: z.number(),
  p5: z.number(),
  p25: z.number(),
  p50: z.number(),
  p75: z.number(),
  p95: z.number(),
  p99: z.number(),
});
const distribution = z.object({
  n: count,
  min: z.number().nullable(),
  max: z.number().nullable(),
  mean: z.number().nullable(),
  quantiles: quantiles.nullable(),
  quintiles: z.array(z.number()).nullable(),
  edges: z.array(z.number()),
  counts: z.array(count),
  below: count,
  above: count,
});
const tally = z.object({
  total: count,
  distinct: count.nullable(),
  top: z.array(z.object({ value: z.string(), count, share })),
});

const counts = z.array(count);
const judged = z.array(count.nullable());
const sweep = z.object({
  own: z.number().nullable(),
  scored: count,
  thresholds: z.array(z.number()),
  passed: counts,
  released: judged,
  languages: z.array(z.object({ value: z.string(), passed: counts })),
  nsfw: z.array(z.object({ value: z.string(), released: judged })),
});

const schema: z.ZodType<Statistics> = z.object({
  version: z.literal(1),
  gleaner: z.string(),
  recipe: recipeSchema,
  recipeHash: z.string(),
  model: z.object({
    name: z.string(),
    dimension: z.int().positive(),
    files: z.record(z.string(), z.string()),
  }),
  subset: z.array(subsetStepSchema).exactOptional(),
  rows: count,
  // Releases of before pairs could be taken down do not say.
  removed: count.default(0),
  parts: count,
  ledgers: z.object({
    record: ledger,
    link: ledger,
    pair: ledger,
    unique: ledger,
    fetched: ledger,
    image: ledger,
    matched: ledger,
    safe: ledger,
    distinct: ledger.optional(),
    selected: ledger.optional(),
  }),
  funnel: z.array(
    z.object({
      name: step,
      title: z.string(),
      in: count,
      out: count,
      shareOfPrevious: share,
      shareOfFirst: share.nullable(),
      dropped: z.array(z.object({ reason, title: z.string(), count, share })),
    }),
  ),
  sizes: z.array(
    z.object({ title: z.string(), minSide: count, sides: z.enum(['either', 'both']), count, share }),
  ),
  distributions: z.object({
    similarity: distribution,
    similarityDropped: distribution,
    width: distribution,
    height: distribution,
    aspect: distribution,
    textLength: distribution,
  }),
  sweep,
  languages: tally,
  licenses: tally,
  hosts: tally,
  nsfw: tally,
  formats: tally,
  fetchFailures: tally,
});

/** Where a release keeps its statistics. */
export const STATISTICS_FILE = 'release/stats.json';

/**
 * Reads the statistics of a finished run.
 * @throws GleanerError RUN_NOT_FOUND where there is no release; DAMAGED
 */
export async function readStatistics(storage: Storage): Promise<Statistics> {
  if ((await storage.size(STATISTICS_FILE)) === undefined)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'release',
      hint: "Finish one with 'gleaner run'.",
    });
  const text = new TextDecoder().decode(await storage.read(STATISTICS_FILE));
  return parseStatistics(text, `${storage.location}/${STATISTICS_FILE}`);
}

/**
 * Reads the text of a stats.json.
 * @param path for messages
 * @throws GleanerError DAMAGED where it is not one of this version
 */
export function parseStatistics(text: string, path: string): Statistics {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GleanerError('DAMAGED', { path, problem: 'is not JSON.' }, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join('.') || 'file';
  throw new GleanerError('DAMAGED', {
    path,
    problem: `is not a stats.json of this version (${where}: ${issue?.message ?? 'not valid'}).`,
  });
}
