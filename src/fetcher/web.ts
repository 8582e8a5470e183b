import { dropped, type FetchOutcome, kept } from '../schema/index.ts';
import { createAddressGate } from './address-gate.ts';
import { ByteBudget } from './byte-budget.ts';
import { createConnector } from './connect.ts';
import { NO_CONTACT } from './contact.ts';
import { DeadHosts, refuseDead, watchHosts } from './dead-hosts.ts';
import { fetchDeadlineMs } from './deadline.ts';
import { createDispatch, type FetchStats } from './dispatch.ts';
import { createResolver } from './dns.ts';
import { compose, type Exchange, failure, headerText, type Interceptor } from './exchange.ts';
import { DomainLimiter, limitDomains } from './limit.ts';
import { honourOptOut, OptOut, optOutOf } from './opt-out.ts';
import { usage, type WebSettings, type WebSourceOptions, webSettings } from './options.ts';
import { Pools } from './pools.ts';
import { proxyFor } from './proxy.ts';
import { followRedirects } from './redirect.ts';
import { retryPassing } from './retry.ts';
import { honourRobots, MAX_ROBOTS_REDIRECTS, RobotsGate } from './robots-gate.ts';
import type { ImageSource } from './source.ts';
import { parseTarget } from './target.ts';
import { Trace } from './trace.ts';
import { honourHeaders } from './wishes.ts';

export interface WebSource extends ImageSource {
  /** Counts since the source was made. */
  readonly stats: Readonly<FetchStats>;
}

/** Why a call is given up that has taken all the time there is. */
const DEADLINE = new Error('The deadline of the call has passed.');

/** Idle connections are kept for the next request to their host so long, in milliseconds. */
const KEEP_ALIVE_MS = 4_000;

/**
 * Fetches images over HTTP and HTTPS, from public addresses, within limits, and only where their owners leave it
 * open.
 * @throws GleanerError USAGE for options that cannot be; for a crawl of the open web without a contact
 */
export function createWebSource(options: WebSourceOptions = {}): WebSource {
  const settings = webSettings(options);
  if (!settings.identified && settings.allowHosts.length === 0) throw usage(NO_CONTACT);
  if (!settings.verifyTls)
    settings.onWarning(
      'fetch.verifyTls is false: certificates are not checked, and anybody on the way can put other images in the place of those fetched.',
    );
  const resolver = createResolver(settings.dns, settings.clock);
  const gate = createAddressGate({ ...settings, resolve: settings.resolve ?? resolver.resolve });
  const proxyOf = proxyFor(settings.proxy);
  const connector = createConnector(settings, gate, proxyOf);
  const common = {
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: settings.maxHeaderBytes,
  };
  const direct = new Pools({
    ...common,
    connect: connector.connect,
    allowH2: settings.http2,
    connections: settings.perDomainConcurrency,
  });
  // All http URLs go to one origin there: what bounds them is the limiter.
  const proxied = new Pools({
    ...common,
    connect: connector.connectProxy,
    allowH2: false,
    connections: settings.concurrency,
  });
  const stats: FetchStats = { requests: 0, bytes: 0 };
  const limiter = new DomainLimiter(settings);
  const closing = new AbortController();
  const active = new Set<AbortController>();
  closing.signal.addEventListener('abort', () => {
    for (const controller of active) controller.abort(closing.signal.reason);
  });
  const ways = { direct, proxied, proxyOf, gate };
  const dispatch = createDispatch(ways, settings, stats, new ByteBudget(settings.maxBytesInFlight));
  const exchange = chain(settings, limiter, stats, dispatch, closing.signal);
  const deadlineMs = fetchDeadlineMs(settings);

  const get = async (text: string, signal?: AbortSignal): Promise<FetchOutcome> => {
    closing.signal.throwIfAborted();
    signal?.throwIfAborted();
    const target = parseTarget(text);
    if (!target.kept) return target;
    const trace = new Trace(target.value.href);
    const controller = new AbortController();
    const giveUp = () => controller.abort(signal?.reason);
    const deadline = setTimeout(() => controller.abort(DEADLINE), deadlineMs);
    active.add(controller);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      const result = await exchange({
        url: target.value,
        maxBodyBytes: settings.maxBodyBytes,
        overflow: 'fail',
        budget: { leftMs: settings.totalTimeoutMs },
        trace,
        signal: controller.signal,
      });
      const facts = trace.facts();
      if (!result.kept) return { ...dropped(result.reason, result.detail), facts };
      const { url, status, headers, body } = result.value;
      if (status !== 200) return { ...dropped('http_status', `${status}`), facts };
      const contentType = headerText(headers, 'content-type') ?? '';
      return {
        ...kept({ bytes: body, finalUrl: url.href, contentType, fetchedAt: settings.clock.now() }),
        facts,
      };
    } catch (error) {
      if (error !== DEADLINE) throw error;
      return { ...dropped('timeout', `deadline, ${trace.phase}`), facts: trace.facts() };
    } finally {
      clearTimeout(deadline);
      active.delete(controller);
      signal?.removeEventListener('abort', giveUp);
    }
  };

  return {
    stats,
    get,
    close: async () => {
      closing.abort(new Error('The image source is closed.'));
      limiter.close();
      connector.destroy();
      resolver.close();
      await Promise.all([direct.destroy(), proxied.destroy()]);
    },
  };
}

/** The order of the chain, for images and for robots.txt: what comes first sees a request first. */
function chain(
  settings: WebSettings,
  limiter: DomainLimiter,
  stats: FetchStats,
  dispatch: Exchange,
  closed: AbortSignal,
): Exchange {
  const dead = new DeadHosts(settings);
  const transport = compose(
    // Waiting before a retry holds no slot, so the limit is below it.
    retryPassing(settings, stats),
    refuseDead(dead),
    limitDomains(limiter, settings.clock),
    watchHosts(dead),
  )(dispatch);
  const links: Interceptor[] = [followRedirects(settings.maxRedirects)];
  const { optOut, refuseUrl } = settings;
  if (refuseUrl) links.push(askFirst(refuseUrl));
  links.push(honourOptOut(optOut instanceof OptOut ? optOut : optOutOf(optOut)));
  if (settings.respectRobots) {
    const fetchRobots = followRedirects(MAX_ROBOTS_REDIRECTS)(transport);
    links.push(honourRobots(new RobotsGate(fetchRobots, settings, closed)));
  }
  if (settings.respectHeaders) links.push(honourHeaders(settings.robotsToken));
  return compose(...links)(transport);
}

/** Refuses URLs, those of redirects too, before anything is asked of their host. */
function askFirst(refuse: NonNullable<WebSettings['refuseUrl']>): Interceptor {
  return (next) => async (request) => {
    const refused = refuse(request.url.href);
    return refused ? failure(refused.reason, refused.detail) : next(request);
  };
}
