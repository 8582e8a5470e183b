import { Resolver } from 'node:dns';
import { type Dropped, GleanerError } from '../schema/index.ts';
import { type Clock, systemClock } from './clock.ts';
import { checkContact, isIdentified, userAgentOf } from './contact.ts';
import { DNS_DEFAULTS, type DnsSettings } from './dns.ts';
import type { OptOut } from './opt-out.ts';
import type { Resolve } from './resolve.ts';

/** What bounds, and what guides, fetching from the web. */
export interface WebSourceOptions {
  /**
   * Whom the owners of sites can write to: a mail address or the URL of a page. Without one, here or in `userAgent`,
   * only `allowHosts` are fetched from.
   * @default null
   */
  readonly contact?: string | null;
  /** How gleaner names itself. @default the product with the contact, as 'gleaner/0.1 (+mailto:me@example.com)' */
  readonly userAgent?: string | null;
  /** For what a person has asked for just now: no crawl, and no contact needed. @default false */
  readonly anonymous?: boolean;
  /**
   * The product token that robots.txt and X-Robots-Tag address; letters, '-' and '_'.
   * @default the one that the user agent begins with, as 'gleaner' in 'gleaner/0.1'
   */
  readonly robotsToken?: string;
  /** Honour robots.txt (RFC 9309). @default true */
  readonly respectRobots?: boolean;
  /** Honour X-Robots-Tag and TDM-Reservation. @default true */
  readonly respectHeaders?: boolean;
  /**
   * What is never to be asked for: entries as `OptOut` takes them, or lists that were read by `readOptOut`.
   * @default []
   */
  readonly optOut?: readonly string[] | OptOut;
  /** Asked of each URL, those of redirects too, before anything is asked of its host. @default nothing is refused */
  readonly refuseUrl?: ((href: string) => Dropped | undefined) | undefined;
  /**
   * HOST:PORT pairs (exact; '127.0.0.1:8080', '[::1]:80') that may be fetched although their address is not public.
   * @default []
   */
  readonly allowHosts?: readonly string[];
  /** Refuse servers whose certificate is not valid. Where false, `onWarning` is told. @default true */
  readonly verifyTls?: boolean;
  /** Speak HTTP/2 where a server offers it (ALPN). @default false */
  readonly http2?: boolean;
  /**
   * Ask through this HTTP proxy: its URL, or 'environment' for HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Names are resolved
   * here all the same, and private ones refused.
   * @default null
   */
  readonly proxy?: string | null;
  /** Hears what the operator has to know. @default process.emitWarning */
  readonly onWarning?: (line: string) => void;

  /** Requests in flight, in all; but see `maxStalled`. @default 256 */
  readonly concurrency?: number;
  /** Requests besides that have taken more than a second: each holds a socket and little else. @default 1_024 */
  readonly maxStalled?: number;
  /**
   * Requests in flight at one registrable domain (Public Suffix List), at most: one that answers 429 or 503, or takes
   * too long, gets fewer for a while.
   * @default 4
   */
  readonly perDomainConcurrency?: number;
  /** Least time from the start of one request at a domain to the next one's, in milliseconds. @default 0 */
  readonly perDomainIntervalMs?: number;

  /** Until a connection stands: name resolution, TCP and TLS together, in milliseconds. @default 10_000 */
  readonly connectTimeoutMs?: number;
  /**
   * From the request until the head of the response is there, in milliseconds. Above one second it is kept to half
   * a second or so (undici).
   * @default 10_000
   */
  readonly firstByteTimeoutMs?: number;
  /**
   * For one URL, over all redirects and retries, in milliseconds. Waiting for a slot, for robots.txt or before a
   * retry does not count.
   * @default 30_000
   */
  readonly totalTimeoutMs?: number;
  /**
   * For one URL, what may be spent on waiting for slots, its share of `fetchDeadlineMs`, in milliseconds.
   * @default 60_000
   */
  readonly queueTimeoutMs?: number;
  /** Bytes of bodies that are being read, all together; no request begins while they are used up. @default 134_217_728 */
  readonly maxBytesInFlight?: number;
  /** Largest body, as sent and again after its content encodings are removed, in bytes. @default 20_971_520 */
  readonly maxBodyBytes?: number;
  /** Largest head of a response, in bytes. @default 16_384 */
  readonly maxHeaderBytes?: number;
  /** @default 5 */
  readonly maxRedirects?: number;

  /**
   * Further tries after what may pass: timeouts, connections that fail, DNS servers that fail, 429 and 5xx.
   * @default 1
   */
  readonly retries?: number;
  /** Retries of a run, as a share of its requests; the first hundred are free. @default 0.2 */
  readonly maxRetryShare?: number;
  /**
   * Mean wait before the first retry, in milliseconds; it doubles with each. So long a domain is left alone after a
   * 429 or 503 without Retry-After, too.
   * @default 500
   */
  readonly retryBackoffMs?: number;
  /**
   * Longest Retry-After that is waited for; above it the domain is refused until it is over. In milliseconds.
   * @default 5_000
   */
  readonly maxRetryAfterMs?: number;
  /** A host is cut short after so many requests in a row to which it gave no answer. @default 5 */
  readonly deadAfterFailures?: number;
  /** Time to the first request that finds out whether it is back; it doubles with each. In milliseconds. @default 60_000 */
  readonly deadProbeMs?: number;

