import type { Kept } from '../schema/index.ts';
import { type Failure, headerText, type Interceptor, type WebResponse } from './exchange.ts';
import type { WebSettings } from './options.ts';

type RetrySettings = Pick<WebSettings, 'retries' | 'retryBackoffMs' | 'maxRetryAfterMs' | 'clock'>;

/** Asks again after what may pass: a connection that failed, and the two statuses that say 'later' (429, 503). */
export function retryPassing(settings: RetrySettings): Interceptor {
  return (next) => async (request) => {
    for (let attempt = 0; ; attempt++) {
      const result = await next(request);
      const waitMs = attempt < settings.retries ? waitBeforeRetry(result, attempt, settings) : undefined;
      if (waitMs === undefined || request.budget.leftMs <= 0) return result;
      await settings.clock.sleep(waitMs, request.signal);
    }
  };
}

function waitBeforeRetry(
  result: Kept<WebResponse> | Failure,
  attempt: number,
  settings: RetrySettings,
): number | undefined {
  const { clock, maxRetryAfterMs } = settings;
  // Spread over half to one and a half of the mean, so that those who failed together do not come back together.
  const backoffMs = settings.retryBackoffMs * 2 ** attempt * (0.5 + clock.random());
  if (!result.kept) return result.passing ? backoffMs : undefined;
  if (result.value.status !== 429 && result.value.status !== 503) return undefined;
  const asked = parseRetryAfter(headerText(result.value.headers, 'retry-after'), clock.now());
  if (asked === undefined) return backoffMs;
  return asked <= maxRetryAfterMs ? asked : undefined;
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
