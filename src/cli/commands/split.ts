import type { Command } from 'commander';
import type { SplitSummary } from '../../executors/split.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { ProgressLines, withProgress } from '../progress.ts';
import { naturalNumber } from '../run-options.ts';

/** A group with so much of all pairs is worth a word. */
const LARGE = 0.05;

interface SplitFlags {
  readonly shares?: string;
  readonly seed?: number;
  readonly distance?: number;
  readonly json?: true;
}

/** `gleaner split`: a release parted for training, by groups of duplicates. */
export function splitCommand(context: CommandContext): Command {
  return newCommand(
    'split',
    'Part a release for training: pairs that share a URL, bytes, a picture or a caption stay together.',
    [
      'gleaner split out',
      'gleaner split out --shares train=0.8,test=0.2 --seed 7',
      'gleaner subset out --split train --out train',
    ],
  )
    .argument('<dir>', 'folder of a finished run')
    .option(
      '--shares <list>',
      'names of the splits and their shares (default: train=0.9,validation=0.05,test=0.05)',
    )
    .option(
      '--seed <n>',
      'which group goes where: the same seed, the same splits (default: 1)',
      naturalNumber,
    )
    .option(
      '--distance <bits>',
      'bits that perceptual hashes of one picture may differ in, 0 to 11 (default: 4)',
      naturalNumber,
    )
    .option('--json', 'print what split.json says')
    .action(async (dir: string, { json, ...flags }: SplitFlags) => {
      const { splitRun } = await import('../../executors/split.ts');
      const summary = await withProgress(
        new ProgressLines(),
        { name: 'split', unit: 'pairs' },
        (onProgress) => splitRun({ dir, ...flags, signal: context.signal, onProgress }),
      );
      context.print(json ? asJson(summary) : formatSplit(summary, dir));
    });
}

function formatSplit({ rows, groups, largestGroup, splits, joined }: SplitSummary, dir: string): string {
  const width = Math.max(...Object.keys(splits).map((name) => name.length));
  const lines = Object.entries(splits).map(
    ([name, split]) =>
      `  ${name.padEnd(width)}  ${formatCount(split.rows).padStart(11)} pairs ${((100 * split.rows) / rows).toFixed(1).padStart(5)} %  ${formatCount(split.groups).padStart(11)} groups`,
  );
  const by = Object.entries(joined).map(([what, n]) => `${what} ${formatCount(n)}`);
  return [
    `${formatCount(rows)} pairs in ${formatCount(groups)} groups, the largest of ${formatCount(largestGroup)}`,
    `pairs like another by ${by.join(', ')}`,
    ...lines,
    ...(largestGroup > LARGE * rows
      ? [
          'A large group is most often of flat pictures, whose hashes are alike: a smaller --distance parts it.',
        ]
      : []),
    `Written to ${dir}/split\n`,
  ].join('\n');
}
