import type { Command } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';

export function statsCommand(context: CommandContext): Command {
  return newCommand('stats', 'Print the funnel of a run, with a reason for every drop.', [
    'gleaner stats out',
    'gleaner stats out --json',
  ])
    .argument('<dir>', 'folder of a finished run')
    .option('--json', 'print all statistics as JSON')
    .action(async (dir: string, flags: { json?: true }) => {
      const { formatStats, readStats } = await import('../stats.ts');
      const stats = await readStats(dir);
      context.print(flags.json ? asJson(stats) : formatStats(stats));
    });
}
