import { Command } from 'commander';

/**
 * Commands of a fleet with their agreed options, for as long as the command line has them not: manifests are held against
 * these until then. The real one is taken as soon as it is there.
 */
export function agreedCommands(): readonly Command[] {
  const worker = new Command('worker')
    .option('--database <url>')
    .option('--coordinator <url>')
    .option('--token <token>')
    .option('--stages <stages>')
    .option('--gpu')
    .option('--workers <n>')
    .option('--memory <size>')
    .option('--cache <dir>')
    .option('--grace <seconds>')
    .option('--metrics-port <port>')
    .option('--name <text>')
    .option('--exit-when-idle <seconds>')
    .option('--log <form>');
  const status = new Command('status')
    .argument('[run]')
    .option('--out <location>')
    .option('--database <url>')
    .option('--once')
    .option('--json')
    .option('--serve')
    .option('--host <address>')
    .option('--port <port>')
    .option('--cpu-price <price>');
  const coordinator = new Command('coordinator')
    .option('--database <url>')
    .option('--host <address>')
    .option('--port <port>')
    .option('--tls-cert <file>')
    .option('--tls-key <file>')
    .option('--public-url <url>');
  const tokens = new Command('tokens');
  tokens.addCommand(new Command('add').argument('<name>'));
  tokens.addCommand(new Command('list'));
  tokens.addCommand(new Command('block').argument('<name>'));
  coordinator.addCommand(tokens);
  return [worker, status, coordinator];
}
