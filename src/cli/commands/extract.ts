import type { Command } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { formatLedgers } from '../ledgers.ts';
import { type RunFlags, runWithProgress, withInputs, withWorkers } from '../run-options.ts';

export function extractCommand(context: CommandContext): Command {
  const command = newCommand(
    'extract',
    'Read image URLs with their texts out of WAT files, into DIR/pairs.',
    [
      'gleaner extract --wat crawl/*.warc.wat.gz --out pairs',
      'gleaner extract --crawl CC-MAIN-2025-30 --wats 0:100 --out pairs',
      'gleaner extract --crawl CC-MAIN-2025-30 --sample 100 --seed 7 --out pairs',
      'gleaner extract --recipe everything --wat page.warc.wat.gz --out pairs --json',
    ],
  );
  return withWorkers(withInputs(command)).action(async (flags: RunFlags) => {
    await runWithProgress(flags, 'extract', context);
    const [{ runLedgers }, { openStorage }] = await Promise.all([
      import('../../pipeline/index.ts'),
      import('../../storage/index.ts'),
    ]);
    const { record, link, pair } = await runLedgers(openStorage(flags.out));
    context.print(flags.json ? asJson({ record, link, pair }) : formatLedgers({ record, link, pair }));
  });
}
