import { lookup } from 'node:dns/promises';
import type { Readable } from 'node:stream';
import { Agent, request } from 'undici';
import { createAddressGate } from '../../../fetcher/address-gate.ts';
import { createConnector } from '../../../fetcher/connect.ts';
import { DnsFailure, type Resolve } from '../../../fetcher/resolve.ts';
import { GleanerError } from '../../../schema/index.ts';

/** For a name, TCP and TLS together, in milliseconds. */
const CONNECT_MS = 15_000;
/** A server that says nothing for so long is hung up on, in milliseconds. */
const SILENCE_MS = 60_000;

export interface Asked {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Readable;
  readonly signal: AbortSignal;
}

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: AsyncIterable<Uint8Array> & { dump(): Promise<void> };
}

/**
 * The way to a coordinator and to the files that it names. The URLs are somebody else's: they are asked over HTTPS alone, at
 * public addresses alone, but for what the volunteer named itself; no redirect is followed.
 */
export class Outside implements AsyncDisposable {
  readonly #open: ReadonlySet<string>;
  readonly #agent: Agent;
  readonly #destroy: () => void;

  /** @param allowHosts HOST:PORT pairs that the volunteer named */
  constructor(allowHosts: readonly string[]) {
    const gate = createAddressGate({ allowHosts, resolve, identified: true });
    const settings = { connectTimeoutMs: CONNECT_MS, verifyTls: true, http2: false };
    const connector = createConnector(settings, gate, () => undefined);
    this.#open = new Set(allowHosts);
    this.#destroy = () => connector.destroy();
    this.#agent = new Agent({
      connect: connector.connect,
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
    });
  }

  /** @throws GleanerError COORDINATOR_REFUSED for a URL that is not asked; errors of the connection */
  async ask(href: string, { method, headers = {}, body, signal }: Asked): Promise<Answered> {
    const url = URL.parse(href);
    if (!url || !this.#mayAsk(url))
      throw new GleanerError('COORDINATOR_REFUSED', {
        where: url?.origin ?? 'coordinator',
        problem: 'names an address that is not asked: neither https, nor one that --allow-host names',
      });
    const options = { method, headers, signal, dispatcher: this.#agent, ...(body !== undefined && { body }) };
    const answer = await request(url, options);
    return { status: answer.statusCode, headers: answer.headers, body: answer.body };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#destroy();
    await this.#agent.destroy();
  }

  #mayAsk(url: URL): boolean {
    if (url.username !== '' || url.password !== '') return false;
    if (url.protocol === 'https:') return true;
    return url.protocol === 'http:' && isLoopbackName(url.hostname) && this.#open.has(hostPort(url));
  }
}

/** Whether a URL's host is this machine, by its name alone. */
export function isLoopbackName(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** HOST:PORT of a URL, as --allow-host has it. */
export function hostPort(url: URL): string {
  return `${url.hostname.replace(/^\[|\]$/g, '')}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`;
}

const resolve: Resolve = async (host) => {
  try {
    const found = await lookup(host, { all: true });
    return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
  } catch (cause) {
    throw Object.assign(new DnsFailure('no address', true), { cause });
  }
};
