import type { Command } from 'commander';
import type { LocalRemoval } from '../../executors/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { ProgressLines, stageStep } from '../progress.ts';
import { wholeNumber } from '../run-options.ts';

const KINDS = ['url', 'domain', 'sha256', 'uid'] as const;

interface RemoveFlags extends Partial<Record<(typeof KINDS)[number], readonly string[]>> {
  readonly list?: readonly string[];
  readonly reports?: readonly string[];
  readonly reason?: string;
  readonly dryRun?: true;
  readonly workers?: number;
  readonly json?: true;
}

/** uids that are printed; --json has all of them. */
const SHOWN = 20;

/** `gleaner remove`: takedown. */
export function removeCommand(context: CommandContext): Command {
  return newCommand(
    'remove',
    `Take pairs down: out of metadata, tars, embeddings, index, search and all that the run works with.

What stays is a tombstone in DIR/removed.jsonl: hashes, the reason and the time, no URL, no text, no picture. By it no later
start of the run, and no other run with --seen DIR or --tombstones DIR, brings a pair back. The others keep their order and
their SAMPLE_IDs. A service that runs shows none of them any more within a second. Stopped at any moment, the same command,
or 'gleaner remove DIR' alone, ends it.`,
    [
      'gleaner remove out --url https://example.org/me.jpg --reason "asked for by mail, 12 May"',
      'gleaner remove out --domain example.org --reason "owner of the site" --dry-run',
      'gleaner remove out --list asked.csv --reason "letters of this week"',
      'gleaner remove out --reports r-5f0c9e6a1b2d3c4e',
    ],
  )
    .argument('<dir>', 'folder of a run')
    .option('--url <url...>', 'of images, or of their pages')
    .option('--domain <domain...>', 'all images and pages of these hosts and those below them')
    .option('--sha256 <hash...>', "of images' bytes, as the column sha256 of the metadata has it")
    .option('--uid <uid...>', 'single pairs: a picture with one text')
    .option(
      '--list <file...>',
      'a file with any of these, one a line, or as JSON lines; or a .csv, .tsv or .parquet with columns of these names',
    )
    .option(
      '--reports <id|reason...>',
      "what these open reports of 'gleaner reports' name: the picture wherever it is, by URL and by bytes; closes them",
    )
    .option('--reason <text>', 'why: it is kept, and told by explain (default for --reports: what they say)')
    .option('--dry-run', 'only say what would go')
    .option('--workers <n>', 'threads (default: the number of cores)', wholeNumber)
    .option('--json', 'print what was removed as JSON')
    .action(async (dir: string, flags: RemoveFlags) => {
      const [
        { closeReports, findReports, readTakedownList, takedownName, takedownsOfReport },
        { removeLocally },
      ] = await Promise.all([import('../../pipeline/index.ts'), import('../../executors/remove.ts')]);
      const takedowns = KINDS.flatMap((kind) => (flags[kind] ?? []).map((text) => takedownName(kind, text)));
      for (const path of flags.list ?? []) takedowns.push(...(await readTakedownList(path)));
      const reports = await findReports(dir, flags.reports ?? []);
      takedowns.push(...reports.flatMap(takedownsOfReport));
      const said = [...new Set(reports.map(({ reason }) => reason))].sort();
      const {
        reason = said.length > 0 ? `reported: ${said.join(', ')}` : '',
        dryRun = false,
        workers,
      } = flags;
      if (takedowns.length > 0 && reason.trim() === '')
        throw new GleanerError('USAGE', { problem: "give '--reason <text>': it is what explain tells." });
      const lines = new ProgressLines();
      try {
        const removal = await removeLocally({
          ...{ dir, takedowns, reason, dryRun, signal: context.signal },
          ...(workers !== undefined && { workers }),
          onProgress: (progress) => lines.update(stageStep(progress)),
        });
        lines.end();
        if (!dryRun)
          await closeReports(
            dir,
            reports.map(({ report }) => report),
            'removed',
            new Date(),
          );
        context.print(flags.json ? asJson({ ...removal, dryRun }) : describe(removal, dryRun));
      } finally {
        lines.end();
      }
    });
}

/** Counts and uids: a line of output may end in a log that stays. */
function describe({ takedowns, pairs, kept, hidden }: LocalRemoval, dryRun: boolean): string {
  if (takedowns.length === 0) return 'Nothing that was not taken down before.\n';
  const would = dryRun ? 'would be ' : '';
  const uids = pairs.slice(0, SHOWN).map(({ uid }) => `  ${uid}\n`);
  const more = pairs.length - uids.length;
  return [
    `${formatCount(pairs.length)} ${pairs.length === 1 ? 'pair' : 'pairs'} ${would}taken down, `,
    `${formatCount(kept)} of the release, by ${formatCount(takedowns.length)} `,
    `${takedowns.length === 1 ? 'entry' : 'entries'}\n`,
    ...uids,
    ...(more > 0 ? [`  and ${formatCount(more)} more (--json names all)\n`] : []),
    ...hidden.map(({ path, rows }) => describeHidden(path, rows)),
  ].join('');
}

function describeHidden(path: string, rows: number): string {
  const [was, found, it] =
    rows === 1
      ? ['row that was', 'is found no more. It stays', 'it is']
      : ['rows that were', 'are found no more. They stay', 'they are'];
  return `${formatCount(rows)} ${was} added to the index from ${path} ${found} in that release until ${it} taken down there: gleaner remove ${path}\n`;
}
