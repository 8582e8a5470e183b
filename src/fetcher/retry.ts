import type { Kept } from '../schema/index.ts';
import type { FetchStats } from './dispatch.ts';
import { type Failure, headerText, type Interceptor, type WebResponse } from './exchange.ts';
import type { WebSettings } from './options.ts';

type RetrySettings = Pick<
  WebSettings,
  'retries' | 'maxRetryShare' | 'retryBackoffMs' | 'maxRetryAfterMs' | 'clock'
>;

/** A run may always retry so often: a share of few requests is no measure. */
const FREE_RETRIES = 100;

/**
 * Asks again after what may pass: timeouts, connections that fail, names whose server fails, 429, and 5xx. A run's
 * retries are a share of its requests: where everything fails, asking twice for everything mends nothing.
 */
export function retryPassing(settings: RetrySettings, stats: FetchStats): Interceptor {
  let retries = 0;
  return (next) => async (request) => {
    for (let attempt = 0; ; attempt++) {
      const result = await next(request);
      const waitMs = attempt < settings.retries ? waitBeforeRetry(result, attempt, settings) : undefined;
      if (waitMs === undefined || request.budget.leftMs <= 0) return result;
      if (retries >= FREE_RETRIES + settings.maxRetryShare * stats.requests) return result;
      retries++;
      request.trace.phase = 'retry';
      if (waitMs > 0) await settings.clock.sleep(waitMs, request.signal);
    }
  };
}

/** @returns undefined where there is nothing to be had by asking again */
function waitBeforeRetry(
  result: Kept<WebResponse> | Failure,
  attempt: number,
  settings: RetrySettings,
): number | undefined {
  const { clock, maxRetryAfterMs } = settings;
  // Spread over half to one and a half of the mean, so that those who failed together do not come back together.
  const backoffMs = settings.retryBackoffMs * 2 ** attempt * (0.5 + clock.random());
  if (!result.kept) return result.passing ? backoffMs : undefined;
  const { status, headers } = result.value;
  if (status === 429 || status === 503) {
    const asked = parseRetryAfter(headerText(headers, 'retry-after'), clock.now()) ?? 0;
    // The whole domain is left alone meanwhile (DomainLimiter): the next slot comes when its pause is over.
    return asked <= maxRetryAfterMs ? 0 : undefined;
  }
  // 501 and 505 say that the server cannot do this at all (RFC 9110, 15.6).
  return status >= 500 && status !== 501 && status !== 505 ? backoffMs : undefined;
}

/**
 * @param value seconds or a date (RFC 9110, 10.2.3)
 * @param now milliseconds since 1970
 * @returns milliseconds from `now`, at least 0; undefined where there is no legal value
 */
export function parseRetryAfter(value: string | undefined, now: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = /^[A-Z][a-z]{2,8},? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}
