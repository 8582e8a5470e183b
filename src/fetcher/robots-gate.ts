import { orAbort } from './abort.ts';
import { causeOf, deadFailure } from './dead-hosts.ts';
import { type Exchange, type Failure, failure, type Interceptor } from './exchange.ts';
import type { WebSettings } from './options.ts';
import { MAX_ROBOTS_BYTES, NO_RULES, parseRobots, RobotsRules } from './robots.ts';
import { Trace } from './trace.ts';

/** A robots.txt is used for at most a day (RFC 9309, 2.4). */
const MAX_AGE_MS = 24 * 60 * 60 * 1000;

/** One that could not be had is asked for again after this. */
const UNREACHABLE_AGE_MS = 10 * 60 * 1000;

/** RFC 9309, 2.3.1.2: at least five in a row are followed. */
export const MAX_ROBOTS_REDIRECTS = 5;

/** Patterns kept in memory, over all origins, in characters: hostile files are thrown out before they fill it. */
const MAX_CACHE_CHARS = 64 * 1024 * 1024;

interface Entry {
  readonly verdict: Promise<RobotsRules | Failure>;
  /** By the clock; a file that is still under way does not expire. */
  expires: number;
  size: number;
}

type GateSettings = Pick<
  WebSettings,
  'robotsToken' | 'robotsCacheEntries' | 'totalTimeoutMs' | 'deadProbeMs' | 'clock'
>;

/** What the robots.txt of each origin says, asked for once and shared. */
export class RobotsGate {
  readonly #fetch: Exchange;
  readonly #settings: GateSettings;
  readonly #signal: AbortSignal;
  /** The longest unused first. */
  readonly #entries = new Map<string, Entry>();
  #chars = 0;

  /**
   * @param fetch follows redirects, up to MAX_ROBOTS_REDIRECTS
   * @param signal gives up what is under way, for all who wait
   */
  constructor(fetch: Exchange, settings: GateSettings, signal: AbortSignal) {
    this.#fetch = fetch;
    this.#settings = settings;
    this.#signal = signal;
  }

  /** undefined where `url` may be fetched. Rejects with the signal's reason. */
  async refusal(url: URL): Promise<Failure | undefined> {
    const entry = this.#entry(url);
    const old = entry.expires !== Number.POSITIVE_INFINITY;
    const verdict = await entry.verdict;
    if (verdict instanceof RobotsRules) return verdict.allows(url) ? undefined : failure('robots', url.host);
    // Who did not wait for the host to fail is refused because it had failed.
    return old && verdict.passing ? deadFailure(url.host, causeOf(verdict)) : verdict;
  }

  #entry(url: URL): Entry {
    const known = this.#entries.get(url.origin);
    if (known) this.#forget(url.origin, known);
    const fresh = known && known.expires > this.#settings.clock.now() ? known : this.#ask(url);
    this.#entries.set(url.origin, fresh);
    this.#chars += fresh.size;
    this.#trim();
    return fresh;
  }

  #ask({ origin }: URL): Entry {
    const verdict = this.#read(new URL('/robots.txt', origin));
    const entry: Entry = { verdict, expires: Number.POSITIVE_INFINITY, size: 0 };
    verdict.then(
      (result) => {
        const good = result instanceof RobotsRules;
        const { clock, deadProbeMs } = this.#settings;
        const soon = !good && (result.passing || result.reason === 'host_down');
        entry.expires = clock.now() + (good ? MAX_AGE_MS : soon ? deadProbeMs : UNREACHABLE_AGE_MS);
        if (!good || this.#entries.get(origin) !== entry) return;
        entry.size = result.size;
        this.#chars += entry.size;
        this.#trim();
      },
      () => this.#forget(origin, entry),
    );
    return entry;
  }

  async #read(url: URL): Promise<RobotsRules | Failure> {
    const result = await this.#fetch({
      url,
      maxBodyBytes: MAX_ROBOTS_BYTES + 1,
      overflow: 'truncate',
      budget: { leftMs: this.#settings.totalTimeoutMs },
      trace: new Trace(url.href),
      signal: this.#signal,
    });
    if (result.kept) {
      const { status, body } = result.value;
      if (status >= 500) return failure('robots', `${status}`);
      return status === 200 ? parseRobots(body, this.#settings.robotsToken) : NO_RULES;
    }
    // Redirects that lead nowhere say no more than a file that is not there (RFC 9309, 2.3.1.2).
    if (result.reason === 'redirects') return NO_RULES;
    // A host that cannot be reached has closed nothing: the image would fail in the same way, so that is its reason.
    if (result.deadHost === url.host) return result;
    return failure('robots', 'unreachable');
  }

  #forget(origin: string, entry: Entry): void {
    if (this.#entries.get(origin) !== entry) return;
    this.#entries.delete(origin);
    this.#chars -= entry.size;
  }

  #trim(): void {
    for (const [origin, entry] of this.#entries) {
      if (this.#entries.size <= this.#settings.robotsCacheEntries && this.#chars <= MAX_CACHE_CHARS) return;
      this.#forget(origin, entry);
    }
  }
}

/** Lets only that pass which robots.txt leaves open. */
export function honourRobots(gate: RobotsGate): Interceptor {
  return (next) => async (request) => {
    request.trace.phase = 'robots.txt';
    return (await orAbort(gate.refusal(request.url), request.signal)) ?? next(request);
  };
}
