import type { Command } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { price } from '../run-options.ts';

interface StatsFlags {
  readonly json?: true;
  readonly sweep?: true;
  readonly html?: string;
  readonly pricePerCpuHour?: number;
}

export function statsCommand(context: CommandContext): Command {
  return newCommand('stats', 'Print the figures of a run: funnel, sizes, values, time and cost.', [
    'gleaner stats out',
    'gleaner stats out --price-per-cpu-hour 0.04',
    'gleaner stats out --sweep',
    'gleaner stats out --html costs.html',
  ])
    .argument('<dir>', 'folder of a finished run')
    .option('--sweep', 'print how many pairs each similarity threshold would keep, in steps of 0.01')
    .option(
      '--price-per-cpu-hour <price>',
      'add what each stage cost at this price, in its currency (default: no cost is told)',
      price,
    )
    .option('--html <file>', 'write report.html with time and cost by stage, which a release never holds')
    .option('--json', 'print all statistics as JSON; with --sweep, its lines')
    .action(async (dir: string, flags: StatsFlags) => {
      const { formatStats, readStats, statsJson, sweepText, writeCostReport } = await import('../stats.ts');
      if (flags.sweep) return context.print(await sweepText(dir, flags.json ?? false));
      const figures = await readStats(dir, flags.pricePerCpuHour ?? null);
      if (flags.html !== undefined) await writeCostReport(dir, figures, flags.html);
      context.print(flags.json ? asJson(statsJson(figures)) : formatStats(figures));
      if (flags.html !== undefined && !flags.json) context.print(`\nWritten to ${flags.html}\n`);
    });
}
