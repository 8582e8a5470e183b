import type { IncomingHttpHeaders } from 'node:http';
import type { Dropped, Kept, Reason } from '../schema/index.ts';
import type { Trace } from './trace.ts';

/** A request to the web, on its way down the chain. */
export interface WebRequest {
  /** http or https, without fragment. */
  readonly url: URL;
  /** In bytes, before and after content encodings. */
  readonly maxBodyBytes: number;
  /** What happens to a body above the limit: the response fails, or ends there. */
  readonly overflow: 'fail' | 'truncate';
  /** Asked before the body of a response with status 200 is read, and for a redirect; a failure leaves it unread. */
  readonly refuse?: (head: ResponseHead) => Failure | undefined;
  /** Shared by everything that is done for one URL. */
  readonly budget: TimeBudget;
  /** Notes what is done for it. */
  readonly trace: Trace;
  readonly signal: AbortSignal;
}

/** Time that is left for working on one URL, in milliseconds; waiting in queues does not use it up. */
export interface TimeBudget {
  leftMs: number;
}

export interface ResponseHead {
  /** The URL that answered. */
  readonly url: URL;
  readonly status: number;
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
}

export interface WebResponse extends ResponseHead {
  /** Content encodings removed; empty where the status is not 200. */
  readonly body: Uint8Array;
}

/** No response, and what the links of the chain have to know about it. */
export interface Failure extends Dropped {
  /** Whether the same request may well succeed a moment later. */
  readonly passing: boolean;
  /** The host that could not be reached at all; undefined where the failure came after a connection stood. */
  readonly deadHost?: string;
}

export function failure(reason: Reason, detail: string, more?: Partial<Failure>): Failure {
  return { kept: false, reason, detail, passing: false, ...more };
}

/**
 * One link of the chain, or all below it: a request in, a response (of any status) or a failure out.
 * @throws the reason of the request's signal, and nothing else
 */
export type Exchange = (request: WebRequest) => Promise<Kept<WebResponse> | Failure>;

/** Puts a behaviour around an exchange. */
export type Interceptor = (next: Exchange) => Exchange;

/** `compose(a, b)(x)` is a(b(x)): the first one sees a request first. */
export function compose(...links: readonly Interceptor[]): Interceptor {
  return (exchange) => links.reduceRight((next, link) => link(next), exchange);
}

/** 301, 302, 303, 307 and 308: the statuses that name another place (RFC 9110, 15.4). */
export function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

/** All values of a header, split at commas where the sender or a proxy joined them. */
export function headerList(headers: IncomingHttpHeaders, name: string): string[] {
  const value = headers[name];
  const lines = value === undefined ? [] : Array.isArray(value) ? value : [value];
  return lines.flatMap((line) => line.split(',')).map((item) => item.trim());
}

/** The first value of a header; undefined where there is none. */
export function headerText(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
