import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import { GleanerError } from '../../schema/index.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import type { SampleOptions } from '../../stages/review/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { openBrowser } from '../open-browser.ts';
import { naturalNumber, portNumber, wholeNumber } from '../run-options.ts';

interface ReviewFlags {
  readonly port?: number;
  readonly host?: string;
  readonly perBand?: number;
  readonly perFlagged?: number;
  readonly bandWidth?: number;
  readonly seed?: number;
  readonly reviewer?: string;
  readonly report?: true;
  readonly open: boolean;
  readonly json?: true;
}

export function reviewCommand(context: CommandContext): Command {
  return newCommand(
    'review',
    'Judge random pairs of a release by hand, and say how right its threshold is.',
    [
      'gleaner review out                                   # opens a page; goes on where it was left',
      'gleaner review out --reviewer anna --per-band 50',
      'gleaner review out --report                          # what the judgements say; also review/report.json',
    ],
  )
    .argument('<dir>', 'folder of a finished run')
    .option('--port <port>', 'port to listen at (default: any that is free)', portNumber)
    .option('--host <address>', 'address to listen at (default: 127.0.0.1, nobody but this machine)')
    .option('--per-band <n>', 'pairs of each band of similarity (default: 30)', wholeNumber)
    .option(
      '--per-flagged <n>',
      'pairs of each band and each of UNSURE, NSFW and sets of tags (default: 8)',
      wholeNumber,
    )
    .option(
      '--band-width <cosine>',
      'width of a band, a multiple of 0.01 (default: 0.02, or wider where that makes more than 12)',
      bandWidth,
    )
    .option('--seed <n>', 'what the sample is drawn by (default: 0)', naturalNumber)
    .option('--reviewer <name>', "whose judgements these are (default: 'reviewer')", reviewerName)
    .option('--report', 'print what was judged so far; of --reviewer alone, or of all together')
    .option('--no-open', 'do not open the page in a browser')
    .option('--json', 'print where it listens, or the report, as JSON')
    .action(async (dir: string, flags: ReviewFlags) => {
      const { reviewRun, reportReview } = await import('../../service/review/index.ts');
      const sample = sampleOf(flags);
      const reviewer = flags.reviewer === undefined ? {} : { reviewer: flags.reviewer };
      if (flags.report) {
        for (const option of ['port', 'host'] as const)
          if (flags[option] !== undefined)
            throw new GleanerError('USAGE', { problem: `--${option}: --report listens nowhere.` });
        const report = await reportReview(dir, { sample, ...reviewer, signal: context.signal });
        const { formatReview } = await import('../review-report.ts');
        context.print(flags.json ? asJson(report) : formatReview(report));
        return;
      }
      const service = await reviewRun(dir, {
        ...{ sample, ...reviewer, port: flags.port ?? 0, signal: context.signal },
        ...(flags.host !== undefined && { host: flags.host }),
      });
      const { url, pairs, judged, foreign } = service;
      if (foreign > 0)
        process.stderr.write(
          `gleaner: ${formatCount(foreign)} judgements of a release by another recipe or model are kept and not counted.\n`,
        );
      context.print(
        flags.json
          ? asJson({ url, pairs, judged })
          : `${formatCount(pairs)} pairs to judge at ${url}, ${formatCount(judged)} of them judged (Ctrl-C ends it; all is saved at once)\n`,
      );
      if (flags.open && !flags.json && process.stdout.isTTY) openBrowser(url);
      if (!context.signal.aborted) await once(context.signal, 'abort');
      await service.close();
    });
}

function sampleOf({ seed, perBand, perFlagged, bandWidth: width }: ReviewFlags): Partial<SampleOptions> {
  return {
    ...(seed !== undefined && { seed }),
    ...(perBand !== undefined && { perBand }),
    ...(perFlagged !== undefined && { perFlagged }),
    ...(width !== undefined && { bandWidth: width }),
  };
}

function bandWidth(value: string): number {
  const hundredths = Number(value) * 100;
  const whole = Math.round(hundredths);
  if (value.trim() === '' || Math.abs(hundredths - whole) > 1e-6 || whole < 1 || whole > 100)
    throw new InvalidArgumentError('Give a multiple of 0.01 up to 1.');
  return whole / 100;
}

/** Longest name that fits a line. */
const MAX_NAME = 64;

function reviewerName(value: string): string {
  if (value.trim() === '' || value.length > MAX_NAME || /[\p{Cc}\p{Cf}]/u.test(value))
    throw new InvalidArgumentError(`Give a name of at most ${MAX_NAME} printable characters.`);
  return value.trim();
}
