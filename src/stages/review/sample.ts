import { createHash, hash } from 'node:crypto';
import { canonicalJson } from '../../config/index.ts';
import { type Column, type RowOf, readParquetRows } from '../../formats/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { type Storage, streamSource } from '../../storage/index.ts';
import type { Statistics } from '../report/statistics.ts';
import { type Band, bandOf, cutBands } from './bands.ts';

const COLUMNS = [
  { name: 'SAMPLE_ID', type: 'int64' },
  { name: 'URL', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'NSFW', type: 'string' },
  { name: 'similarity', type: 'double' },
  { name: 'page_url', type: 'string' },
  { name: 'uid', type: 'string' },
  { name: 'key', type: 'string' },
  { name: 'tags', type: 'string' },
] as const satisfies readonly Column[];

/** The class of pairs that nothing is suspected of. */
export const SAFE_CLASS = 'UNLIKELY';
/** Different sets of tags that are told apart in one class; the pairs of all others are one group. */
const MAX_TAG_SETS = 8;

/** What a sample is drawn by. */
export interface SampleOptions {
  /** Another seed, another sample; a larger sample of one seed holds the smaller. */
  readonly seed: number;
  /** Pairs of each band that no tag warns of. */
  readonly perBand: number;
  /** Pairs of each band and of each other class or set of tags. */
  readonly perFlagged: number;
  /** Width of a band; null where it is chosen by `cutBands`. */
  readonly bandWidth: number | null;
}

/** A stratum: pairs of one band, one NSFW class and one set of tags. Each pair of the release is in one cell. */
export interface Cell {
  /** Index of the band. */
  readonly band: number;
  readonly nsfw: string;
  /** Sorted; null where the release has too many sets of tags to tell this one apart. */
  readonly tags: readonly string[] | null;
  /** In the release: what the cell weighs. */
  readonly pairs: number;
}

export interface ReviewSample {
  readonly uid: string;
  readonly sampleId: number;
  readonly url: string;
  readonly text: string;
  readonly pageUrl: string;
  readonly similarity: number;
  readonly key: string;
  readonly part: number;
  /** Index of the cell that it was drawn from. */
  readonly cell: number;
}

/** Pairs to judge, and what each stands for. */
export interface Sampling {
  /** SHA-256 of stats.json: the release that it was drawn from. */
  readonly drawnFrom: string;
  readonly options: SampleOptions;
  readonly bands: readonly Band[];
  readonly cells: readonly Cell[];
  /** In the order in which they are to be judged. */
  readonly samples: readonly ReviewSample[];
}

/** Names what judgements are about: recipe and model. A release that lost some pairs since keeps its judgements. */
export function reviewFingerprint({ recipeHash, model }: Statistics): string {
  const identity = canonicalJson({ recipeHash, model: model.files });
  return createHash('sha256').update(identity).digest('hex').slice(0, 32);
}

interface Drawn {
  readonly rank: string;
  readonly row: RowOf<typeof COLUMNS>;
  readonly part: number;
}
interface OpenCell extends Cell {
  pairs: number;
  readonly limit: number;
  /** Smallest ranks first. */
  readonly drawn: Drawn[];
}

/**
 * Draws a stratified random sample: from each cell the pairs with the smallest hashes of seed and uid. Of `n` pairs each cell
 * then gives its first before any gives its second, so that whoever stops early has judged them all alike. One reading of the
 * metadata; memory holds the sample alone.
 *
 * @param drawnFrom SHA-256 of stats.json
 * @throws GleanerError DAMAGED where metadata and stats.json do not agree
 */
