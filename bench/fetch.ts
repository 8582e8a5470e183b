import { fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Agent } from 'undici';
import { createWebSource } from '../src/fetcher/index.ts';
import type { Ports } from './fetch-server.ts';
import { mixedUrl, mixOfOrigins } from './mix.ts';

interface Job {
  readonly way: 'undici' | 'fetcher' | 'healthy' | 'mix';
  readonly ports: Ports;
  readonly urls: number;
  readonly origins: number;
  readonly atOnce: number;
}

interface Measured {
  /** Seconds until the last image of a good origin was there. */
  readonly seconds: number;
  readonly good: number;
  /** Until the last of all was decided. */
  readonly allSeconds: number;
  readonly cpuSeconds: number;
  readonly peakMb: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

/** What fetching costs beside plain undici, and what bad origins cost beside good ones. Every run is a process. */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      urls: { type: 'string', default: '20000' },
      origins: { type: 'string', default: '10000' },
      'at-once': { type: 'string', default: '256' },
      rounds: { type: 'string', default: '3' },
      ways: { type: 'string', default: 'undici,fetcher,healthy,mix' },
    },
  });
  const server = fork(new URL('./fetch-server.ts', import.meta.url), ['serve']);
  const ports = await new Promise<Ports>((resolve) => server.once('message', (m) => resolve(m as Ports)));
  try {
    for (let round = 1; round <= Number(values.rounds); round++)
      for (const way of values.ways.split(',') as Job['way'][]) {
        const few = way === 'undici' || way === 'fetcher';
        const urls = Number(values.urls);
        const job = { way, ports, urls, origins: few ? 16 : Number(values.origins) };
        const client = fork(import.meta.filename, ['client']);
        client.send({ ...job, atOnce: Number(values['at-once']) } satisfies Job);
        const done = await new Promise<Measured>((resolve) =>
          client.once('message', (m) => resolve(m as Measured)),
        );
        client.kill();
        print(round, way, urls, done);
      }
  } finally {
    server.kill();
  }
}

function print(round: number, way: string, urls: number, done: Measured): void {
  const cells = [
    `round ${round}`,
    way.padEnd(8),
    `${(done.good / done.seconds).toFixed(0).padStart(5)} images/s`,
    `${((1000 * done.cpuSeconds) / urls).toFixed(3)} CPU-s per 1,000`,
    `${done.peakMb.toFixed(0)} MB`,
    `${done.good} good in ${done.seconds.toFixed(1)} s, all in ${done.allSeconds.toFixed(1)} s`,
  ];
  const rest = Object.entries(done.outcomes).toSorted(([, a], [, b]) => b - a);
  process.stdout.write(`${cells.join('  ')}\n${rest.map(([name, n]) => `      ${name} ${n}\n`).join('')}`);
}

async function measure(job: Job): Promise<Measured> {
  const origins = mixOfOrigins(job.origins, job.ports, job.way === 'mix');
  const outcomes: Record<string, number> = {};
  let [good, seconds] = [0, 0];
  const get = createGet(
    job,
    origins.map(({ host }) => host),
  );
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < job.urls; i = next++) {
      const { url, kind } = mixedUrl(origins, i);
      const end = await get(url);
      if (end === 'kept') {
        good++;
        if (kind === 'good') seconds = (performance.now() - began) / 1000;
      } else outcomes[end] = (outcomes[end] ?? 0) + 1;
    }
  };
  const inFlight = job.way === 'undici' || job.way === 'fetcher' ? job.atOnce : WINDOW;
  await Promise.all(Array.from({ length: inFlight }, worker));
  const { user, system } = process.cpuUsage(cpu);
  return {
    seconds,
    good,
    allSeconds: (performance.now() - began) / 1000,
    cpuSeconds: (user + system) / 1e6,
    peakMb: process.resourceUsage().maxRSS / 1000,
    outcomes,
  };
}

/** Calls at once, waiting ones too: a shard has many more URLs than requests in flight. */
const WINDOW = 10_000;

function createGet(job: Job, hosts: readonly string[]): (url: string) => Promise<string> {
  if (job.way === 'undici') {
    const agent = new Agent({
      connections: 16,
      connect: { lookup: (_host, options, callback) => answerLookup(options.all === true, callback) },
    });
    return async (url) => {
      const { statusCode, body } = await agent.request({
        origin: new URL(url).origin,
        path: new URL(url).pathname,
        method: 'GET',
      });
      await body.arrayBuffer();
      return statusCode === 200 ? 'kept' : `${statusCode}`;
    };
  }
  const source = createWebSource({
    allowHosts: hosts,
    concurrency: job.atOnce,
    perDomainConcurrency: job.way === 'fetcher' ? 16 : 4,
    respectRobots: false,
    dns: { servers: [`127.0.0.1:${job.ports.dns}`] },
    queueTimeoutMs: 600_000,
  });
  return async (url) => {
    const outcome = await source.get(url);
    return outcome.kept ? 'kept' : `${outcome.reason} ${outcome.detail.replace(/[\w-]+\.test/, 'HOST')}`;
  };
}

type LookupCallback = (
  error: null,
  address: string | { address: string; family: number }[],
  family?: number,
) => void;

function answerLookup(all: boolean, callback: LookupCallback): void {
  if (all) callback(null, [{ address: '127.0.0.1', family: 4 }]);
  else callback(null, '127.0.0.1', 4);
}

if (process.argv[2] === 'client')
  process.once('message', async (job) => {
    process.send?.(await measure(job as Job));
  });
