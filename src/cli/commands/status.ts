import type { Command } from 'commander';
import type { FleetStatus } from '../../executors/fleet/status/index.ts';
import { GleanerError } from '../../schema/index.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { type DatabaseFlags, databaseUrl, withDatabase } from '../fleet-options.ts';
import { portNumber, price } from '../run-options.ts';
import { printable } from '../terminal.ts';

interface StatusFlags extends DatabaseFlags {
  readonly out?: string;
  readonly once?: true;
  readonly json?: true;
  readonly serve?: true;
  readonly port: number;
  readonly host?: string;
  readonly cpuPrice?: number;
  readonly gpuPrice?: number;
}

/** A page waits so long for its database, in milliseconds; then it says that there is none. */
const PAGE_PATIENCE_MS = 5_000;

/** `gleaner status`: what a fleet does. */
export function statusCommand(context: CommandContext): Command {
  const command = newCommand(
    'status',
    'Show what a fleet does: stages, tasks, rates, failures, workers, cost.',
    [
      'gleaner status                                   # all runs, live, until they are done',
      'gleaner status laion --once --cpu-price 0.04     # one run as it is now, with what it cost',
      'gleaner status --serve --port 8088               # as a page, with /metrics for Prometheus',
      'gleaner status --json | jq .warnings             # for machines',
    ],
  ).argument('[run]', 'id or name of one run (default: all under way, and the last that ended)');
  return withDatabase(command)
    .option('--out <location>', 'the run that lies there')
    .option('--once', 'print it once; exit status 1 where a run cannot go on')
    .option('--json', 'print it once, as JSON')
    .option('--serve', 'serve it as a page, with /api/status, /metrics and /healthz')
    .option('--port <port>', 'port of the page', portNumber, 8088)
    .option(
      '--host <address>',
      'address of the page (default: 127.0.0.1); at any other it tells no hosts, locations and messages',
    )
    .option(
      '--cpu-price <price>',
      'what a CPU-hour costs; told is the CPU time of tasks that are done, not idle machines, failed attempts, storage or traffic',
      price,
    )
    .option('--gpu-price <price>', 'what an hour of a worker with a GPU costs, busy or not', price)
    .action(async (run: string | undefined, flags: StatusFlags) => {
      if (!flags.serve && flags.host !== undefined)
        throw new GleanerError('USAGE', { problem: "'--host' goes with '--serve'." });
      const [{ Database }, { FleetReader, findRun }] = await Promise.all([
        import('../../executors/fleet/database.ts'),
        import('../../executors/fleet/status/index.ts'),
      ]);
      await using database = await Database.open(databaseUrl(flags), {
        supervise: false,
        signal: context.signal,
        ...(flags.serve && { patienceMs: PAGE_PATIENCE_MS }),
      });
      const id = await findRun(database, { run, out: flags.out });
      const reader = new FleetReader(database, {
        run: id,
        prices: { cpuHour: flags.cpuPrice, gpuHour: flags.gpuPrice },
      });
      // The database is let go of as this ends.
      if (flags.serve) return await serve(reader, flags, context);
      if (flags.json || flags.once) {
        const status = await reader.read();
        const { formatFleet } = await import('../fleet-text.ts');
        context.print(
          flags.json
            ? asJson(status)
            : `${formatFleet(status, { whole: ({ id: shown }) => shown === id }).join('\n')}\n`,
        );
        if (!flags.json) throwIfStuck(status);
        return;
      }
      const { watchFleet } = await import('../watch-fleet.ts');
      const last = await watchFleet(reader, { out: process.stdout, signal: context.signal });
      if (last) throwIfStuck(last);
    });
}

/** @throws GleanerError RUN_STUCK */
function throwIfStuck({ runs }: FleetStatus): void {
  const stuck = runs.find(({ condition }) => condition === 'stuck');
  if (!stuck) return;
  const tasks = stuck.dead.reduce((sum, group) => sum + group.tasks, 0);
  const problem = `${tasks} of its tasks failed too often. Mend what they say, then submit it again.`;
  throw new GleanerError('RUN_STUCK', { path: printable(stuck.name), problem });
}

async function serve(
  reader: import('../../executors/fleet/status/index.ts').FleetReader,
  flags: StatusFlags,
  { print, signal }: CommandContext,
): Promise<void> {
  const [{ once }, { serveFleet }] = await Promise.all([
    import('node:events'),
    import('../../service/fleet/index.ts'),
  ]);
  const service = await serveFleet(reader, {
    port: flags.port,
    ...(flags.host !== undefined && { host: flags.host }),
  });
  print(flags.json ? asJson({ url: service.url }) : `The fleet at ${service.url} (Ctrl-C ends it)\n`);
  if (!signal.aborted) await once(signal, 'abort');
  await service.close();
}
