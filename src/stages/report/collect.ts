import { type Recipe, recipeHash } from '../../config/index.ts';
import { type Column, type RowOf, readParquetRows } from '../../formats/index.ts';
import {
  FUNNEL_STEPS,
  GleanerError,
  isReason,
  REASON_NAMES,
  REASONS,
  type Reason,
} from '../../schema/index.ts';
import { type Storage, streamSource } from '../../storage/index.ts';
import { ASPECT_SCALE, DistributionCounter, INTEGER_SCALE, SIMILARITY_SCALE } from './distribution.ts';
import { buildFunnel } from './funnel.ts';
import { countChars, shareOf } from './numbers.ts';
import type { ReportInput, SizeCount, Statistics } from './statistics.ts';
import { ValueCounter } from './tally.ts';

const ROW_COLUMNS = [
  { name: 'URL', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'HEIGHT', type: 'int32' },
  { name: 'WIDTH', type: 'int32' },
  { name: 'LICENSE', type: 'string' },
  { name: 'NSFW', type: 'string' },
  { name: 'similarity', type: 'double' },
  { name: 'language', type: 'string' },
  { name: 'format', type: 'string' },
] as const satisfies readonly Column[];
type ReleasedRow = RowOf<typeof ROW_COLUMNS>;

const TRAIL_COLUMNS = [
  { name: 'reason', type: 'string' },
  { name: 'detail', type: 'string' },
  { name: 'similarity', type: 'double', nullable: true },
] as const satisfies readonly Column[];
type TrailRow = RowOf<typeof TRAIL_COLUMNS>;

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

  const rows = new RowCounts();
  for await (const row of readAll(storage, files, ROW_COLUMNS)) rows.add(row);
  if (rows.overflowed) {
    rows.beginRecount();
    for await (const row of readAll(storage, files, ROW_COLUMNS)) rows.recount(row);
  }
  const { removed = 0 } = input;
  const released = input.ledgers.safe.out - removed;
  if (rows.n !== released)
    throw disagree('release/metadata', `holds ${rows.n} rows, ${released} were kept and not taken down`);

  const trail = await countTrail(storage, input);
  return {
    version: 1,
    gleaner: input.gleaner,
    recipe: publishable(input.recipe),
    recipeHash: recipeHash(input.recipe),
    model: input.model,
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
    languages: rows.language.tally(LIMITS.languages),
    licenses: rows.license.tally(LIMITS.licenses),
    hosts: rows.host.tally(LIMITS.hosts),
    nsfw: rows.nsfw.tally(LIMITS.nsfw),
    formats: rows.format.tally(LIMITS.formats),
    fetchFailures: trail.failures.tally(LIMITS.fetchFailures),
  };
}

/** All that is counted of the released rows. */
class RowCounts {
  n = 0;
  readonly similarity = new DistributionCounter(SIMILARITY_SCALE);
  readonly width = new DistributionCounter(INTEGER_SCALE);
  readonly height = new DistributionCounter(INTEGER_SCALE);
  readonly aspect = new DistributionCounter(ASPECT_SCALE);
  readonly textLength = new DistributionCounter(INTEGER_SCALE);
  readonly language = new ValueCounter();
  readonly license = new ValueCounter();
  readonly host = new ValueCounter();
  readonly nsfw = new ValueCounter();
  readonly format = new ValueCounter();
  /** The table of https://laion.ai/blog/laion-400-open-dataset/, largest first. */
  readonly #sizes = [1024, 512, 256].flatMap((minSide) => [
    { minSide, sides: 'either' as const, title: `height or width ≥ ${minSide}`, count: 0 },
    { minSide, sides: 'both' as const, title: `height and width ≥ ${minSide}`, count: 0 },
  ]);

  add(row: ReleasedRow): void {
    this.n++;
    this.similarity.add(clampCosine(row.similarity));
    this.width.add(row.WIDTH);
    this.height.add(row.HEIGHT);
    this.aspect.add(row.WIDTH / row.HEIGHT);
    this.textLength.add(countChars(row.TEXT));
    for (const size of this.#sizes) {
      const side = size.sides === 'both' ? Math.min(row.WIDTH, row.HEIGHT) : Math.max(row.WIDTH, row.HEIGHT);
      if (side >= size.minSide) size.count++;
    }
    for (const [counter, value] of this.#values(row)) counter.add(value);
  }

  get overflowed(): boolean {
    return this.#counters().some((counter) => counter.overflowed);
  }

  beginRecount(): void {
    for (const counter of this.#counters()) if (counter.overflowed) counter.beginRecount();
  }

  recount(row: ReleasedRow): void {
    for (const [counter, value] of this.#values(row)) if (counter.overflowed) counter.recount(value);
  }

  sizes(): readonly SizeCount[] {
    return this.#sizes.map((size) => ({ ...size, share: shareOf(size.count, this.n) }));
  }

  #counters(): readonly ValueCounter[] {
    return [this.language, this.license, this.host, this.nsfw, this.format];
  }

  #values(row: ReleasedRow): readonly (readonly [ValueCounter, string])[] {
    return [
      [this.language, row.language],
      [this.license, row.LICENSE],
      [this.host, URL.parse(row.URL)?.host ?? ''],
      [this.nsfw, row.NSFW],
      [this.format, row.format],
    ];
  }
}

