import type { Command } from 'commander';
import { GleanerError } from '../../schema/index.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { formatBytes } from '../terminal.ts';

export function verifyCommand(context: CommandContext): Command {
  return newCommand('verify', 'Check a run: every checksum, and that no pair was lost or made up.', [
    'gleaner verify out',
  ])
    .argument('<dir>', 'folder of a run')
    .option('--json', 'print what was found as JSON')
    .action(async (dir: string, flags: { json?: true }) => {
      const [{ verifyRun }, { openStorage }] = await Promise.all([
        import('../../pipeline/index.ts'),
        import('../../storage/index.ts'),
      ]);
      const found = await verifyRun(openStorage(dir), () => context.signal.throwIfAborted());
      if (flags.json) context.print(asJson(found));
      else {
        for (const problem of found.problems) context.print(`${problem}\n`);
        context.print(
          `${formatCount(found.tasks)} tasks, ${formatCount(found.files)} files, ${formatBytes(found.bytes)}, ` +
            `${formatCount(found.rows)} rows${found.removed > 0 ? ` (${formatCount(found.removed)} taken down)` : ''}: ${found.problems.length === 0 ? 'all is well' : 'damaged'}\n`,
        );
      }
      const n = found.problems.length;
      if (n > 0)
        throw new GleanerError('DAMAGED', { path: dir, problem: `${n} problem${n > 1 ? 's' : ''} found.` });
    });
}
