import { setImmediate as turn } from 'node:timers/promises';
import { type Agent, type Dispatcher, errors } from 'undici';
import { kept } from '../schema/index.ts';
import { orAbort } from './abort.ts';
import { ConnectFailure } from './connect.ts';
import { ACCEPT_ENCODING, decodeContent } from './content-coding.ts';
import {
  type Exchange,
  type Failure,
  failure,
  headerList,
  headerText,
  isRedirect,
  type ResponseHead,
  type WebRequest,
} from './exchange.ts';
import type { WebSettings } from './options.ts';

/** What was asked, and what came. */
export interface FetchStats {
  /** Tries: for images and robots.txt, each redirect and retry by itself. */
  requests: number;
  /** Of bodies, as sent. */
  bytes: number;
}

/** A body that nobody wants is read to its end, so that its connection can be used again, up to here. */
const DRAIN_BYTES = 16 * 1024;
const DRAIN_MS = 500;

/** Formats that can be decoded, before those that a server would otherwise be free to choose. */
const ACCEPT = 'image/jpeg,image/png,image/webp,image/*;q=0.5,*/*;q=0.1';

/** The end of the chain: one request over one connection, within its limits. */
export function createDispatch(
  agent: Agent,
  settings: Pick<WebSettings, 'userAgent' | 'firstByteTimeoutMs' | 'maxHeaderBytes'>,
  stats: FetchStats,
): Exchange {
  return async (request) => {
    request.signal.throwIfAborted();
    if (request.budget.leftMs <= 0) return failure('timeout', 'total');
    const { url } = request;
    const started = performance.now();
    const stop = new AbortController();
    const giveUp = () => stop.abort(request.signal.reason);
    request.signal.addEventListener('abort', giveUp);
    const timer = setTimeout(() => stop.abort(), request.budget.leftMs);
    let head: ResponseHead | undefined;
    try {
      stats.requests++;
      const asked = agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'GET',
        headers: {
          'user-agent': settings.userAgent,
          accept: ACCEPT,
          'accept-encoding': ACCEPT_ENCODING,
        },
        headersTimeout: settings.firstByteTimeoutMs,
        bodyTimeout: 0, // the time left ends a stalled body as well
        signal: stop.signal,
      });
      // undici hears the signal only once a connection stands.
      const response = await orAbort(asked, stop.signal);
      // Destroying a body that is not read to its end makes it emit an error, which says nothing new.
      response.body.on('error', () => {});
      head = { url, status: response.statusCode, headers: response.headers };
      const wanted = head.status === 200;
      const refused = wanted || isRedirect(head.status) ? request.refuse?.(head) : undefined;
      if (refused) {
        response.body.destroy();
        return refused;
      }
      let result: Awaited<ReturnType<Exchange>>;
      if (wanted) result = await readResponse(request, head, response.body, stats);
      else {
        await drain(response.body, stats);
        result = kept({ ...head, body: new Uint8Array() });
      }
      // undici frees a connection one turn after its response: the next request to the host is to find it.
      await turn();
      return result;
    } catch (error) {
      request.signal.throwIfAborted();
      if (stop.signal.aborted) return failure('timeout', head ? 'total, in the body' : 'total');
      return exchangeFailure(error, url, head, settings);
    } finally {
      clearTimeout(timer);
      request.signal.removeEventListener('abort', giveUp);
      request.budget.leftMs -= performance.now() - started;
    }
  };
}

type Body = Dispatcher.ResponseData['body'];

async function readResponse(
  request: WebRequest,
  head: ResponseHead,
  body: Body,
  stats: FetchStats,
): ReturnType<Exchange> {
  const { maxBodyBytes, overflow } = request;
  const codings = headerList(head.headers, 'content-encoding');
  const declared = Number(headerText(head.headers, 'content-length') ?? 0);
  if (declared > maxBodyBytes && overflow === 'fail') {
    body.destroy();
    return failure('body_large', `${declared} bytes`);
  }
  let sent = 0;
  const counted = (async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      sent += chunk.length;
      stats.bytes += chunk.length;
      yield chunk;
      if (sent > maxBodyBytes) return;
    }
  })();
  const decoded = decodeContent(counted, codings);
  if (!decoded) {
    body.destroy();
    return failure('body_broken', `content coding ${codings.join(', ').slice(0, 40)}`);
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of decoded) {
      chunks.push(chunk);
      length += chunk.length;
      if (length > maxBodyBytes) break;
    }
  } catch (error) {
    // A body that was cut at the limit has no proper end; that it is too large is all there is to say.
    if (sent <= maxBodyBytes) throw error;
  } finally {
    // A decoder that is left early cannot end a read that it waits for; this does.
    body.destroy();
  }
  if (sent <= maxBodyBytes && length <= maxBodyBytes) return kept({ ...head, body: concat(chunks) });
  if (overflow === 'truncate') return kept({ ...head, body: concat(chunks).subarray(0, maxBodyBytes) });
  return failure('body_large', `above ${maxBodyBytes} bytes`);
}

/** One array of their own: `Buffer.concat` would hand out a view of a pool that others share. */
function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

async function drain(body: Body, stats: FetchStats): Promise<void> {
  const timer = setTimeout(() => body.destroy(), DRAIN_MS);
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      stats.bytes += chunk.length;
      if (length > DRAIN_BYTES) break;
    }
  } catch {
    // Nobody wanted it.
  } finally {
    clearTimeout(timer);
  }
}

function exchangeFailure(
  error: unknown,
  url: URL,
  head: ResponseHead | undefined,
  settings: Pick<WebSettings, 'maxHeaderBytes'>,
): Failure {
  if (error instanceof ConnectFailure) {
    return failure(error.reason, error.detail, { passing: error.passing, deadHost: url.host });
  }
  if (error instanceof errors.HeadersTimeoutError) return failure('timeout', 'first byte', { passing: true });
  if (error instanceof errors.HeadersOverflowError)
    return failure('connection', `headers above ${settings.maxHeaderBytes} bytes`);
  const code = codeOf(error);
  // undici's SocketError is the other side's orderly end: after the head, the body has not come as announced.
  const broken =
    head !== undefined &&
    (error instanceof errors.SocketError ||
      error instanceof errors.HTTPParserError ||
      error instanceof errors.ResponseContentLengthMismatchError ||
      code.startsWith('Z_') ||
      code.startsWith('ERR_'));
  if (broken) return failure('body_broken', error instanceof errors.SocketError ? 'ended early' : code);
  if (error instanceof errors.SocketError) return failure('connection', 'closed', { passing: true });
  if (error instanceof errors.HTTPParserError) return failure('connection', 'not HTTP');
  return failure('connection', code, { passing: true });
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
