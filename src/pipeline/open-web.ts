import type { Recipe } from '../config/index.ts';
import { createWebSource, type ImageSource, readOptOut, type WebSourceOptions } from '../fetcher/index.ts';
import { partOf, queueTimeoutMs } from '../stages/intake.ts';
import { streamFile } from '../storage/index.ts';

/**
 * Opens the web for one of several processes that ask the same hosts: each takes its part of the recipe's limits.
 *
 * @throws GleanerError USAGE for a recipe that cannot be, and for a crawl of the open web without a contact
 */
export async function openWeb(
  fetch: Recipe['fetch'],
  allowHosts: readonly string[],
  share: number,
  refuseUrl?: WebSourceOptions['refuseUrl'],
): Promise<ImageSource> {
  return createWebSource({
    ...fetch,
    allowHosts,
    refuseUrl,
    optOut: await readOptOut(fetch.optOutLists, streamFile, fetch.optOut),
    concurrency: partOf(fetch.concurrency, share),
    maxStalled: partOf(fetch.maxStalled, share),
    maxBytesInFlight: partOf(fetch.maxBytesInFlight, share),
    perDomainConcurrency: partOf(fetch.perDomainConcurrency, share),
    perDomainIntervalMs: fetch.perDomainIntervalMs * share,
    queueTimeoutMs: queueTimeoutMs(fetch, share),
  });
}
