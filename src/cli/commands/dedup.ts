import { basename, dirname } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { formatLedgers } from '../ledgers.ts';
import { ProgressLines, withProgress } from '../progress.ts';
import { withSeen } from '../run-options.ts';

interface DedupFlags {
  readonly pairs: string;
  readonly out: string;
  readonly seen?: readonly string[];
  readonly exportBloom?: string;
  readonly bloomRate: number;
  readonly json?: true;
}

export function dedupCommand(context: CommandContext): Command {
  const command = newCommand(
    'dedup',
    'Keep each pair of URL and text once: DIR/pairs of an extraction to OUT/unique.',
    [
      'gleaner dedup --pairs pairs --out unique',
      'gleaner dedup --pairs june --out june-new --seen may-new --seen april-new',
      'gleaner dedup --pairs june --out june-new --seen may.bloom --export-bloom june.bloom',
    ],
  )
    .requiredOption('--pairs <dir>', "folder that 'gleaner extract' wrote")
    .requiredOption('--out <dir>', 'folder to write to; may be the same');
  return withSeen(command)
    .option('--export-bloom <file>', 'write a Bloom filter of what was kept, for --seen')
    .option('--bloom-rate <p>', 'its false-positive rate, between 0 and 1', rate, 0.001)
    .option('--json', 'print the counts as JSON')
    .action(async (flags: DedupFlags) => {
      const [{ dedupPairs }, { fileStorage, openStorage }] = await Promise.all([
        import('../../pipeline/index.ts'),
        import('../../storage/index.ts'),
      ]);
      const unique = await withProgress(new ProgressLines(), { name: 'dedup', unit: 'pairs' }, (progress) =>
        dedupPairs(openStorage(flags.pairs), openStorage(flags.out), {
          signal: context.signal,
          progress,
          ...(flags.seen && { seen: flags.seen }),
          ...(flags.exportBloom !== undefined && {
            bloom: {
              storage: fileStorage(dirname(flags.exportBloom)),
              path: basename(flags.exportBloom),
              falsePositiveRate: flags.bloomRate,
            },
          }),
        }),
      );
      context.print(flags.json ? asJson({ unique }) : formatLedgers({ unique }));
    });
}

function rate(value: string): number {
  const p = Number(value);
  if (!(p > 0 && p < 1)) throw new InvalidArgumentError('Give a number between 0 and 1, as 0.001.');
  return p;
}
