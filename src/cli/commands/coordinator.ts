import { once } from 'node:events';
import type { Command } from 'commander';
import { Option } from 'commander';
import { GleanerError } from '../../schema/index.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { type DatabaseFlags, databaseUrl, withDatabase } from '../fleet-options.ts';
import { naturalNumber, portNumber, wholeNumber } from '../run-options.ts';
import { printable } from '../terminal.ts';

interface CoordinatorFlags extends DatabaseFlags {
  readonly port: number;
  readonly host?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly publicUrl?: string;
  readonly run?: readonly string[];
  readonly trustProxy?: number;
  readonly log: 'json' | 'text';
}

interface TokenFlags extends DatabaseFlags {
  readonly expires?: number;
  readonly json?: true;
}

/** `gleaner coordinator`: tasks for volunteers. */
export function coordinatorCommand(context: CommandContext): Command {
  const command = newCommand(
    'coordinator',
    `Lend tasks of a fleet's runs to volunteers, who have a token and nothing else.

What they send is checked by trusted workers (any 'gleaner worker' that harvests) before it counts.`,
    [
      'gleaner coordinator tokens add anna                          # prints her token, once',
      'gleaner coordinator --host 0.0.0.0 --tls-cert chain.pem --tls-key key.pem',
      'gleaner coordinator --public-url https://gleaner.example.org --trust-proxy 1    # a proxy before it speaks TLS',
      'gleaner coordinator tokens block anna                        # all that she did in runs that still harvest is done again',
    ],
  );
  command.addCommand(tokensCommand(context));
  return withDatabase(command)
    .option('--port <port>', 'port to listen at', portNumber, 8089)
    .option('--host <address>', 'address to listen at (default: 127.0.0.1, nobody but this machine)')
    .option('--tls-cert <file>', 'certificate chain, PEM')
    .option('--tls-key <file>', 'its key, PEM')
    .option('--public-url <url>', 'where volunteers reach it: https://HOST (default: where it listens)')
    .option('--run <id...>', 'lend tasks of these runs alone (default: of all that can be lent)')
    .option(
      '--trust-proxy <n>',
      'proxies of yours before it, whose X-Forwarded-For is believed',
      naturalNumber,
    )
    .addOption(
      new Option('--log <format>', 'events on standard error').choices(['json', 'text']).default('json'),
    )
    .action(async (flags: CoordinatorFlags) => {
      const { tlsCert: cert, tlsKey: key } = flags;
      if ((cert === undefined) !== (key === undefined))
        throw new GleanerError('USAGE', { problem: '--tls-cert and --tls-key go together.' });
      const [{ coordinate }, { openLog }] = await Promise.all([
        import('../../service/coordinator/index.ts'),
        import('../../executors/fleet/worker/worker-log.ts'),
      ]);
      const log = openLog(flags.log, {});
      await using database = await openDatabase(flags);
      const { url, close } = await coordinate(database, {
        ...{ port: flags.port, host: flags.host, publicUrl: flags.publicUrl, runs: flags.run },
        trustedProxies: flags.trustProxy,
        ...(cert !== undefined && key !== undefined && { tls: { cert, key } }),
        onEvent: ({ event, ...facts }) => log.info(facts, event),
        onError: (error) =>
          log.error({ problem: error instanceof Error ? error.message : String(error) }, 'failed'),
      });
      log.info({ url }, 'listening');
      if (!context.signal.aborted) await once(context.signal, 'abort');
      await close();
    });
}

function tokensCommand(context: CommandContext): Command {
  const tokens = newCommand('tokens', 'Who may volunteer.', [
    'gleaner coordinator tokens add anna --expires 90',
    'gleaner coordinator tokens list',
  ]);
  const withName = (name: string, summary: string) =>
    withDatabase(newCommand(name, summary, [`gleaner coordinator tokens ${name} anna`])).argument('<name>');
  tokens.addCommand(
    withName('add', 'Make a token, and print it: it is printed once, and kept nowhere.')
      .option('--expires <days>', 'it is good for so many days (default: for ever)', wholeNumber)
      .action(async (name: string, flags: TokenFlags) => {
        const { addVolunteer } = await import('../../executors/fleet/volunteer/volunteers.ts');
        await using database = await openDatabase(flags);
        context.print(`${await addVolunteer(database, name, flags.expires)}\n`);
      }),
  );
  tokens.addCommand(
    withDatabase(newCommand('list', 'List volunteers.', ['gleaner coordinator tokens list --json']))
      .option('--json', 'print them as JSON')
      .action(async (flags: TokenFlags) => {
        const { listVolunteers } = await import('../../executors/fleet/volunteer/volunteers.ts');
        await using database = await openDatabase(flags);
        const volunteers = await listVolunteers(database);
        if (flags.json) return context.print(asJson(volunteers));
        if (volunteers.length === 0) return context.print('No volunteers.\n');
        for (const { name, since, expires, blockedFor, pairs, shards } of volunteers)
          context.print(
            `${[
              printable(name),
              `since ${since.slice(0, 10)}`,
              ...(expires === null ? [] : [`expires ${expires.slice(0, 10)}`]),
              `${formatCount(pairs)} pairs in ${formatCount(shards)} shards`,
              ...(blockedFor === null ? [] : [`blocked: ${printable(blockedFor)}`]),
            ].join('  ')}\n`,
          );
      }),
  );
  tokens.addCommand(
    withName('block', 'Refuse a token, and have all done again that can be.').action(
      async (name: string, flags: TokenFlags) => {
        const [{ blockVolunteer }, { volunteerNamed }] = await Promise.all([
          import('../../executors/fleet/volunteer/standing.ts'),
          import('../../executors/fleet/volunteer/volunteers.ts'),
        ]);
        await using database = await openDatabase(flags);
        const id = await volunteerNamed(database, name);
        const { redone, kept } = await blockVolunteer(database, id, 'by the operator');
        context.print(
          `blocked; ${formatCount(redone)} accepted shards are made again, ${formatCount(kept)} of runs that are further on stay\n`,
        );
      },
    ),
  );
  tokens.addCommand(
    withName('unblock', 'Accept a token again; what was refused before does not count any more.').action(
      async (name: string, flags: TokenFlags) => {
        const { unblockVolunteer, volunteerNamed } = await import(
          '../../executors/fleet/volunteer/volunteers.ts'
        );
        await using database = await openDatabase(flags);
        await unblockVolunteer(database, await volunteerNamed(database, name));
        context.print('unblocked\n');
      },
    ),
  );
  return tokens;
}

async function openDatabase(flags: DatabaseFlags) {
  const { Database } = await import('../../executors/fleet/database.ts');
  return Database.open(databaseUrl(flags));
}
