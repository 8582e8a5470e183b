import type { Command } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { type RunFlags, runWithProgress, withInputs, withModelOptions, withSeen } from '../run-options.ts';

export function runCommand(context: CommandContext): Command {
  const command = newCommand('run', 'Turn WAT files into a released dataset.', [
    'gleaner run --wat crawl/*.warc.wat.gz --contact you@example.com --out out',
    'gleaner run --crawl CC-MAIN-2025-30 --sample 100 --seed 7 --contact you@example.com --out out',
    'gleaner run --recipe everything --wat page.warc.wat.gz --images-from page.warc.gz --out out',
    'gleaner run --wat june/*.warc.wat.gz --contact you@example.com --out june --seen may --seen april.bloom',
    'gleaner run --wat crawl.warc.wat.gz --contact you@example.com --model ./clip-vit-base-patch32 --out out',
  ]);
  const scoring = withSeen(withInputs(command)).option(
    '--model <model>',
    "name as 'gleaner models' lists it, or a folder with an ONNX CLIP as the hub lays it out",
    'gleaner-mini',
  );
  return withModelOptions(scoring)
    .option(
      '--tombstones <file|dir...>',
      "bring nothing back that was taken down there: removed.jsonl of 'gleaner remove', or the run that has it",
    )
    .option(
      '--images-from <warc...>',
      'take the images from these WARC files (paths or URLs), not from the web',
    )
    .option('--allow-host <host:port...>', 'fetch from this host although its address is not public')
    .option(
      '--contact <mail|url>',
      'whom the owners of sites can write to; the open web is not crawled without',
    )
    .action(async (flags: RunFlags) => {
      await runWithProgress(flags, undefined, context);
      const { formatSummary, readStats } = await import('../stats.ts');
      const { stats } = await readStats(flags.out);
      context.print(
        flags.json ? asJson(stats) : `\n${formatSummary({ stats })}\nReleased to ${flags.out}/release\n`,
      );
    });
}
