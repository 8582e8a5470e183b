import { setImmediate as turn } from 'node:timers/promises';
import { type Dispatcher, errors } from 'undici';
import { kept } from '../schema/index.ts';
import { orAbort } from './abort.ts';
import type { AddressGate } from './address-gate.ts';
import { type Body, drain, readBody } from './body.ts';
import type { ByteBudget } from './byte-budget.ts';
import { ConnectFailure } from './connect-failure.ts';
import { ACCEPT_ENCODING } from './content-coding.ts';
import { Countdown } from './countdown.ts';
import {
  type Exchange,
  type Failure,
  failure,
  isRedirect,
  type ResponseHead,
  type WebRequest,
} from './exchange.ts';
import type { WebSettings } from './options.ts';
import type { Pools } from './pools.ts';
import { type ProxyFor, proxyAuthorization } from './proxy.ts';
import { currentTrace } from './trace.ts';

/** What was asked, and what came. */
export interface FetchStats {
  /** Tries: for images and robots.txt, each redirect and retry by itself. */
  requests: number;
  /** Of bodies, as sent. */
  bytes: number;
}

/** Formats that can be decoded, before those that a server would otherwise be free to choose. */
const ACCEPT = 'image/jpeg,image/png,image/webp,image/*;q=0.5,*/*;q=0.1';

/** The ways out. */
export interface Ways {
  /** To origins, through tunnels where there are any. */
  readonly direct: Pools;
  /** To proxies, which are asked for http URLs as a whole. */
  readonly proxied: Pools;
  readonly proxyOf: ProxyFor;
  readonly gate: AddressGate;
}

type DispatchSettings = Pick<WebSettings, 'userAgent' | 'firstByteTimeoutMs' | 'maxHeaderBytes' | 'http2'>;

/** The end of the chain: one request over one connection, within its limits. */
export function createDispatch(
  ways: Ways,
  settings: DispatchSettings,
  stats: FetchStats,
  memory: ByteBudget,
): Exchange {
  return async (request) => {
    const { url, trace, signal } = request;
    signal.throwIfAborted();
    if (request.budget.leftMs <= 0) return failure('timeout', 'total');
    trace.phase = 'memory';
    await memory.room(signal);
    trace.phase = 'request';
    const held = memory.open();
    const stop = new AbortController();
    const giveUp = () => stop.abort(signal.reason);
    signal.addEventListener('abort', giveUp);
    const time = new Countdown(request.budget, () => stop.abort());
    const began = performance.now();
    let head: ResponseHead | undefined;
    trace.url = url.href;
    trace.status = null;
    trace.tries++;
    stats.requests++;
    try {
      const response = await ask(request, stop.signal);
      head = { url, status: response.statusCode, headers: response.headers };
      trace.status = head.status;
      const result = await answer(head, response.body);
      // undici frees a connection one turn after its response: the next request to the host is to find it.
      await turn();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      if (stop.signal.aborted) return failure('timeout', head ? 'total, in the body' : 'total');
      return exchangeFailure(error, url, head, settings);
    } finally {
      time.pause();
      held.release();
      signal.removeEventListener('abort', giveUp);
      trace.workMs += performance.now() - began;
    }

    async function answer(head: ResponseHead, body: Body): ReturnType<Exchange> {
      // Destroying a body that is not read to its end makes it emit an error, which says nothing new.
      body.on('error', () => {});
      // Over HTTP/1.1 the parser has counted.
      if (settings.http2 && headerBytes(head.headers) > settings.maxHeaderBytes) {
        body.destroy();
        return headerOverflow(settings);
      }
      const wanted = head.status === 200;
      const refused = wanted || isRedirect(head.status) ? request.refuse?.(head) : undefined;
      if (refused) {
        body.destroy();
        return refused;
      }
      const count = (bytes: number) => {
        stats.bytes += bytes;
        trace.wireBytes += bytes;
      };
      if (wanted) return readBody({ request, head, body, count, held, waiting });
      await drain(body, count);
      return kept({ ...head, body: new Uint8Array() });
    }

    /** Waiting for memory is our own doing: the time of the URL does not run. */
    async function waiting(wait: Promise<void>): Promise<void> {
      time.pause();
      trace.phase = 'memory';
      const since = performance.now();
      await orAbort(wait, stop.signal);
      trace.workMs -= performance.now() - since;
      trace.phase = 'request';
      time.resume();
    }
  };

  async function ask({ url, trace }: WebRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const began = performance.now();
    const connectedBefore = trace.dnsMs + trace.connectMs;
    const headers = {
      'user-agent': settings.userAgent,
      accept: ACCEPT,
      'accept-encoding': ACCEPT_ENCODING,
    };
    const common = {
      method: 'GET',
      headersTimeout: settings.firstByteTimeoutMs,
      bodyTimeout: 0, // the time left ends a stalled body as well
      signal,
    } as const;
    const proxy = url.protocol === 'http:' ? ways.proxyOf(url) : undefined;
    if (proxy)
      await orAbort(ways.gate.check(url.hostname.replace(/^\[|\]$/g, ''), Number(url.port || 80)), signal);
    const authorization = proxy && proxyAuthorization(proxy);
    const asked = currentTrace.run(trace, () =>
      proxy
        ? ways.proxied.request(proxy.origin, {
            ...common,
            path: url.href, // RFC 9112, 3.2.2: the absolute form, for proxies
            headers: {
              ...headers,
              host: url.host,
              ...(authorization && { 'proxy-authorization': authorization }),
            },
          })
        : ways.direct.request(url.origin, { ...common, path: url.pathname + url.search, headers }),
    );
    // undici hears the signal only once a connection stands.
    const response = await orAbort(asked, signal);
    const connectingMs = trace.dnsMs + trace.connectMs - connectedBefore;
    trace.firstByteMs += Math.max(0, performance.now() - began - connectingMs);
    return response;
  }
}

function exchangeFailure(
  error: unknown,
  url: URL,
  head: ResponseHead | undefined,
  settings: DispatchSettings,
): Failure {
  if (error instanceof ConnectFailure) {
    return failure(error.reason, error.detail, { passing: error.passing, deadHost: url.host });
  }
  if (error instanceof errors.HeadersTimeoutError) return failure('timeout', 'first byte', { passing: true });
  if (error instanceof errors.HeadersOverflowError) return headerOverflow(settings);
  const code = codeOf(error);
  // undici's SocketError is the other side's orderly end: after the head, the body has not come as announced.
  const early =
    error instanceof errors.SocketError || error instanceof errors.ResponseContentLengthMismatchError;
  if (head && early) return failure('body_broken', 'ended early');
  if (head && (error instanceof errors.HTTPParserError || /^(?:Z|ERR)_/.test(code)))
    return failure('body_broken', code);
  if (error instanceof errors.SocketError) return failure('connection', 'closed', { passing: true });
  if (error instanceof errors.HTTPParserError) return failure('connection', 'not HTTP');
  return failure('connection', code, { passing: true });
}

function headerOverflow({ maxHeaderBytes }: DispatchSettings): Failure {
  return failure('connection', `headers above ${maxHeaderBytes} bytes`);
}

/** As lines of HTTP/1.1 would have them: 'name: value' and an end. */
function headerBytes(headers: ResponseHead['headers']): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(headers))
    for (const line of Array.isArray(value) ? value : [value ?? ''])
      bytes += name.length + String(line).length + 4;
  return bytes;
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
