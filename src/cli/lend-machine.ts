import type { Command } from 'commander';
import { GleanerError } from '../schema/index.ts';
import type { CommandContext } from './command.ts';

/** How a machine is lent to somebody else's fleet. */
export interface LendFlags {
  readonly coordinator?: string;
  readonly token?: string;
  readonly allowHost?: readonly string[];
}

/** What of `gleaner worker` a volunteer has a use for. */
interface SharedFlags extends LendFlags {
  readonly database?: string;
  readonly stages?: unknown;
  readonly gpu?: true;
  readonly memory?: number;
  readonly metricsPort?: number;
  readonly name?: string;
  readonly workers?: number;
  readonly cache?: string;
  readonly grace: number;
  readonly exitWhenIdle?: number;
  readonly log: 'json' | 'text';
}

export function withLendOptions(command: Command): Command {
  return command
    .option(
      '--coordinator <url>',
      "volunteer for somebody else's fleet, in place of --database: https://HOST, as they told you",
    )
    .option('--token <token>', 'what they gave you for it (default: GLEANER_TOKEN)')
    .option(
      '--allow-host <host:port...>',
      'with --coordinator: reach this host although its address is not public',
    );
}

/** Needed of a fleet's own workers alone. */
const NOT_LENT = ['database', 'stages', 'gpu', 'memory', 'metricsPort', 'name'] as const;

/** `gleaner worker --coordinator`: works as a volunteer until it is stopped. */
export async function lendMachine(
  coordinator: string,
  flags: SharedFlags,
  context: CommandContext,
): Promise<void> {
  const given = NOT_LENT.find((name) => flags[name] !== undefined);
  if (given !== undefined) {
    const option = `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    throw new GleanerError('USAGE', { problem: `${option} does not go with --coordinator.` });
  }
  const token = flags.token ?? process.env.GLEANER_TOKEN;
  if (!token) throw new GleanerError('USAGE', { problem: "give '--token <token>', or set GLEANER_TOKEN." });
  // What harvests has no use for it.
  delete process.env.GLEANER_TOKEN;
  const [{ runVolunteer }, { openLog }] = await Promise.all([
    import('../executors/fleet/volunteer/run-volunteer.ts'),
    import('../executors/fleet/worker/worker-log.ts'),
  ]);
  const log = openLog(flags.log, {});
  await runVolunteer({
    ...{ coordinator, token, workers: flags.workers, cache: flags.cache, allowHosts: flags.allowHost },
    signal: context.signal,
    graceMs: flags.grace * 1000,
    exitWhenIdleMs: flags.exitWhenIdle === undefined ? undefined : flags.exitWhenIdle * 1000,
    onNotice: (line) => log.info(line),
    onEvent: ({ event, ...facts }) => {
      if (event === 'refused' || event === 'failed') log.warn(facts, event);
      else log.info(facts, event);
    },
  });
}
