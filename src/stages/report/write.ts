import type { FileInfo, Storage } from '../../storage/index.ts';
import { renderCard } from './card.ts';
import { collectStatistics } from './collect.ts';
import { renderCroissant } from './croissant.ts';
import { renderReport } from './page.ts';
import { collectSamples } from './samples.ts';
import type { ReportInput } from './statistics.ts';

/** What a report is written of: a finished release. */
export interface WriteReportInput extends ReportInput {
  /** The files of the release with their checksums, as the manifests have them; paths begin with `release/`. */
  readonly files: readonly FileInfo[];
}

/**
 * Writes stats.json, report.html, README.md and croissant.json of a release. The same release gives the same bytes.
 * @throws GleanerError as `collectStatistics` and `collectSamples`
 */
export async function writeReport(storage: Storage, input: WriteReportInput): Promise<FileInfo[]> {
  const stats = await collectStatistics(storage, input);
  const samples = await collectSamples(storage, stats);
  const contents = {
    'release/stats.json': `${JSON.stringify(stats, null, 2)}\n`,
    'release/report.html': renderReport(stats, samples),
    'release/README.md': renderCard(stats),
    'release/croissant.json': renderCroissant(stats, input.files),
  };
  const written: FileInfo[] = [];
  for (const [path, content] of Object.entries(contents)) {
    const file = await storage.put(path, content);
    if (file) written.push(file);
  }
  return written;
}
