import type { Command } from 'commander';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { type DatabaseFlags, databaseUrl, withDatabase } from '../fleet-options.ts';
import {
  integer,
  namedRun,
  type RunFlags,
  withHarvestOptions,
  withInputs,
  withModelOptions,
  withSeen,
} from '../run-options.ts';

interface SubmitFlags extends RunFlags, DatabaseFlags {
  readonly priority?: number;
  readonly name?: string;
  readonly cancel?: true;
}

/** `gleaner submit`: a run for a fleet. */
export function submitCommand(context: CommandContext): Command {
  const command = newCommand(
    'submit',
    "Give a run to a fleet: 'gleaner worker' does it, on any number of machines.",
    [
      'gleaner submit --crawl CC-MAIN-2025-30 --contact you@example.com --out s3://bucket/run',
      'gleaner submit --wat s3://crawl/a.warc.wat.gz --images-from page.warc.gz --out /shared/run --priority 5',
      'gleaner submit --cancel --out s3://bucket/run',
    ],
  );
  const inputs = withDatabase(
    withInputs(command, 'where the run lies: s3://BUCKET/PREFIX, or a folder that all machines see'),
  );
  return withHarvestOptions(withModelOptions(withSeen(inputs)))
    .option('--name <text>', "what 'gleaner status' calls it (default: the last part of --out)")
    .option('--priority <n>', 'tasks of runs with a higher number come first (default: 0)', integer)
    .option('--cancel', 'stop the run there; submitted again, it goes on')
    .action(async (flags: SubmitFlags) => {
      const [{ Database }, { cancelRuns }, { submitRun }] = await Promise.all([
        import('../../executors/fleet/database.ts'),
        import('../../executors/fleet/run-jobs.ts'),
        import('../../executors/fleet/submit.ts'),
      ]);
      await using database = await Database.open(databaseUrl(flags), {
        supervise: false,
        signal: context.signal,
      });
      if (flags.cancel) {
        const cancelled = await cancelRuns(database, flags.out);
        context.print(flags.json ? asJson({ cancelled }) : `Cancelled ${cancelled.join(', ')}.\n`);
        return;
      }
      const submission = await submitRun(database, {
        ...namedRun(flags, context),
        ...(flags.name !== undefined && { name: flags.name }),
        ...(flags.priority !== undefined && { priority: flags.priority }),
      });
      context.print(flags.json ? asJson(submission) : said(submission));
    });
}

function said({
  run,
  location,
  state,
  triedAgain,
}: {
  readonly run: string;
  readonly location: string;
  readonly state: 'begun' | 'there' | 'done';
  readonly triedAgain: number;
}): string {
  if (state === 'done') return `Run ${run} is done: ${location}/release\n`;
  const again = triedAgain > 0 ? ` ${triedAgain} tasks that had failed are tried again.` : '';
  const begun =
    state === 'begun' ? `Run ${run} is submitted.` : `Run ${run} was submitted before, and goes on.${again}`;
  return `${begun}\nWorkers do it:  gleaner worker\nWatch it:       gleaner status ${run}\n`;
}
