import { setImmediate as turn } from 'node:timers/promises';
import { errors } from 'undici';
import { orAbort } from './abort.ts';
import type { AddressGate } from './address-gate.ts';
import { drainBody, readBody } from './body.ts';
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
import { Reception } from './reception.ts';
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

/** Why a request is given up whose URL has had all of its time. */
const OUT_OF_TIME = new Error('The time for this URL is over.');

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
    signal.throwIfAborted();
    trace.phase = 'request';
    const held = memory.open();
    const began = performance.now();
    const connectedBefore = trace.dnsMs + trace.connectMs;
    let head: ResponseHead | undefined;
    trace.url = url.href;
    trace.status = null;
    trace.tries++;
    stats.requests++;

    const reception = new Reception((status, headers, enough) => {
      head = { url, status, headers };
      trace.status = status;
      const connectingMs = trace.dnsMs + trace.connectMs - connectedBefore;
      trace.firstByteMs += Math.max(0, performance.now() - began - connectingMs);
      const reading = { request, head, count, held, waiting, enough };
      const refused = refuse(request, head);
      if (refused) enough(refused);
      return status === 200 ? readBody(reading) : drainBody(reading);
    });
    const giveUp = () => reception.abort(signal.reason);
    const time = new Countdown(request.budget, () => reception.abort(OUT_OF_TIME));
    signal.addEventListener('abort', giveUp);
    try {
      await send(request, reception);
      const result = await reception.result;
      // undici frees a connection one turn after its response: the next request to the host is to find it.
      await turn();
      return result;
    } catch (error) {
      signal.throwIfAborted();
      if (error === OUT_OF_TIME) return failure('timeout', head ? 'total, in the body' : 'total');
      return exchangeFailure(error, url, head, settings);
    } finally {
      time.pause();
      held.release();
      signal.removeEventListener('abort', giveUp);
      trace.workMs += performance.now() - began;
    }

    function count(bytes: number): void {
      stats.bytes += bytes;
      trace.wireBytes += bytes;
    }

    /** Waiting for memory is our own doing: the time of the URL does not run. */
    async function waiting(wait: Promise<void>): Promise<void> {
      time.pause();
      trace.phase = 'memory';
      const since = performance.now();
      await orAbort(wait, signal);
      trace.workMs -= performance.now() - since;
      trace.phase = 'request';
      time.resume();
    }
  };

  function refuse(request: WebRequest, head: ResponseHead): Failure | undefined {
    // Over HTTP/1.1 the parser has counted.
    if (settings.http2 && headerBytes(head.headers) > settings.maxHeaderBytes)
      return headerOverflow(settings);
    return head.status === 200 || isRedirect(head.status) ? request.refuse?.(head) : undefined;
  }

  async function send({ url, trace, signal }: WebRequest, reception: Reception): Promise<void> {
    const headers = {
      'user-agent': settings.userAgent,
      accept: ACCEPT,
      'accept-encoding': ACCEPT_ENCODING,
    };
    const common = {
      method: 'GET',
      headersTimeout: settings.firstByteTimeoutMs,
      bodyTimeout: 0, // the time left ends a stalled body as well
    } as const;
    const proxy = url.protocol === 'http:' ? ways.proxyOf(url) : undefined;
    if (!proxy) {
      const path = url.pathname + url.search;
      currentTrace.run(trace, () =>
        ways.direct.dispatch(url.origin, { ...common, path, headers }, reception),
      );
      return;
    }
    const host = url.hostname.replace(/^\[|\]$/g, '');
    await orAbort(ways.gate.check(host, Number(url.port || 80)), signal);
    const authorization = proxyAuthorization(proxy);
    const proxied = {
      ...common,
      path: url.href, // RFC 9112, 3.2.2: the absolute form, for proxies
      headers: {
        ...headers,
        host: url.host,
        ...(authorization && { 'proxy-authorization': authorization }),
      },
    };
    currentTrace.run(trace, () => ways.proxied.dispatch(proxy.origin, proxied, reception));
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
