import type { Command } from 'commander';
import { describeModel } from '../../clip/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { formatFunnel, parseStatistics, type Statistics } from '../../stages/report/index.ts';
import { fileStorage, type Storage } from '../../storage/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { formatCount } from '../terminal.ts';

const STATS_FILE = 'release/stats.json';

export function statsCommand(context: CommandContext): Command {
  return newCommand('stats', 'Print the funnel of a run, with a reason for every drop.', [
    'gleaner stats out',
    'gleaner stats out --json',
  ])
    .argument('<dir>', 'folder of a finished run')
    .option('--json', 'print all statistics as JSON')
    .action(async (dir: string, flags: { json?: true }) => {
      const stats = await readStats(fileStorage(dir));
      context.print(flags.json ? asJson(stats) : formatStats(stats));
    });
}

/** @throws GleanerError RUN_NOT_FOUND, DAMAGED */
export async function readStats(storage: Storage): Promise<Statistics> {
  if ((await storage.size(STATS_FILE)) === undefined)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'release',
      hint: "Finish one with 'gleaner run'.",
    });
  return parseStatistics(
    new TextDecoder().decode(await storage.read(STATS_FILE)),
    `${storage.location}/${STATS_FILE}`,
  );
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
