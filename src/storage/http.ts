import ipaddr from 'ipaddr.js';
import { Agent, buildConnector, type Dispatcher, interceptors, request } from 'undici';
import { GleanerError } from '../schema/index.ts';
import { type ObjectFacts, type ObjectReply, type RemoteObject, statusFailure } from './remote.ts';

/** Sites of crawls want to know who asks. */
const USER_AGENT = 'gleaner/0.1 (+https://www.npmjs.com/package/gleaner)';
/** Origins that were named. Others are reached by redirects alone, and those may not lead into a private network. */
const named = new Set<string>();
/** HTTP/1.1 alone: breaking one download off must cost the others nothing. */
const connectAny = buildConnector({ allowH2: false });
const dispatcher = new Agent({ allowH2: false, connect }).compose(
  interceptors.redirect({ maxRedirections: 5 }),
);

function connect(target: buildConnector.Options, callback: buildConnector.Callback): void {
  connectAny(target, (...answer) => {
    const [, socket] = answer;
    const { origin } = new URL(`${target.protocol}//${target.host ?? target.hostname}`);
    // Looked at here, and not where the name is resolved, since only the address connected to counts.
    if (!socket || named.has(origin) || ipaddr.process(socket.remoteAddress ?? '::').range() === 'unicast') {
      callback(...answer);
      return;
    }
    socket.destroy();
    const problem = 'a redirect led to it, and its address is not public; name it yourself';
    callback(new GleanerError('FILE_UNREADABLE', { path: origin, problem }), null);
  });
}

/**
 * A file on a web server, that somebody who runs gleaner has named. Unlike the fetcher's, these requests may go to
 * private addresses: a mirror in one's own network is what they are for.
 *
 * @param url http: or https:, absolute
 */
export function httpObject(url: string): RemoteObject {
  const { origin, pathname } = new URL(url);
  // What stands behind `?` may be a signature: not for logs.
  const name = origin + pathname;
  named.add(origin);

  async function ask(
    method: 'GET' | 'HEAD',
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    return request(url, {
      method,
      dispatcher,
      // Ranges are ranges of the bytes as they are stored; a coding on the way would be another object.
      headers: { 'user-agent': USER_AGENT, 'accept-encoding': 'identity', ...headers },
      signal,
      // Ours is the idle time of streamRemote, which stands still while the reader is busy.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  function refused(response: Dispatcher.ResponseData): Error {
    response.body.on('error', () => undefined).destroy();
    return statusFailure(name, response.statusCode, text(response, 'retry-after'));
  }

  return {
    name,
    async get(start, version, signal, end) {
      const headers = {
        ...((start > 0 || end !== undefined) && { range: rangeOf(start, end) }),
        ...(start > 0 && version !== undefined && { 'if-range': version }),
      };
      const response = await ask('GET', headers, signal);
      const { statusCode: status, body } = response;
      const range = contentRange(text(response, 'content-range'));
      if (status === 200) return replyOf(response, 0, length(response));
      if (status === 206 && range?.start !== undefined) return replyOf(response, range.start, range.total);
      if (status !== 206 && status !== 416) throw refused(response);
      body.on('error', () => undefined).destroy();
      // 416: nothing lies behind `start`. Whether the object ends there, its length tells.
      if (status === 416 && range?.total !== undefined)
        return { ...facts(response, range.total), start, body: nothing(), cancel: () => undefined };
      const problem = `the server answered ${status} without saying which bytes it means`;
      throw new GleanerError('FILE_UNREADABLE', { path: name, problem });
    },
    async head(signal) {
      const response = await ask('HEAD', {}, signal);
      if (response.statusCode !== 200) throw refused(response);
      await response.body.dump();
      return facts(response, length(response));
    },
  };
}

async function* nothing(): AsyncGenerator<Uint8Array, void, undefined> {}

function replyOf(response: Dispatcher.ResponseData, start: number, bytes: number | undefined): ObjectReply {
  const { body } = response;
  // An error may come when nobody waits for a byte; it is thrown where the next is asked for.
  body.on('error', () => undefined);
  return { ...facts(response, bytes), start, body, cancel: () => void body.destroy() };
}

function facts(response: Dispatcher.ResponseData, bytes: number | undefined): ObjectFacts {
  const tag = text(response, 'etag');
  const version = tag ?? text(response, 'last-modified');
  return { bytes, version, strong: tag !== undefined && !tag.startsWith('W/') };
}

function text(response: Dispatcher.ResponseData, name: string): string | undefined {
  const value = response.headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

function length(response: Dispatcher.ResponseData): number | undefined {
  const value = text(response, 'content-length');
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}

/** The value of a Range header for the bytes [start, end), `end` undefined for all that follow (RFC 9110, 14.2). */
export function rangeOf(start: number, end: number | undefined): string {
  return `bytes=${start}-${end === undefined ? '' : end - 1}`;
}

/** As 'bytes 5-9/100', 'bytes 5-9/*' or 'bytes *' + '/100' (RFC 9110, 14.4). */
export function contentRange(
  value: string | undefined,
): { readonly start: number | undefined; readonly total: number | undefined } | undefined {
  const match = /^bytes (?:(\d{1,15})-\d{1,15}|\*)\/(?:(\d{1,15})|\*)$/.exec(value?.trim() ?? '');
  if (!match) return undefined;
  const [, start, total] = match;
  return {
    start: start === undefined ? undefined : Number(start),
    total: total === undefined ? undefined : Number(total),
  };
}
