import type { Command } from 'commander';
import { dedupPairs } from '../../pipeline/index.ts';
import { fileStorage } from '../../storage/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { formatLedgers } from '../ledgers.ts';
import { ProgressLines, withProgress } from '../progress.ts';

export function dedupCommand(context: CommandContext): Command {
  return newCommand(
    'dedup',
    'Keep each pair of URL and text once: DIR/pairs of an extraction to OUT/unique.',
    ['gleaner dedup --pairs pairs --out unique'],
  )
    .requiredOption('--pairs <dir>', "folder that 'gleaner extract' wrote")
    .requiredOption('--out <dir>', 'folder to write to; may be the same')
    .option('--json', 'print the counts as JSON')
    .action(async (flags: { pairs: string; out: string; json?: true }) => {
      const unique = await withProgress(new ProgressLines(), { name: 'dedup', unit: 'pairs' }, (progress) =>
        dedupPairs(fileStorage(flags.pairs), fileStorage(flags.out), { signal: context.signal, progress }),
      );
      context.print(flags.json ? asJson({ unique }) : formatLedgers({ unique }));
    });
}
