/**
 * The demo: makes a small web, serves it on loopback, crawls it, and turns the crawl into a dataset that can be
 * searched, with nothing but what is installed. `npm run demo -- --help` says how.
 */
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { ProgressLines, stageStep, withProgress } from '../src/cli/progress.ts';
import {
  fileStorage,
  formatFunnel,
  GleanerError,
  indexRun,
  readStatistics,
  run,
  serve,
} from '../src/index.ts';
import { readEnds } from './ends.ts';
import { formatJudgement, judge } from './judge.ts';
import { type DemoOptions, HELP, HOSTS, parseOptions } from './options.ts';
import { openSite, type Site } from './site.ts';

const PICTURES_PER_PAGE = 5;
const WATS = 4;

/**
 * The recipe's own limits are for the real web. Here nothing but the stalling host takes longer than a moment, so
 * waiting for it half a minute would tell nothing more.
 */
const TIME_LIMITS = { firstByteTimeoutMs: 5_000, totalTimeoutMs: 5_000 } as const;

/** Of harvest: with the recipe's own 10,000 the whole demo would be one task, and one core would do it all. */
const PAIRS_PER_TASK = 400;

/** Asks for the port at once, not after a minute of work. @throws GleanerError PORT_IN_USE, USAGE */
async function checkPort(port: number): Promise<void> {
  const host = '127.0.0.1';
  const probe = createServer().listen(port, host);
  try {
    await once(probe, 'listening');
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
    if (code === 'EADDRINUSE')
      throw new GleanerError('PORT_IN_USE', { port, host, option: '--port' }, { cause });
    throw new GleanerError('USAGE', { problem: `--port ${port}: cannot listen there (${code}).` }, { cause });
  }
  probe.close();
  await once(probe, 'close');
}

/** Runs the recipe over the crawl of a site. */
async function runRecipe(site: Site, out: string, lines: ProgressLines, signal: AbortSignal): Promise<void> {
  await run({
    recipe: 'laion400m',
    overrides: { fetch: TIME_LIMITS, harvest: { pairsPerTask: PAIRS_PER_TASK } },
    model: 'gleaner-mini',
    wats: site.wats,
    out,
    allowHosts: site.hosts,
    signal,
    onProgress: (progress) => lines.update(stageStep(progress)),
  });
}

/** @returns whether every link ended as planned */
async function report(site: Site, out: string, print: (text: string) => void): Promise<boolean> {
  const statistics = await readStatistics(fileStorage(out));
  print(`\n${formatFunnel(statistics, { color: process.stdout.isTTY && !process.env.NO_COLOR })}\n`);
  const links = statistics.funnel.find(({ name }) => name === 'link')?.dropped ?? [];
  const noText = links.find(({ reason }) => reason === 'no_text')?.count ?? 0;
  const judgement = judge(site.plan, await readEnds(out), noText);
  print(`${formatJudgement(judgement)}\n`);
  return judgement.mismatches.length === 0;
}

/** @returns the exit status */
async function demo(options: DemoOptions, signal: AbortSignal): Promise<number> {
  const { out, port, seed, pictures, webPort } = options;
  const began = performance.now();
  const print = (text: string): void => {
    process.stdout.write(text);
  };
  const lines = new ProgressLines(process.stderr);
  if (options.serve) await checkPort(port);
  await mkdir(out, { recursive: true });
  const pages = Math.round(pictures / PICTURES_PER_PAGE);
  print(`A small web of ${HOSTS} hosts, ${pages} pages and ${pictures} pictures (seed ${seed})\n`);
  try {
    await using site = await openSite(
      { seed, pictures, pages, hosts: HOSTS, port: webPort, out, wats: WATS },
      (step, done, total) =>
        lines.update({
          name: step,
          unit: step === 'make' ? 'pictures' : 'pages',
          done,
          share: done / total,
          finished: done === total,
        }),
      signal,
    );
    await runRecipe(site, out, lines, signal);
    lines.end();
    const asPlanned = await report(site, out, print);
    await withProgress(lines, { name: 'index', unit: 'rows' }, (progress) =>
      indexRun(out, { signal, onProgress: progress }),
    );
    print(`Done in ${Math.round((performance.now() - began) / 1000)} s: ${out}/release, ${out}/index\n`);
    if (options.serve) {
      const service = await serve(out, { port });
      print(
        `Search it at ${service.url}; the small web itself begins at http://${site.hosts[0]}/ (Ctrl-C ends both)\n`,
      );
      if (!signal.aborted) await once(signal, 'abort');
      await service.close();
    }
    return asPlanned ? 0 : 1;
  } finally {
    lines.end();
  }
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130); // Asked twice: at once.
    stop.abort(new Error(`stopped by ${signal}`));
  });
try {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) process.stdout.write(HELP);
  else process.exitCode = await demo(options, stop.signal);
} catch (error) {
  if (stop.signal.aborted) process.exitCode = 130;
  else if (error instanceof GleanerError) {
    process.stderr.write(`demo: ${error.message}\n`);
    process.exitCode = error.exitCode;
  } else throw error;
}
