import type { Command } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { ProgressLines, withProgress } from '../progress.ts';

export function indexCommand(context: CommandContext): Command {
  return newCommand('index', 'Build the search index of a release, in DIR/index.', ['gleaner index out'])
    .argument('<dir>', 'folder of a finished run')
    .option('--no-map', 'leave out the map of the pictures')
    .option('--json', 'print the result as JSON')
    .action(async (dir: string, flags: { json?: true; map: boolean }) => {
      const { indexRun } = await import('../../executors/index.ts');
      await withProgress(new ProgressLines(), { name: 'index', unit: 'rows' }, (progress) =>
        indexRun(dir, { signal: context.signal, map: flags.map, onProgress: progress }),
      );
      context.print(flags.json ? asJson({ index: `${dir}/index` }) : `Indexed to ${dir}/index\n`);
    });
}
