/** The small web in a thread of its own, so that its servers answer in time however busy the pipeline is. */
import { Worker } from 'node:worker_threads';
import { GleanerError } from '../src/schema/index.ts';
import type { Plan } from './plan.ts';

export interface SiteOptions {
  readonly seed: number;
  readonly pictures: number;
  readonly pages: number;
  readonly hosts: number;
  /** Port of the first host, or 0. */
  readonly port: number;
  /** Folder for crawl/ and plan.json. */
  readonly out: string;
  readonly wats: number;
}

export type SiteStep = 'make' | 'crawl';

/** The web, crawled, and served until it is disposed of: then the servers stop and the thread ends. */
export interface Site extends AsyncDisposable {
  readonly hosts: readonly string[];
  readonly wats: readonly string[];
  readonly plan: Plan;
}

/** What the thread says. */
export type SiteMessage =
  | { readonly kind: 'progress'; readonly step: SiteStep; readonly done: number; readonly total: number }
  | { readonly kind: 'ready'; readonly site: Omit<Site, typeof Symbol.asyncDispose> }
  | { readonly kind: 'failed'; readonly problem: string };

/** @throws GleanerError USAGE where a port is taken; what `signal` is aborted with */
export async function openSite(
  options: SiteOptions,
  onProgress: (step: SiteStep, done: number, total: number) => void,
  signal: AbortSignal,
): Promise<Site> {
  signal.throwIfAborted();
  const thread = new Worker(new URL('./site-thread.ts', import.meta.url), { workerData: options });
  const close = async (): Promise<void> => {
    await thread.terminate();
  };
  const { promise, resolve, reject } = Promise.withResolvers<Site>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  thread.on('error', reject);
  thread.on('exit', () => reject(new Error('the thread of the small web ended early')));
  thread.on('message', (message: SiteMessage) => {
    if (message.kind === 'progress') onProgress(message.step, message.done, message.total);
    else if (message.kind === 'ready') resolve({ ...message.site, [Symbol.asyncDispose]: close });
    else reject(new GleanerError('USAGE', { problem: message.problem }));
  });
  try {
    return await promise;
  } catch (error) {
    await close();
    throw error;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
