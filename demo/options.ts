import { parseArgs } from 'node:util';
import { GleanerError } from '../src/schema/index.ts';

export const HELP = `Usage: npm run demo [-- OPTIONS]

Makes a small web of drawings, crawls it, runs the laion400m recipe over the
crawl, prints what was dropped and why, and serves a page to search the rest.

  --out DIR         folder of the run (default: out/demo)
  --port P          port of the search page; 0 for any that is free (default: 1234)
  --no-serve        end when everything is made
  --seed N          another small web (default: 1)
  --pictures N      pictures of the small web, at least 200 (default: 3000)
  --web-port BASE   first of the 40 ports of the small web; 0 for any that are free,
                    which makes other URLs each time (default: 29200)
  --help

Examples:
  npm run demo
  npm run demo -- --no-serve --out out/try --pictures 600
`;

export interface DemoOptions {
  readonly out: string;
  readonly port: number;
  readonly serve: boolean;
  readonly seed: number;
  readonly pictures: number;
  readonly webPort: number;
}

/** Hosts of the small web, each with a port of its own. */
export const HOSTS = 40;

/** @returns undefined where only help was asked for. @throws GleanerError USAGE */
export function parseOptions(args: readonly string[]): DemoOptions | undefined {
  const { values } = readArgs(args);
  if (values.help) return undefined;
  const whole = (name: 'port' | 'seed' | 'pictures' | 'web-port', low: number, high: number): number => {
    const n = Number(values[name]);
    if (values[name].trim() !== '' && Number.isSafeInteger(n) && n >= low && n <= high) return n;
    throw usage(`--${name} ${values[name]}: give a whole number from ${low} to ${high}.`);
  };
  return {
    out: values.out,
    port: whole('port', 0, 65_535),
    serve: !values['no-serve'],
    seed: whole('seed', 0, 2 ** 31 - 1),
    pictures: whole('pictures', 200, 20_000),
    webPort: whole('web-port', 0, 65_535 - HOSTS),
  };
}

function readArgs(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        out: { type: 'string', default: 'out/demo' },
        port: { type: 'string', default: '1234' },
        'no-serve': { type: 'boolean', default: false },
        seed: { type: 'string', default: '1' },
        pictures: { type: 'string', default: '3000' },
        'web-port': { type: 'string', default: '29200' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
  } catch (error) {
    throw usage(
      `${error instanceof Error ? error.message.split('. ')[0] : error}. See npm run demo -- --help.`,
    );
  }
}

function usage(problem: string): GleanerError {
  return new GleanerError('USAGE', { problem });
}
