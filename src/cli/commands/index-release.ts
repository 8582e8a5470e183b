import type { Command } from 'commander';
import { indexRun } from '../../executors/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { measured } from '../terminal.ts';

export function indexCommand(context: CommandContext): Command {
  return newCommand('index', 'Build the search index of a release, in DIR/index.', ['gleaner index out'])
    .argument('<dir>', 'folder of a finished run')
    .option('--json', 'print the result as JSON')
    .action(async (dir: string, flags: { json?: true }) => {
      await measured('index', (progress) => indexRun(dir, { signal: context.signal, onProgress: progress }));
      context.print(flags.json ? asJson({ index: `${dir}/index` }) : `Indexed to ${dir}/index\n`);
    });
}
