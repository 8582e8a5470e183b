import type { Server } from 'node:net';
import { clientOf } from './client.ts';
import type { GuardLimits } from './limits.ts';

/** Connections of one client at once: a browser opens six, and a house or an office has one address. */
const MAX_PER_CLIENT = 128;
/** Connections in all; each costs some 20 kB. */
const MAX_IN_ALL = 4096;

/** Ends connections of a client that has too many already, before anything of them is read. */
export class ConnectionLimit {
  readonly #open = new Map<string, number>();
  readonly #limits: Pick<GuardLimits, 'trustedProxies' | 'exemptLoopback'>;
  readonly #maxPerClient: number;
  #inAll = 0;

  constructor(limits: Pick<GuardLimits, 'trustedProxies' | 'exemptLoopback'>, maxPerClient = MAX_PER_CLIENT) {
    this.#limits = limits;
    this.#maxPerClient = maxPerClient;
  }

  get open(): number {
    return this.#inAll;
  }

  watch(server: Server): void {
    server.maxConnections = MAX_IN_ALL;
    server.on('connection', (socket) => {
      this.#inAll++;
      socket.once('close', () => this.#inAll--);
      const { trustedProxies, exemptLoopback } = this.#limits;
      // All connections are the proxy's, and how many it opens is its operator's to say.
      if (trustedProxies > 0) return;
      const { key, loopback } = clientOf({ socket, headers: {} }, 0);
      if (loopback && exemptLoopback) return;
      const now = (this.#open.get(key) ?? 0) + 1;
      this.#open.set(key, now);
      socket.once('close', () => {
        const left = (this.#open.get(key) ?? 1) - 1;
        if (left === 0) this.#open.delete(key);
        else this.#open.set(key, left);
      });
      if (now > this.#maxPerClient) socket.destroy();
    });
  }
}