/** Counts the trail, and holds it against the ledgers: from texts on, every drop has its row. */
async function countTrail(
  storage: Storage,
  input: ReportInput,
): Promise<{ readonly similarity: DistributionCounter; readonly failures: ValueCounter }> {
  const files = await parquetFiles(storage, 'release/dropped');
  const similarity = new DistributionCounter(SIMILARITY_SCALE);
  const failures = new ValueCounter();
  const counts = new Map<Reason, number>();
  for await (const row of readAll(storage, files, TRAIL_COLUMNS)) {
    if (!isReason(row.reason)) throw disagree('release/dropped', `has an unknown reason '${row.reason}'`);
    counts.set(row.reason, (counts.get(row.reason) ?? 0) + 1);
    if (row.reason === 'similarity' && row.similarity !== null) similarity.add(clampCosine(row.similarity));
    if (isFetchFailure(row)) failures.add(failureOf(row));
  }
  if (failures.overflowed) {
    failures.beginRecount();
    for await (const row of readAll(storage, files, TRAIL_COLUMNS))
      if (isFetchFailure(row)) failures.recount(failureOf(row));
  }
  for (const reason of REASON_NAMES) {
    const { step } = REASONS[reason];
    // Records and links without a text are counted, not listed.
    if (FUNNEL_STEPS.indexOf(step) < FUNNEL_STEPS.indexOf('pair')) continue;
    const ledger = input.ledgers[step].dropped[reason] ?? 0;
    const listed = counts.get(reason) ?? 0;
    if (ledger !== listed)
      throw disagree('release/dropped', `lists ${listed} pairs as '${reason}', the ledgers count ${ledger}`);
  }
  return { similarity, failures };
}

function isFetchFailure(row: TrailRow): boolean {
  return isReason(row.reason) && REASONS[row.reason].step === 'fetched';
}

function failureOf(row: TrailRow): string {
  return row.detail === '' ? row.reason : `${row.reason}: ${row.detail}`;
}

/** A cosine in float arithmetic may pass 1 by a rounding error. */
function clampCosine(similarity: number): number {
  return Math.min(1, Math.max(-1, similarity));
}

/** The recipe without what says more of a machine, or of who asked, than of the pairs: folders, contact, proxy. */
function publishable(recipe: Recipe): Recipe {
  const categories = baseName(recipe.safety.categories);
  const fetch = { ...recipe.fetch, contact: null, proxy: null };
  const knownContent = recipe.safety.knownContent.map((list) => ({ ...list, path: baseName(list.path) }));
  const classifiers = recipe.safety.classifiers.map((one) => ({ ...one, path: baseName(one.path) }));
  return { ...recipe, fetch, safety: { ...recipe.safety, categories, knownContent, classifiers } };
}

function baseName(path: string): string {
  return path.replace(/^.*[/\\]/, '');
}

/** Parquet files below a folder in the order of their names, which are padded. */
export async function parquetFiles(storage: Storage, folder: string): Promise<readonly string[]> {
  return (await storage.list(folder)).filter((path) => path.endsWith('.parquet'));
}

async function* readAll<const C extends readonly Column[]>(
  storage: Storage,
  files: readonly string[],
  columns: C,
): AsyncGenerator<RowOf<C>, void, undefined> {
  for (const path of files)
    yield* streamSource(storage, path, (source) => readParquetRows(source, columns, { name: path }));
}

function disagree(path: string, problem: string): GleanerError {
  return new GleanerError('DAMAGED', { path, problem });
}
