import { recipeHash } from '../../config/index.ts';
import { FUNNEL_STEPS, GleanerError, keptPairs, REASON_NAMES, REASONS } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';
import { columnGroups, parquetFiles } from './column-groups.ts';

import { buildFunnel } from './funnel.ts';
import { publishable } from './publishable.ts';
import { RowCounts } from './row-counts.ts';
import type { ReportInput, Statistics } from './statistics.ts';
import { SweepCounter } from './sweep.ts';
import { TrailCounts } from './trail-counts.ts';

/** Values that stats.json lists. */
const LIMITS = { languages: 200, licenses: 50, hosts: 20, nsfw: 3, formats: 10, fetchFailures: 30 } as const;

/**
 * Reads the metadata and the trail of a finished run, column by column, and counts. Memory does not grow with the
 * run: distributions are counted in fixed steps, values by `ValueCounter`.
 *
 * @throws GleanerError RUN_NOT_FOUND where there is no metadata; DAMAGED where a file is, or where ledgers, metadata
 *   and trail do not agree on a count
 */
export async function collectStatistics(storage: Storage, input: ReportInput): Promise<Statistics> {
  const funnel = buildFunnel(input.ledgers);
  const files = await parquetFiles(storage, 'release/metadata');
  if (files.length === 0)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'release',
      hint: 'Statistics are made of release/metadata.',
    });

  const sweep = new SweepCounter(input.recipe.score.minSimilarity);
  const rows = new RowCounts(sweep);
  for await (const group of columnGroups(storage, files)) await rows.add(group);
  if (rows.overflowed) {
    rows.beginRecount();
    for await (const group of columnGroups(storage, files)) await rows.recount(group);
  }
  const { removed = 0 } = input;
  const released = keptPairs(input.ledgers) - removed;
  if (rows.n !== released)
    throw disagree('release/metadata', `holds ${rows.n} rows, ${released} were kept and not taken down`);

  const trail = await countTrail(storage, input, sweep);
  return {
    version: 1,
    gleaner: input.gleaner,
    recipe: publishable(input.recipe),
    recipeHash: recipeHash(input.recipe),
    model: input.model,
    ...(input.subset && { subset: input.subset }),
    rows: rows.n,
    removed,
    parts: files.length,
    ledgers: input.ledgers,
    funnel,
    sizes: rows.sizes(),
    distributions: {
      similarity: rows.similarity.distribution(),
      similarityDropped: trail.similarity.distribution(),
      width: rows.width.distribution(),
      height: rows.height.distribution(),
      aspect: rows.aspect.distribution(),
      textLength: rows.textLength.distribution(),
    },
    sweep: sweep.sweep(),
    languages: rows.tallied.language.tally(LIMITS.languages),
    licenses: rows.tallied.LICENSE.tally(LIMITS.licenses),
    hosts: rows.host.tally(LIMITS.hosts),
    nsfw: rows.tallied.NSFW.tally(LIMITS.nsfw),
    formats: rows.tallied.format.tally(LIMITS.formats),
    fetchFailures: trail.failures.tally(LIMITS.fetchFailures),
  };
}

/** Counts the trail, and holds it against the ledgers: from texts on, every drop has its row. */
async function countTrail(storage: Storage, input: ReportInput, sweep: SweepCounter): Promise<TrailCounts> {
  const files = await parquetFiles(storage, 'release/dropped');
  const trail = new TrailCounts(sweep);
  for await (const group of columnGroups(storage, files)) await trail.add(group);
  if (trail.failures.overflowed) {
    trail.failures.beginRecount();
    for await (const group of columnGroups(storage, files)) await trail.recount(group);
  }
  for (const reason of REASON_NAMES) {
    const { step } = REASONS[reason];
    // Records and links without a text are counted, not listed.
    if (FUNNEL_STEPS.indexOf(step) < FUNNEL_STEPS.indexOf('pair')) continue;
    const ledger = input.ledgers[step]?.dropped[reason] ?? 0;
    const listed = trail.reasons.get(reason) ?? 0;
    if (ledger !== listed)
      throw disagree('release/dropped', `lists ${listed} pairs as '${reason}', the ledgers count ${ledger}`);
  }
  return trail;
}

function disagree(path: string, problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path, problem });
}
