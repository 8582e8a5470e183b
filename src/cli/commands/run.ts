import type { Command } from 'commander';
import { GleanerError } from '../../schema/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import {
  type RunFlags,
  runWithProgress,
  withHarvestOptions,
  withInputs,
  withModelOptions,
  withSeen,
  withWorkers,
} from '../run-options.ts';

export function runCommand(context: CommandContext): Command {
  const command = newCommand('run', 'Turn WAT files into a released dataset.', [
    'gleaner run --wat crawl/*.warc.wat.gz --contact you@example.com --out out',
    'gleaner run --crawl CC-MAIN-2025-30 --sample 100 --seed 7 --contact you@example.com --out out',
    'gleaner run --recipe everything --wat page.warc.wat.gz --images-from page.warc.gz --out out',
    'gleaner run --wat june/*.warc.wat.gz --contact you@example.com --out june --seen may --seen april.bloom',
    'gleaner run --wat crawl.warc.wat.gz --contact you@example.com --model ./clip-vit-base-patch32 --out out',
  ]);
  return withHarvestOptions(withModelOptions(withSeen(withWorkers(withInputs(command))))).action(
    async (flags: RunFlags) => {
      if (flags.keepFetched && !flags.fetchApart)
        throw new GleanerError('USAGE', { problem: "'--keep-fetched' goes with '--fetch-apart'." });
      await runWithProgress(flags, undefined, context);
      const { formatSummary, readStats } = await import('../stats.ts');
      const { stats } = await readStats(flags.out);
      context.print(
        flags.json ? asJson(stats) : `\n${formatSummary({ stats })}\nReleased to ${flags.out}/release\n`,
      );
    },
  );
}
