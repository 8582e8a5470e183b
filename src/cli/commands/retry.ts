import type { Command } from 'commander';
import { RETRYABLE_REASONS, retryableReasons } from '../../schema/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { formatLedgers } from '../ledgers.ts';
import { ProgressLines, stageStep } from '../progress.ts';
import { wholeNumber } from '../run-options.ts';

interface RetryFlags {
  readonly reason: readonly string[];
  readonly workers?: number;
  readonly json?: true;
}

/** `gleaner retry`: fetches again what a run or a download could not get. */
export function retryCommand(context: CommandContext): Command {
  return newCommand('retry', 'Fetch again what a run or a download could not get, and fold it in.', [
    'gleaner retry out --reason timeout,dns',
    'gleaner retry images --reason http_status connection',
  ])
    .argument('<dir>', "folder of a run or of a download: the --out of 'gleaner run' or 'gleaner download'")
    .requiredOption(
      '--reason <reason...>',
      `why it failed: ${RETRYABLE_REASONS.join(', ')}; several with commas or blanks between`,
    )
    .option(
      '--workers <n>',
      'processes (default: the number of cores; of a download one for four cores)',
      wholeNumber,
    )
    .option('--json', 'print the counts as JSON')
    .action(async (dir: string, { reason, workers, json }: RetryFlags) => {
      const names = reason.flatMap((given) => given.split(',')).filter((name) => name !== '');
      const options: RetryOptions = {
        dir,
        reasons: retryableReasons(names),
        signal: context.signal,
        ...(workers !== undefined && { workers }),
      };
      const lines = new ProgressLines();
      try {
        const counts = (await holdsRun(dir)) ? retryRun : retryDownload;
        const text = await counts(options, lines, json ?? false);
        lines.end();
        context.print(text);
      } finally {
        lines.end();
      }
    });
}

interface RetryOptions {
  readonly dir: string;
  readonly reasons: readonly string[];
  readonly signal: AbortSignal;
  readonly workers?: number;
}

async function holdsRun(dir: string): Promise<boolean> {
  const [{ readRunFile }, { openStorage }] = await Promise.all([
    import('../../pipeline/index.ts'),
    import('../../storage/index.ts'),
  ]);
  return (await readRunFile(openStorage(dir))) !== undefined;
}

async function retryRun(options: RetryOptions, lines: ProgressLines, json: boolean): Promise<string> {
  const { retryRunLocally } = await import('../../executors/retry.ts');
  await retryRunLocally({ ...options, onProgress: (progress) => lines.update(stageStep(progress)) });
  const { formatSummary, readStats } = await import('../stats.ts');
  const { stats } = await readStats(options.dir);
  return json ? asJson(stats) : `\n${formatSummary({ stats })}\nReleased to ${options.dir}/release\n`;
}

async function retryDownload(options: RetryOptions, lines: ProgressLines, json: boolean): Promise<string> {
  const { retryLocally } = await import('../../executors/download.ts');
  const summary = await retryLocally({
    ...options,
    onProgress: (progress) => lines.update({ name: 'retry', unit: 'URLs', ...progress }),
  });
  return json ? asJson(summary) : formatLedgers({ download: summary.ledger });
}
