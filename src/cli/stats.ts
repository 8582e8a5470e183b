import { writeFile } from 'node:fs/promises';
import { describeModel } from '../clip/index.ts';
import { runCosts } from '../pipeline/index.ts';
import {
  collectSamples,
  formatCount,
  formatFunnel,
  type PricedCosts,
  priceCosts,
  readStatistics,
  renderReport,
  type Statistics,
} from '../stages/report/index.ts';
import { openStorage } from '../storage/index.ts';
import { asJson } from './command.ts';
import { formatCosts, formatDetails, formatSweep } from './stats-text.ts';

/** What is released, and what it took here. */
export interface RunFigures {
  readonly stats: Statistics;
  readonly costs: PricedCosts;
}

/**
 * @param price of a CPU-hour; null where none was given
 * @throws GleanerError RUN_NOT_FOUND
 */
export async function readStats(dir: string, price: number | null = null): Promise<RunFigures> {
  const storage = openStorage(dir);
  const stats = await readStatistics(storage);
  return { stats, costs: priceCosts(await runCosts(storage), price, stats.rows) };
}

/** All figures of a run, for a terminal of 80 columns. */
export function formatStats({ stats, costs }: RunFigures): string {
  const time = costs.stages.length > 0 ? `\n${formatCosts(costs)}` : '';
  return `${formatSummary({ stats })}\n${formatDetails(stats)}${time}`;
}

/** The funnel of a run and what was released: what a run ends with. */
export function formatSummary({ stats }: Pick<RunFigures, 'stats'>): string {
  const funnel = formatFunnel(stats, { color: process.stdout.isTTY && !process.env.NO_COLOR });
  const nsfw = stats.nsfw.top.map(({ value, count }) => `${value} ${formatCount(count)}`).join(', ');
  const lines = [
    `${formatCount(stats.rows)} pairs released`,
    `recipe: ${stats.recipe.name}`,
    `model: ${describeModel(stats.model.name)}`,
    ...(nsfw ? [`NSFW classes: ${nsfw}`] : []),
  ];
  return `${funnel}\n${lines.join('\n')}\n`;
}

/** The content of stats.json, and beside it what the run took. */
export function statsJson({ stats, costs }: RunFigures): Statistics & { readonly costs: PricedCosts } {
  return { ...stats, costs };
}

/** What each threshold would keep. @throws GleanerError RUN_NOT_FOUND */
export async function sweepText(dir: string, json: boolean): Promise<string> {
  const { sweep } = await readStatistics(openStorage(dir));
  if (!json) return formatSweep(sweep);
  return asJson(
    sweep.thresholds.map((threshold, i) => ({
      threshold,
      own: threshold === sweep.own,
      passed: sweep.passed[i],
      share: sweep.scored === 0 ? 0 : (sweep.passed[i] ?? 0) / sweep.scored,
      released: sweep.released[i] ?? null,
      languages: Object.fromEntries(sweep.languages.map(({ value, passed }) => [value, passed[i]])),
      nsfw: Object.fromEntries(sweep.nsfw.map(({ value, released }) => [value, released[i] ?? null])),
    })),
  );
}

/** Writes the page of the release with time and cost by stage, wherever the user says. */
export async function writeCostReport(dir: string, figures: RunFigures, path: string): Promise<void> {
  const samples = await collectSamples(openStorage(dir), figures.stats);
  await writeFile(path, renderReport(figures.stats, samples, figures.costs));
}