  /** Origins whose robots.txt is remembered. @default 10_000 */
  readonly robotsCacheEntries?: number;

  /** How names are resolved. @default the system's servers, with a cache: `DNS_DEFAULTS` */
  readonly dns?: Partial<DnsSettings>;
  /** Resolves host names in place of what `dns` describes. */
  readonly resolve?: Resolve | undefined;
  /** Time and chance. @default the machine's */
  readonly clock?: Clock;
}

/** Options with nothing left open. */
export type WebSettings = Required<Omit<WebSourceOptions, 'resolve' | 'dns' | 'userAgent'>> & {
  readonly userAgent: string;
  readonly identified: boolean;
  readonly dns: DnsSettings;
  readonly resolve: Resolve | undefined;
};

const COUNTS = {
  concurrency: 1,
  maxStalled: 0,
  perDomainConcurrency: 1,
  perDomainIntervalMs: 0,
  connectTimeoutMs: 1,
  firstByteTimeoutMs: 1,
  totalTimeoutMs: 1,
  queueTimeoutMs: 0,
  maxBytesInFlight: 1,
  maxBodyBytes: 1,
  maxHeaderBytes: 1,
  maxRedirects: 0,
  retries: 0,
  retryBackoffMs: 0,
  maxRetryAfterMs: 0,
  deadAfterFailures: 1,
  deadProbeMs: 0,
  robotsCacheEntries: 1,
} as const satisfies { readonly [K in keyof WebSourceOptions]?: 0 | 1 };

/** setTimeout's limit: above it, it fires at once. */
const MAX_COUNT = 2 ** 31 - 1;

const DNS_COUNTS = {
  concurrency: 1,
  timeoutMs: 1,
  minTtlMs: 0,
  maxTtlMs: 0,
  negativeTtlMs: 0,
  cacheEntries: 1,
} as const satisfies { readonly [K in keyof DnsSettings]?: 0 | 1 };

/**
 * Fills in the defaults and checks the rest.
 * @throws GleanerError USAGE for a value that cannot be
 */
export function webSettings(options: WebSourceOptions): WebSettings {
  const userAgent = userAgentOf(options);
  const settings: WebSettings = {
    contact: null,
    anonymous: false,
    identified: options.anonymous === true || isIdentified(options),
    proxy: null,
    robotsToken: /^[a-z_-]+/i.exec(userAgent)?.[0] ?? '',
    respectRobots: true,
    respectHeaders: true,
    optOut: [],
    refuseUrl: undefined,
    allowHosts: [],
    verifyTls: true,
    http2: false,
    onWarning: (line) => process.emitWarning(line, 'GleanerWarning'),
    concurrency: 256,
    maxStalled: 1_024,
    perDomainConcurrency: 4,
    perDomainIntervalMs: 0,
    connectTimeoutMs: 10_000,
    firstByteTimeoutMs: 10_000,
    totalTimeoutMs: 30_000,
    queueTimeoutMs: 60_000,
    maxBytesInFlight: 128 * 1024 * 1024,
    maxBodyBytes: 20 * 1024 * 1024,
    maxHeaderBytes: 16 * 1024,
    maxRedirects: 5,
    retries: 1,
    maxRetryShare: 0.2,
    retryBackoffMs: 500,
    maxRetryAfterMs: 5_000,
    deadAfterFailures: 5,
    deadProbeMs: 60_000,
    robotsCacheEntries: 10_000,
    clock: systemClock,
    resolve: undefined,
    ...options,
    userAgent,
    dns: { ...DNS_DEFAULTS, ...options.dns },
  };
  checkCounts(settings, COUNTS, '');
  checkCounts(settings.dns, DNS_COUNTS, 'dns.');
  checkServers(settings.dns.servers);
  checkContact(settings.contact);
  if (!(settings.maxRetryShare >= 0 && settings.maxRetryShare <= 1))
    throw usage(`maxRetryShare: ${settings.maxRetryShare} is not from 0 to 1.`);
  if (!/^[\x20-\x7e]+$/.test(settings.userAgent))
    throw usage('userAgent: give printable ASCII characters, at least one.');
  if (!/^[a-z_-]+$/i.test(settings.robotsToken))
    throw usage(`robotsToken: "${settings.robotsToken}" has to be letters, '-' and '_' (RFC 9309).`);
  return settings;
}

function checkCounts<K extends string>(
  settings: Readonly<Record<NoInfer<K>, number>>,
  counts: Readonly<Record<K, number>>,
  section: string,
): void {
  for (const name in counts) {
    const [value, least] = [settings[name], counts[name]];
    if (!Number.isSafeInteger(value) || value < least || value > MAX_COUNT)
      throw usage(`${section}${name}: ${value} is not a whole number from ${least} to ${MAX_COUNT}.`);
  }
}

function checkServers(servers: readonly string[]): void {
  try {
    new Resolver().setServers(servers);
  } catch (cause) {
    throw usage(
      `dns.servers: ${servers.join(', ')}: give addresses, as 9.9.9.9, 127.0.0.1:5353 or [::1]:53.`,
      cause,
    );
  }
}

export function usage(problem: string, cause?: unknown): GleanerError<'USAGE'> {
  return new GleanerError('USAGE', { problem }, { cause });
}