export async function drawSample(
  storage: Storage,
  stats: Statistics,
  drawnFrom: string,
  options: SampleOptions,
  signal?: AbortSignal,
): Promise<Sampling> {
  const bands = cutBands(stats.distributions.similarity, options.bandWidth ?? undefined);
  const cells = new CellTable(bands, options);
  let rows = 0;
  const files = (await storage.list('release/metadata')).filter((path) => path.endsWith('.parquet'));
  for (const [part, path] of files.entries())
    for await (const row of streamSource(storage, path, (source) =>
      readParquetRows(source, COLUMNS, { name: path }),
    )) {
      if (rows++ % 4096 === 0) signal?.throwIfAborted();
      cells.add(row, part);
    }
  if (rows !== stats.rows) {
    const problem = `has ${rows} rows, but stats.json says ${stats.rows}.`;
    throw new GleanerError('DAMAGED', { path: 'release/metadata', problem });
  }
  return { drawnFrom, options, bands, ...cells.finish() };
}

class CellTable {
  readonly #bands: readonly Band[];
  readonly #options: SampleOptions;
  readonly #cells = new Map<string, OpenCell>();
  /** By class. */
  readonly #tagSets = new Map<string, Map<string, readonly string[]>>();

  constructor(bands: readonly Band[], options: SampleOptions) {
    this.#bands = bands;
    this.#options = options;
  }

  add(row: RowOf<typeof COLUMNS>, part: number): void {
    const cell = this.#cellOf(row);
    cell.pairs++;
    const rank = hash('sha256', `${this.#options.seed}:${row.uid}`, 'hex');
    const last = cell.drawn.at(-1);
    if (cell.drawn.length >= cell.limit && last && last.rank <= rank) return;
    const at = cell.drawn.findIndex((drawn) => rank < drawn.rank);
    cell.drawn.splice(at < 0 ? cell.drawn.length : at, 0, { rank, row, part });
    if (cell.drawn.length > cell.limit) cell.drawn.pop();
  }

  /** Cells by band, then by class and tags; samples in the order of judging. */
  finish(): { readonly cells: readonly Cell[]; readonly samples: readonly ReviewSample[] } {
    const name = ({ nsfw, tags }: Cell) => `${nsfw} ${tags?.join(' ') ?? '~'}`;
    const open = [...this.#cells.values()].sort(
      (a, b) => a.band - b.band || (name(a) < name(b) ? -1 : Number(name(a) > name(b))),
    );
    const placed = open.flatMap(({ drawn }, cell) =>
      drawn.map((one, i) => ({ ...one, cell, turn: (i + 0.5) / drawn.length })),
    );
    placed.sort((a, b) => a.turn - b.turn || (a.rank < b.rank ? -1 : 1));
    return {
      cells: open.map(({ band, nsfw, tags, pairs }) => ({ band, nsfw, tags, pairs })),
      samples: placed.map(({ row, part, cell }) => ({
        uid: row.uid,
        sampleId: Number(row.SAMPLE_ID),
        url: row.URL,
        text: row.TEXT,
        pageUrl: row.page_url,
        similarity: row.similarity,
        key: row.key,
        part,
        cell,
      })),
    };
  }

  #cellOf({ NSFW: nsfw, tags: text, similarity }: RowOf<typeof COLUMNS>): OpenCell {
    const band = bandOf(this.#bands, similarity);
    const tags = this.#tagsOf(nsfw, text);
    const name = JSON.stringify([band, nsfw, tags]);
    const known = this.#cells.get(name);
    if (known) return known;
    const isFlagged = nsfw !== SAFE_CLASS || tags === null || tags.length > 0;
    const limit = isFlagged ? this.#options.perFlagged : this.#options.perBand;
    const cell = { band, nsfw, tags, pairs: 0, limit, drawn: [] };
    this.#cells.set(name, cell);
    return cell;
  }

  #tagsOf(nsfw: string, text: string): readonly string[] | null {
    if (text === '') return [];
    const sets = this.#tagSets.get(nsfw) ?? new Map<string, readonly string[]>();
    this.#tagSets.set(nsfw, sets);
    const known = sets.get(text);
    if (known) return known;
    if (sets.size >= MAX_TAG_SETS) return null;
    const tags = [...new Set(text.split(' ').filter((tag) => tag !== ''))].sort();
    sets.set(text, tags);
    return tags;
  }
}
