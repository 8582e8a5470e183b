/**
 * The thread of the small web: opens its ports, makes it, crawls it, writes the plan, and goes on serving until the
 * thread is ended.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { GleanerError } from '../src/schema/index.ts';
import { crawl } from './crawl.ts';
import { makePlan, planJson } from './plan.ts';
import { openHosts } from './server.ts';
import type { SiteMessage, SiteOptions, SiteStep } from './site.ts';
import { makeWeb } from './web.ts';

const { seed, pictures, pages, hosts, port, wats, out } = workerData as SiteOptions;

function post(message: SiteMessage): void {
  parentPort?.postMessage(message);
}

const progress = (step: SiteStep) => (done: number, total: number) =>
  post({ kind: 'progress', step, done, total });

try {
  const served = await openHosts(hosts, { port });
  const web = await makeWeb({ seed, pictures, pages, hosts, onProgress: progress('make') });
  served.show(web);
  const paths = await crawl({ web, served, out: join(out, 'crawl'), wats, onProgress: progress('crawl') });
  const plan = makePlan(web, served.origins, wats);
  await writeFile(join(out, 'plan.json'), planJson(plan));
  post({ kind: 'ready', site: { hosts: served.hosts, wats: paths, plan } });
} catch (error) {
  // A class does not survive the way to another thread; only what a user has to know goes as a message.
  if (!(error instanceof GleanerError)) throw error;
  post({ kind: 'failed', problem: error.message });
}
