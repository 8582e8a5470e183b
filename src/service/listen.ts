import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { GleanerError } from '../schema/index.ts';

/**
 * What a connection may be and how long, by the names of node:http. A request has to come in whole within half a minute, its
 * head within ten seconds (20 MB of body at 6 Mbit/s): a client that trickles is ended. One that is open and idle, or takes no
 * byte of its answer, is ended too.
 */
const SERVER_OPTIONS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  connectionsCheckingInterval: 1_000,
  keepAliveTimeout: 15_000,
  maxHeaderSize: 16 << 10,
} as const;
/** A socket on which nothing moves for so long is ended, in milliseconds: longer than any answer takes. */
const IDLE_TIMEOUT_MS = 90_000;
/** How long requests under way are waited for at the end, in milliseconds: less than the 10 s after which Docker kills. */
const CLOSE_TIMEOUT_MS = 8_000;

export interface ListenOptions {
  /** How long `close` waits for requests under way, in milliseconds. @default 8_000 */
  readonly closeTimeoutMs?: number | undefined;
  /** Options of node:http's server in place of ours. */
  readonly server?: ServerOptions;
  /** Watches the connections of the server. */
  readonly watch?: (server: Server) => void;
  /** Certificate chain and key, PEM: it speaks HTTPS then. */
  readonly tls?: { readonly cert: Uint8Array; readonly key: Uint8Array } | undefined;
}

export interface Listening {
  /** Where the page is, as 'http://127.0.0.1:1234/'. */
  readonly url: string;
  readonly port: number;
  /** Ends the requests under way. To be called once. */
  close(): Promise<void>;
}

/**
 * Answers HTTP requests at an address of this machine.
 *
 * @param port 0 for any that is free
 * @throws GleanerError PORT_IN_USE; USAGE where nothing can listen there
 */
export async function listenOn(
  answer: Hono['fetch'],
  port: number,
  host: string,
  { closeTimeoutMs = CLOSE_TIMEOUT_MS, server: options, watch, tls }: ListenOptions = {},
): Promise<Listening> {
  const all = { ...SERVER_OPTIONS, ...options };
  const listener = getRequestListener(answer, { overrideGlobalObjects: false });
  const server = tls ? secureServer({ ...all, ...pem(tls) }, listener) : createServer(all, listener);
  server.timeout = IDLE_TIMEOUT_MS;
  const sockets = new Sockets(server);
  if (!('setSecureContext' in server)) watch?.(server);
  const listening = await listen(server, port, host);
  return {
    url: `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${listening}/`,
    port: listening,
    close: () => stop(server, sockets, closeTimeoutMs),
  };
}

type AnyServer = Server | TlsServer;

/** @throws GleanerError USAGE where certificate or key are none */
function secureServer(
  options: Parameters<typeof createTlsServer>[0],
  listener: ReturnType<typeof getRequestListener>,
): TlsServer {
  try {
    return createTlsServer(options, listener);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    throw new GleanerError(
      'USAGE',
      { problem: `--tls-cert, --tls-key: they are no certificate with its key (${problem}).` },
      { cause },
    );
  }
}

function pem({ cert, key }: NonNullable<ListenOptions['tls']>): { cert: Buffer; key: Buffer } {
  return { cert: Buffer.from(cert), key: Buffer.from(key) };
}

async function listen(server: AnyServer, port: number, host: string): Promise<number> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE')
      throw new GleanerError('PORT_IN_USE', { port, host, option: '--port' }, { cause });
    if (cause instanceof Error && 'code' in cause)
      throw new GleanerError(
        'USAGE',
        { problem: `--host ${host} --port ${port}: cannot listen there (${cause.code}).` },
        { cause },
      );
    throw cause;
  }
  const address = server.address();
  return typeof address === 'object' && address ? address.port : port;
}

/** Sockets of a server, and how many requests each has open: node:http closes idle ones only after their first request. */
class Sockets {
  readonly #requests = new Map<Socket, number>();
  #ending = false;

  constructor(server: AnyServer) {
    // Of TLS the sockets that requests come from are those within.
    server.on('setSecureContext' in server ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#requests.set(socket, 0);
      socket.once('close', () => this.#requests.delete(socket));
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.#count(socket, 1);
      response.once('close', () => this.#count(socket, -1));
    });
  }

  /** Ends those without a request at once, and all others as theirs are answered. */
  endIdle(): void {
    this.#ending = true;
    for (const [socket, requests] of this.#requests) if (requests === 0) socket.destroy();
  }

  #count(socket: Socket, by: 1 | -1): void {
    const now = this.#requests.get(socket);
    if (now === undefined) return;
    this.#requests.set(socket, now + by);
    if (this.#ending && now + by === 0) socket.destroySoon();
  }
}

async function stop(server: AnyServer, sockets: Sockets, timeoutMs: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  sockets.endIdle();
  const timer = setTimeout(() => server.closeAllConnections(), timeoutMs);
  await closed;
  clearTimeout(timer);
}
