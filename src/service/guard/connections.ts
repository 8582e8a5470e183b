import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { clientOf } from './client.ts';
import type { GuardLimits } from './limits.ts';
import { TokenBuckets } from './token-buckets.ts';

/** Connections of one client at once: a browser opens six, and a house or an office has one address. */
const MAX_PER_CLIENT = 128;
/** Connections in all; each costs some 20 kB. */
const MAX_IN_ALL = 4096;
/** Strikes that a client may have: so many at once, so many a second in the long run. */
const STRIKES = { burst: 100, rate: 1 };

/** Answers to what is no request, by node:http's code; anything else is 400. */
const MALFORMED: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/**
 * Ends connections before anything of them is read: those of a client that has too many, or that goes on sending what is no
 * request, or asking after it was told many times to wait. To read and to answer these costs more than the rest of the
 * service. Behind a trusted proxy all connections are the proxy's, and are let be.
 */
export class Connections {
  readonly #limits: GuardLimits;
  readonly #maxPerClient: number;
  readonly #open = new Map<string, number>();
  readonly #strikes: TokenBuckets;

  constructor(limits: GuardLimits, maxPerClient = MAX_PER_CLIENT) {
    this.#limits = limits;
    this.#maxPerClient = maxPerClient;
    this.#strikes = new TokenBuckets({ ...STRIKES, buckets: limits.clients });
  }

  watch(server: Server): void {
    server.maxConnections = MAX_IN_ALL;
    // Before node:http's own, which has less to do for one that is ended.
    server.prependListener('connection', (socket) => this.#begin(socket));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      this.strike(socket);
      const status = MALFORMED[error.code ?? ''] ?? '400 Bad Request';
      if (socket.writable && error.code !== 'ECONNRESET')
        socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      socket.destroy();
    });
  }

  /** Notes that something came over a connection that nobody sends by mistake for long. */
  strike(socket: Duplex): void {
    const client = this.#clientOf(socket);
    if (client !== undefined) this.#strikes.charge(client, 1);
  }

  #begin(socket: Socket): void {
    const client = this.#clientOf(socket);
    if (client === undefined) return;
    const now = (this.#open.get(client) ?? 0) + 1;
    if (now > this.#maxPerClient || this.#strikes.take(client, 0.01) > 0) {
      socket.resetAndDestroy();
      return;
    }
    this.#open.set(client, now);
    socket.once('close', () => {
      const left = (this.#open.get(client) ?? 1) - 1;
      if (left === 0) this.#open.delete(client);
      else this.#open.set(client, left);
    });
  }

  #clientOf(socket: Duplex): string | undefined {
    const { trustedProxies, exemptLoopback } = this.#limits;
    if (trustedProxies > 0 || !('remoteAddress' in socket)) return undefined;
    const { remoteAddress } = socket;
    if (typeof remoteAddress !== 'string') return undefined;
    const { key, loopback } = clientOf({ socket: { remoteAddress }, headers: {} }, 0);
    return loopback && exemptLoopback ? undefined : key;
  }
}
