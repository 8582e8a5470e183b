import type { Command } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { ProgressLines, stageStep } from '../progress.ts';
import { naturalNumber, wholeNumber } from '../run-options.ts';

interface SubsetFlags {
  readonly out: string;
  readonly where?: string;
  readonly sample?: number;
  readonly split?: string;
  readonly seed?: number;
  readonly workers?: number;
  readonly json?: true;
}

/** `gleaner subset`: a release made of some pairs of another. */
export function subsetCommand(context: CommandContext): Command {
  return newCommand(
    'subset',
    'Make a release of some pairs of another, by a condition, by lot or by split.',
    [
      'gleaner subset out --where "WIDTH >= 512 AND similarity > 0.32" --out large',
      `gleaner subset out --where "language IN ('en', 'de') AND NOT contains(lower(TEXT), 'stock photo')" --out clean`,
      'gleaner subset out --sample 7200000 --seed 1 --out dalle',
      'gleaner subset out --split train --out train',
      `gleaner subset out --where "NSFW = 'UNLIKELY'" --sample 100000 --seed 7 --out small`,
    ],
  )
    .argument('<dir>', 'folder of a finished run')
    .requiredOption('--out <dir>', 'folder of the subset')
    .option(
      '--where <condition>',
      "what would stand behind SQL's WHERE, over the columns of the metadata (docs/formats.md)",
    )
    .option('--sample <n>', 'draw as many, of those that fulfil the condition', wholeNumber)
    .option('--seed <n>', 'which ones are drawn: the same seed, the same pairs (default: 0)', naturalNumber)
    .option('--split <name>', "only pairs that 'gleaner split' has dealt to that split")
    .option('--workers <n>', 'threads (default: the number of cores)', wholeNumber)
    .option('--json', 'print all statistics as JSON')
    .action(async (dir: string, { json, ...flags }: SubsetFlags) => {
      const { subsetRun } = await import('../../executors/subset.ts');
      const lines = new ProgressLines();
      try {
        await subsetRun({
          dir,
          ...flags,
          signal: context.signal,
          onProgress: (progress) => lines.update(stageStep(progress)),
        });
      } finally {
        lines.end();
      }
      const { formatStats, readStats } = await import('../stats.ts');
      const stats = await readStats(flags.out);
      context.print(json ? asJson(stats) : `\n${formatStats(stats)}\nReleased to ${flags.out}/release\n`);
    });
}
