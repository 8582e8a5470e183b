import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { IndexPlan } from '../../executors/index.ts';
import type { AddedRelease } from '../../stages/index-add.ts';
import type { IndexCertificate } from '../../stages/index-certificate.ts';
import { formatCount, formatShare } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { ProgressLines, withProgress } from '../progress.ts';
import { wholeNumber } from '../run-options.ts';

interface IndexFlags {
  readonly targetRecall: number;
  readonly memory?: number;
  readonly map: boolean;
  readonly add?: string;
  readonly json?: true;
}

const MEGABYTE = 1e6;

export function indexCommand(context: CommandContext): Command {
  return newCommand('index', 'Build the search index of a release, in DIR/index.', [
    'gleaner index out',
    'gleaner index out --target-recall 0.99',
    'gleaner index out --add later',
  ])
    .argument('<dir>', 'folder of a finished run')
    .option(
      '--target-recall <share>',
      'share of the ten true neighbours that searches are to find, by text and by image: more is slower',
      recallShare,
      0.95,
    )
    .option(
      '--memory <megabytes>',
      'what making each of the two indices may hold; fewer rows are trained on where it is less (default: 512)',
      wholeNumber,
    )
    .option('--no-map', 'leave out the map of the pictures')
    .addOption(
      new Option(
        '--add <dir2>',
        "add the release of this run to the index of <dir> instead, which is not built again; pairs that it has are left out. Pictures stay in <dir2>. 'gleaner index <dir>' alone builds the index without it",
      ).conflicts(['targetRecall', 'memory', 'map']),
    )
    .option('--json', 'print the result as JSON')
    .action(async (dir: string, flags: IndexFlags) => {
      if (flags.add !== undefined) return addRelease(context, dir, flags.add, flags);
      const { indexRun } = await import('../../executors/index.ts');
      const { targetRecall, memory, map } = flags;
      let certificate: IndexCertificate | undefined;
      await withProgress(new ProgressLines(), { name: 'index', unit: 'rows' }, (progress) =>
        indexRun(dir, {
          ...{ signal: context.signal, map, targetRecall, onProgress: progress },
          ...(memory !== undefined && { memoryBytes: memory * MEGABYTE }),
          onPlan: (plan) => process.stderr.write(`gleaner: ${describePlan(plan)}\n`),
          onLeftOut: (sources) => {
            for (const { path } of sources) process.stderr.write(`gleaner: ${describeLeftOut(dir, path)}\n`);
          },
          onCertificate: (made) => {
            certificate = made;
          },
        }),
      );
      context.print(
        flags.json
          ? asJson({ index: `${dir}/index`, ...(certificate && { recall: certificate }) })
          : `Indexed to ${dir}/index\n${certificate ? describeCertificate(certificate) : ''}`,
      );
    });
}

async function addRelease(
  context: CommandContext,
  dir: string,
  from: string,
  { json }: IndexFlags,
): Promise<void> {
  const { addToIndex } = await import('../../executors/index.ts');
  const { signal } = context;
  const result = await withProgress(new ProgressLines(), { name: 'index', unit: 'rows' }, (onProgress) =>
    addToIndex(dir, from, { signal, onProgress }),
  );
  context.print(json ? asJson({ index: `${dir}/index`, ...result }) : describeAdded(dir, from, result));
}

function describeAdded(dir: string, from: string, { added, known, removed, before }: AddedRelease): string {
  if (before) return `The release of ${from} is in ${dir}/index already: nothing was added\n`;
  const had = known === 0 ? '' : `, ${formatCount(known)} that it had left out`;
  const were = removed === 1 ? 'was' : 'were';
  const gone = removed === 0 ? '' : `, ${formatCount(removed)} that ${were} taken down left out`;
  return `Added ${formatCount(added)} rows of ${from} to ${dir}/index${had}${gone}\n`;
}

function describeLeftOut(dir: string, path: string): string {
  const from = join(dir, path);
  return `the release of ${from} had been added to the index and is not in the new one. Add it with: gleaner index ${dir} --add ${from}`;
}

function recallShare(text: string): number {
  const share = Number(text);
  if (text.trim() !== '' && share > 0 && share < 1) return share;
  throw new InvalidArgumentError('Give a share between 0 and 1, as 0.95.');
}

function describePlan({ rows, dimension, memoryBytes, diskBytes }: IndexPlan): string {
  const megabytes = (bytes: number) => `${formatCount(Math.ceil(bytes / MEGABYTE))} MB`;
  return `index of ${formatCount(rows)} rows of ${dimension} numbers: takes some ${megabytes(memoryBytes)} of memory while it is made, and ${megabytes(diskBytes)} of disk`;
}

/** Two lines: what searches of pictures find. All of it is in recall.json. */
function describeCertificate({ image, reached, targetRecall, rows }: IndexCertificate): string {
  if (rows === 0) return '';
  const { text: byText, image: byImage } = image.queries;
  const found = `Of the ten nearest pictures a search by text finds ${formatShare(byText.recall[10])}, one by a picture ${formatShare(byImage.recall[10])}`;
  const short = reached ? '' : `; ${formatShare(targetRecall)} was asked for and is out of reach`;
  return `${found}${short} (DIR/index/recall.json)\n`;
}
