import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Context, MiddlewareHandler } from 'hono';
import { RequestError } from '../errors.ts';
import { Admission } from './admission.ts';
import { type Client, clientOf } from './client.ts';
import { Connections } from './connections.ts';
import { costOf, type GuardLimits } from './limits.ts';
import { BodyBudget, receiveBody } from './receive.ts';
import { requestContext } from './request-context.ts';
import { TokenBuckets } from './token-buckets.ts';

/** What node:http gives for a request; absent where a test asks the routes without a socket. */
interface Connection {
  readonly incoming: IncomingMessage & { rawBody?: Buffer };
  readonly outgoing: ServerResponse;
}

/**
 * What stands between a socket and the routes: prices, bodies, places, deadlines. In this order, since what comes first is
 * cheapest to refuse: a client above its rate is answered before its body is read, and a body is whole before it asks for a
 * place, so that slow clients hold none.
 */
export class Guard {
  readonly limits: GuardLimits;
  readonly admission: Admission;
  readonly bodies: BodyBudget;
  readonly connections: Connections;
  readonly #clients: TokenBuckets;
  readonly #onNotice: (line: string) => void;
  #noticed = false;
  #draining = false;

  /** @param onNotice told what the operator should set otherwise, once */
  constructor(limits: GuardLimits, onNotice: (line: string) => void = () => undefined) {
    this.limits = limits;
    this.admission = new Admission(limits);
    this.bodies = new BodyBudget(limits.maxBodyBytesInAll);
    this.connections = new Connections(limits);
    this.#clients = new TokenBuckets({ rate: limits.rate, burst: limits.burst, buckets: limits.clients });
    this.#onNotice = onNotice;
  }

  /** Clients that are remembered. */
  get clients(): number {
    return this.#clients.size;
  }

  /** Whether the service is about to end: it answers, and says that it is not to be asked any more. */
  get draining(): boolean {
    return this.#draining;
  }

  drain(): void {
    this.#draining = true;
  }

  /** Who asks; undefined for one without limits of its own. */
  clientOf(c: Context): string | undefined {
    const connection = connectionOf(c);
    return connection && this.#limited(connection);
  }

  middleware(): MiddlewareHandler {
    return async (c, next) => {
      const connection = connectionOf(c);
      if (this.#draining) c.header('Connection', 'close');
      if (!connection) return next();
      const client = this.#limited(connection);
      const { cost, search } = costOf(c.req.method, c.req.path);
      const seconds = client === undefined ? 0 : this.#clients.take(client, cost);
      if (seconds > 0)
        throw new RequestError(429, 'too many requests: ask again later, and less often', seconds);
      const { incoming, outgoing } = connection;
      const hasBody = c.req.method !== 'GET' && c.req.method !== 'HEAD';
      if (!hasBody && !search) return next();
      const body = hasBody ? await this.#receive(c, incoming) : undefined;
      if (body) incoming.rawBody = body;
      try {
        await this.#answer(outgoing, client, search, next);
      } finally {
        if (body) this.bodies.giveBack(body.length);
      }
    };
  }

  async #receive(c: Context, incoming: IncomingMessage): Promise<Buffer> {
    try {
      return await receiveBody(incoming, this.limits.maxBodyBytes, this.bodies);
    } catch (error) {
      this.connections.strike(incoming.socket);
      // What is left of the body is not worth reading.
      c.header('Connection', 'close');
      throw error;
    }
  }

  /** Runs the routes in their place and time. */
  async #answer(
    outgoing: ServerResponse,
    client: string | undefined,
    search: boolean,
    next: () => Promise<void>,
  ): Promise<void> {
    const controller = new AbortController();
    const { signal } = controller;
    const gone = () => controller.abort(new RequestError(408, 'the client has gone'));
    const { deadlineMs } = this.limits;
    const timer = setTimeout(
      () => controller.abort(new RequestError(503, 'this takes too long: try again later', 5)),
      deadlineMs,
    );
    outgoing.once('close', gone);
    let leave: (() => void) | undefined;
    try {
      leave = search ? await this.admission.enter(client, signal) : undefined;
      const charge = (cost: number) => {
        if (client !== undefined) this.#clients.charge(client, cost);
      };
      const work = requestContext.run({ signal, charge }, next);
      // The place is given back when the work ends, which may be after its answer was given up.
      if (leave) work.finally(leave).catch(() => undefined);
      leave = undefined;
      await Promise.race([work, aborted(signal)]);
    } finally {
      leave?.();
      clearTimeout(timer);
      outgoing.off('close', gone);
    }
  }

  #limited({ incoming }: Connection): string | undefined {
    const { trustedProxies, exemptLoopback } = this.limits;
    const client: Client = clientOf(incoming, trustedProxies);
    if (!client.loopback || !exemptLoopback) return client.key;
    if (!this.#noticed && incoming.headers['x-forwarded-for'] !== undefined) {
      this.#noticed = true;
      this.#onNotice(
        "a proxy on this machine forwards requests: give '--trust-proxy 1', so that limits hold for each client behind it.",
      );
    }
    return undefined;
  }
}

function connectionOf(c: Context): Connection | undefined {
  const { incoming, outgoing }: Partial<Connection> = c.env ?? {};
  return incoming && outgoing ? { incoming, outgoing } : undefined;
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
