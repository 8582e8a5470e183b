import type { Command } from 'commander';
import type { Report } from '../../pipeline/index.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { printable } from '../terminal.ts';

interface ReportsFlags {
  readonly dismiss?: readonly string[];
  readonly json?: true;
}

/** `gleaner reports`: what visitors of a service have asked to have taken down. */
export function reportsCommand(context: CommandContext): Command {
  return newCommand(
    'reports',
    `List the reports of visitors of 'gleaner serve' that are open.

'gleaner remove DIR --reports ID...' takes down what they name, and closes them; --dismiss closes them and leaves all as it
is. Of a report that is closed its name and two times are kept, nothing of what it said or who sent it.`,
    ['gleaner reports out', 'gleaner reports out --json', 'gleaner reports out --dismiss r-5f0c9e6a1b2d3c4e'],
  )
    .argument('<dir>', 'folder of a run that is or was served')
    .option('--dismiss <id...>', 'close these reports, and leave what they name where it is')
    .option('--json', 'print them as JSON')
    .action(async (dir: string, flags: ReportsFlags) => {
      const { closeReports, findReports, readReports } = await import('../../pipeline/index.ts');
      if (flags.dismiss) {
        const names = (await findReports(dir, flags.dismiss)).map(({ report }) => report);
        const dismissed = await closeReports(dir, names, 'dismissed', new Date());
        context.print(flags.json ? asJson({ dismissed }) : `${reports(dismissed.length)} dismissed\n`);
        return;
      }
      const { open, closed, unreadable } = await readReports(dir);
      for (const line of unreadable)
        process.stderr.write(`gleaner: line ${line} of the reports is damaged, and passed over.\n`);
      if (flags.json) context.print(asJson({ open, closed }));
      else context.print(open.length === 0 ? 'No open reports.\n' : open.map(describe).join('\n'));
    });
}

/** What strangers wrote: nothing of it may act on a terminal. */
function describe({ report, at, reason, row, uid, url, message, contact }: Report): string {
  const lines = [
    `${report}  ${at}  ${reason}`,
    `  row ${row}, uid ${uid}`,
    `  ${printable(url)}`,
    ...(message === '' ? [] : [`  ${printable(message)}`]),
    ...(contact === '' ? [] : [`  from ${printable(contact)}`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

function reports(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'report' : 'reports'}`;
}
