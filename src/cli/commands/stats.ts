import type { Command } from 'commander';
import { describeModel } from '../../clip/index.ts';
import { formatCount, formatFunnel, readStatistics, type Statistics } from '../../stages/report/index.ts';
import { fileStorage } from '../../storage/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';

export function statsCommand(context: CommandContext): Command {
  return newCommand('stats', 'Print the funnel of a run, with a reason for every drop.', [
    'gleaner stats out',
    'gleaner stats out --json',
  ])
    .argument('<dir>', 'folder of a finished run')
    .option('--json', 'print all statistics as JSON')
    .action(async (dir: string, flags: { json?: true }) => {
      const stats = await readStatistics(fileStorage(dir));
      context.print(flags.json ? asJson(stats) : formatStats(stats));
    });
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
