import { type WebSourceOptions, webSettings } from './options.ts';

/** What deadlines are made of; a recipe's `fetch` is one. */
export type DeadlineOptions = Pick<
  WebSourceOptions,
  'queueTimeoutMs' | 'totalTimeoutMs' | 'retries' | 'retryBackoffMs' | 'maxRetryAfterMs'
>;

/**
 * The longest that `get` of a web source takes, in milliseconds, whatever servers do: waiting for slots, the time of
 * robots.txt and that of the URL, and the waits before retries. Whoever is not done by then ends with 'timeout'.
 */
export function fetchDeadlineMs(options: DeadlineOptions = {}): number {
  const settings = webSettings(options);
  const { queueTimeoutMs, totalTimeoutMs, retries, retryBackoffMs, maxRetryAfterMs } = settings;
  let waitsMs = 0;
  // One and a half of the mean, as far as retryPassing spreads it; a server may ask for its own.
  for (let retry = 0; retry < retries; retry++)
    waitsMs += Math.max(1.5 * retryBackoffMs * 2 ** retry, maxRetryAfterMs);
  return Math.ceil(queueTimeoutMs + 2 * (totalTimeoutMs + waitsMs));
}

/**
 * The longest that the images of a shard take, in milliseconds, fetched through a window: so many are asked for, and
 * each that is done, in order, makes room for the next.
 * @param images of the shard
 * @param atOnce size of the window
 */
export function shardDeadlineMs(options: DeadlineOptions, images: number, atOnce: number): number {
  return Math.ceil(images / atOnce) * fetchDeadlineMs(options);
}
