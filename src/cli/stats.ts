import { describeModel } from '../clip/index.ts';
import { formatCount, formatFunnel, readStatistics, type Statistics } from '../stages/report/index.ts';
import { fileStorage } from '../storage/index.ts';

/** @throws GleanerError RUN_NOT_FOUND */
export function readStats(dir: string): Promise<Statistics> {
  return readStatistics(fileStorage(dir));
}

export function formatStats(stats: Statistics): string {
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
