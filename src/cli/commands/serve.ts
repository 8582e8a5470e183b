import { once } from 'node:events';
import type { Command } from 'commander';
import { formatCount } from '../../stages/report/numbers.ts';
import { asJson, type CommandContext, newCommand } from '../command.ts';
import { type ModelFlags, portNumber, withModelOptions } from '../run-options.ts';

interface ServeFlags extends ModelFlags {
  readonly port: number;
  readonly host: string;
  readonly allowHost?: readonly string[];
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
    .option('--json', 'print where it listens as JSON')
    .action(async (dir: string, flags: ServeFlags) => {
      const { serveRun } = await import('../../service/index.ts');
      const { port, host, model, allowHost, modelVariant, provider } = flags;
      const service = await serveRun(dir, {
        port,
        host,
        ...(model !== undefined && { model }),
        variant: modelVariant,
        provider,
        onNotice: (line) => process.stderr.write(`gleaner: ${line}\n`),
        ...(allowHost && { allowHosts: allowHost }),
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
