import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { type FloodResult, flood } from '../test/service/flood.ts';
import { makeSmallRun } from '../test/service/small-service.ts';

/**
 * The flood of `npm test`, for as long as one likes: good clients alone, then beside the flood, then alone again, against a
 * service in a process of its own, whose memory is looked at every few seconds. Linux.
 *
 *     node scripts/flood.ts --minutes 10
 */
const QUERY = { embedding_input: [1, 0, 0, 0, 0, 1, 0, 0, 0.2], num_images: 10 };
const GOOD = Array.from({ length: 8 }, (_, i) => `127.0.1.${i + 1}`);

const BAD = Array.from({ length: 16 }, (_, i) => `127.0.2.${i + 1}`);

const [role, url = '', ms = ''] = process.argv.slice(2);
if (role === 'serve') await serve();
else if (role === 'good')
  process.send?.(
    await flood({ url, ms: Number(ms), width: 0, from: { flood: [], good: GOOD }, query: QUERY }),
  );
else await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '1' }, width: { type: 'string', default: '16' } },
  });
  const ms = Number(values.minutes) * 60_000;
  const child = fork(import.meta.filename, ['serve']);
  const [url] = (await once(child, 'message')) as [string];
  show('alone', await good(url, 10_000));
  const memory: number[] = [];
  const looking = setInterval(async () => memory.push(await rss(child)), 2_000);
  const bad = { url, ms, width: Number(values.width), from: { flood: BAD, good: [] }, query: QUERY };
  const [result, { sent }] = await Promise.all([good(url, ms), flood(bad)]);
  clearInterval(looking);
  show('beside the flood', result);
  show('alone again', await good(url, 10_000));
  process.stdout.write(`sent: ${[...sent].map(([kind, count]) => `${count} ${kind}`).join(', ')}\n`);
  const third = Math.floor(memory.length / 3);
  const [early, late] = [memory.slice(third, 2 * third), memory.slice(2 * third)];
  process.stdout.write(`resident: ${mean(early)} MB in the second third, ${mean(late)} in the last\n`);
  const metrics = await (await fetch(`${url}metrics`)).text();
  process.stdout.write(`${metrics.match(/^gleaner_(?:searches|body|clients).*$/gm)?.join('\n')}\n`);
  child.send('end');
  await once(child, 'exit');
}

async function good(url: string, ms: number): Promise<FloodResult> {
  const child = fork(import.meta.filename, ['good', url, String(ms)], { serialization: 'advanced' });
  const [result] = (await once(child, 'message')) as [FloodResult];
  return result;
}

function show(when: string, { good, times }: FloodResult): void {
  const at = (share: number) => `${(times[Math.floor(times.length * share)] ?? 0).toFixed(1)} ms`;
  const statuses = [...good].map(([status, count]) => `${count} × ${status || 'no answer'}`).join(', ');
  process.stdout.write(`good clients ${when}: ${statuses}; p50 ${at(0.5)}, p99 ${at(0.99)}\n`);
}

function mean(values: readonly number[]): number {
  return Math.round(values.reduce((sum, value) => sum + value, 0) / values.length / 1e6);
}

async function rss(child: ChildProcess): Promise<number> {
  child.send('memory');
  const [bytes] = (await once(child, 'message')) as [number];
  return bytes;
}

async function serve(): Promise<void> {
  const run = await makeSmallRun();
  const service = await run.start({
    limits: { exemptLoopback: false },
    onError: (error) => console.error(error),
  });
  process.on('message', async (message) => {
    if (message === 'memory') process.send?.(process.memoryUsage().rss);
    if (message !== 'end') return;
    await run.end();
    process.exit();
  });
  process.send?.(service.url);
}
