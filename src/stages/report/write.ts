import type { FileInfo, Storage } from '../../storage/index.ts';
import { renderCard } from './card.ts';
import { collectStatistics } from './collect.ts';
import { renderCroissant } from './croissant.ts';
import { renderReport } from './page.ts';
import type { Publication } from './publication.ts';
import { collectSamples } from './samples.ts';
import type { ReportInput, Statistics } from './statistics.ts';

/** What a report is written of: a finished release. */
export interface WriteReportInput extends ReportInput {
  /** The files of the release with their checksums, as the manifests have them; paths begin with `release/`. */
  readonly files: readonly FileInfo[];
}

const CARD_FILE = 'release/README.md';
const CROISSANT_FILE = 'release/croissant.json';

/**
 * Writes README.md and croissant.json of a release anew, from its statistics as they stand.
 * @param files of the release with their checksums
 */
export async function writeCard(
  storage: Storage,
  stats: Statistics,
  files: readonly FileInfo[],
  publication: Publication,
): Promise<FileInfo[]> {
  return putAll(storage, {
    [CARD_FILE]: renderCard(stats, publication),
    [CROISSANT_FILE]: renderCroissant(stats, files, publication),
  });
}

/**
 * Writes stats.json, report.html, README.md and croissant.json of a release. The same release gives the same bytes.
 * @throws GleanerError as `collectStatistics` and `collectSamples`
 */
export async function writeReport(storage: Storage, input: WriteReportInput): Promise<FileInfo[]> {
  const stats = await collectStatistics(storage, input);
  const samples = await collectSamples(storage, stats);
  return putAll(storage, {
    'release/stats.json': `${JSON.stringify(stats, null, 2)}\n`,
    'release/report.html': renderReport(stats, samples),
    [CARD_FILE]: renderCard(stats, input.recipe.card),
    [CROISSANT_FILE]: renderCroissant(stats, input.files, input.recipe.card),
  });
}

async function putAll(storage: Storage, contents: Readonly<Record<string, string>>): Promise<FileInfo[]> {
  const written: FileInfo[] = [];
  for (const [path, content] of Object.entries(contents)) {
    const file = await storage.put(path, content);
    if (file) written.push(file);
  }
  return written;
}
