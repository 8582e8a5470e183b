import { once } from 'node:events';
import type { Command } from 'commander';
import { GleanerError } from '../../schema/index.ts';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { type ModelFlags, naturalNumber, portNumber, wholeNumber, withModelOptions } from '../run-options.ts';

interface ServeFlags extends ModelFlags {
  readonly port: number;
  readonly host: string;
  readonly allowHost?: readonly string[];
  readonly rateLimit?: number;
  readonly trustProxy?: number;
  readonly deadline?: number;
  readonly drain?: number;
  readonly corsOrigin?: readonly string[];
  readonly hideReported?: true;
  readonly json?: true;
}

export function serveCommand(context: CommandContext): Command {
  const command = newCommand('serve', 'Serve the search page and the API of an indexed release.', [
    'gleaner serve out --port 1234',
    'gleaner serve out --port 0 --host 0.0.0.0',
  ])
    .argument('<dir>', "folder of a run that 'gleaner index' has indexed")
    .option('--port <port>', 'port to listen at; 0 for any that is free', portNumber, 1234)
    .option('--host <address>', 'address to listen at', '127.0.0.1')
    .option('--model <model>', 'model for queries (default: the one of the run)');
  return withModelOptions(command)
    .option(
      '--allow-host <host:port...>',
      'let queries by image_url fetch from here although it is not public',
    )
    .option(
      '--rate-limit <n>',
      'searches a second that one client may ask for, ten seconds of them at once; a picture to search with costs 5, a thumbnail 1/50; 0: no limit (default: 10, and none for this machine itself, which has one where this is given)',
      naturalNumber,
    )
    .option(
      '--trust-proxy <hops>',
      'proxies of yours between clients and this: clients are told apart by X-Forwarded-For (default: 0)',
      naturalNumber,
    )
    .option('--deadline <seconds>', 'longest time for an answer (default: 30)', wholeNumber)
    .option(
      '--drain <seconds>',
      'go on for so long when told to end, while /readyz says 503 (default: 0)',
      naturalNumber,
    )
    .option(
      '--cors-origin <origin...>',
      "let pages of others ask, as https://example.org; '*': all (default: none)",
    )
    .option(
      '--hide-reported',
      'do not show what is reported until the report is handled; without it, nobody can hide a row by reporting it',
    )
    .option('--json', 'print where it listens as JSON')
    .action(async (dir: string, flags: ServeFlags) => {
      const { serveRun } = await import('../../service/index.ts');
      const { port, host, model, allowHost, modelVariant, provider } = flags;
      const { drain, corsOrigin, hideReported } = flags;
      const service = await serveRun(dir, {
        port,
        host,
        ...(model !== undefined && { model }),
        variant: modelVariant,
        provider,
        onNotice: (line) => process.stderr.write(`gleaner: ${line}\n`),
        ...(allowHost && { allowHosts: allowHost }),
        limits: limitsOf(flags),
        ...(corsOrigin && { corsOrigins: corsOrigin.map(origin) }),
        ...(drain !== undefined && { drainMs: drain * 1000 }),
        ...(hideReported && { hideReported }),
      });
      const { url, rows } = service;
      context.print(
        flags.json
          ? asJson({ url, rows })
          : `${formatCount(rows)} pairs to search at ${url} (Ctrl-C ends it)\n`,
      );
      if (!context.signal.aborted) await once(context.signal, 'abort');
      await service.close();
    });
}

/** Where a limit is asked for it holds for this machine too: else it could not be tried. */
function limitsOf({ rateLimit, trustProxy, deadline }: ServeFlags) {
  return {
    ...(rateLimit !== undefined && {
      rate: rateLimit === 0 ? Number.POSITIVE_INFINITY : rateLimit,
      exemptLoopback: rateLimit === 0,
    }),
    ...(trustProxy !== undefined && { trustedProxies: trustProxy }),
    ...(deadline !== undefined && { deadlineMs: deadline * 1000 }),
  };
}

/** @throws GleanerError USAGE */
function origin(text: string): string {
  if (text === '*' || URL.parse(text)?.origin === text) return text;
  throw new GleanerError('USAGE', {
    problem: `--cors-origin ${text}: is no origin. Give it as https://example.org, without a path.`,
  });
}
