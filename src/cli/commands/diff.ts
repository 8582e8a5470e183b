import type { Command } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { ProgressLines, withProgress } from '../progress.ts';
import { naturalNumber } from '../run-options.ts';

interface DiffFlags {
  readonly limit?: number;
  readonly out?: string;
  readonly json?: true;
}

/** `gleaner diff`: what came, went and changed between two releases. */
export function diffCommand(context: CommandContext): Command {
  return newCommand('diff', 'Say what came, went and changed from one release to another, and why.', [
    'gleaner diff may june',
    'gleaner diff may june --limit 0 --out differences.parquet',
    'gleaner diff out subset --json',
  ])
    .argument('<a>', 'folder of a finished run')
    .argument('<b>', 'folder of another')
    .option('--limit <n>', 'pairs listed of each kind (default: 10)', naturalNumber)
    .option('--out <file>', 'Parquet file for every pair that differs (docs/formats.md)')
    .option('--json', 'print all that was found as JSON')
    .action(async (a: string, b: string, { json, ...flags }: DiffFlags) => {
      const { diffRuns } = await import('../../executors/diff.ts');
      const diff = await withProgress(new ProgressLines(), { name: 'diff', unit: 'pairs' }, (onProgress) =>
        diffRuns({ a, b, ...flags, signal: context.signal, onProgress }),
      );
      const { formatDiff } = await import('../diff.ts');
      context.print(json ? asJson(diff) : formatDiff(diff, { a, b }));
    });
}
