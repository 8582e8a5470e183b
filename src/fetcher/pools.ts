import { Client, type Dispatcher, Pool } from 'undici';

/** Connections to one origin, as undici's Pool has them. */
interface Connections {
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void;
  destroy(): Promise<void>;
}

/**
 * Connections for each origin, made when it is first asked and dropped with its last connection. undici's
 * own Agent does the same, but looks through all of its origins at the end of each connection: with ten thousand of
 * them that was an eighth of the time of a crawl.
 */
export class Pools {
  readonly #options: Pool.Options;
  readonly #origins = new Map<string, Connections>();
  #destroyed = false;

  constructor(options: Pool.Options) {
    this.#options = options;
  }

  /** Origins with connections or requests. */
  get size(): number {
    return this.#origins.size;
  }

  dispatch(origin: string, options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    if (this.#destroyed) throw new Error('The pools are closed.');
    (this.#origins.get(origin) ?? this.#open(origin)).dispatch(options, handler);
  }

  async destroy(): Promise<void> {
    this.#destroyed = true;
    await Promise.all([...this.#origins.values()].map((connections) => connections.destroy()));
    this.#origins.clear();
  }

  #open(origin: string): Connections {
    const drop = () => {
      if (this.#origins.get(origin) === connections) this.#origins.delete(origin);
    };
    const connections: Connections = this.#options.allowH2
      ? openPool(origin, this.#options, drop)
      : new Clients(origin, this.#options, drop);
    this.#origins.set(origin, connections);
    return connections;
  }
}

/** For HTTP/2, which has many requests on one connection. */
function openPool(origin: string, options: Pool.Options, drop: () => void): Pool {
  const pool = new Pool(origin, options);
  const dropUnused = () => {
    const { connected, pending, queued, running } = pool.stats;
    if (connected + pending + queued + running > 0) return;
    drop();
    if (!pool.destroyed) pool.destroy().catch(() => {});
  };
  return pool.on('disconnect', dropUnused).on('connectionError', dropUnused);
}

/**
 * For HTTP/1.1: a connection has one request at a time. Each of undici's pools has a queue with room for 2,048 requests,
 * 16 KiB of memory, though of most hosts a crawl wants one image.
 */
class Clients implements Connections {
  readonly #origin: string;
  readonly #options: Pool.Options;
  readonly #drop: () => void;
  readonly #clients: Client[] = [];

  constructor(origin: string, options: Pool.Options, drop: () => void) {
    this.#origin = origin;
    this.#options = options;
    this.#drop = drop;
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#next().dispatch(options, handler);
  }

  async destroy(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.destroy()));
  }

  /** One that is idle, a new one where there may be more, else the one with the fewest requests. */
  #next(): Client {
    const size = (client: Client | undefined) => client?.stats.size ?? Number.POSITIVE_INFINITY;
    let least: Client | undefined;
    for (const client of this.#clients) if (size(client) < size(least)) least = client;
    if (least && (size(least) === 0 || this.#clients.length >= (this.#options.connections ?? Infinity)))
      return least;
    return this.#open();
  }

  #open(): Client {
    const { connections: _, ...options } = this.#options;
    const client = new Client(this.#origin, options as Client.Options);
    const dropUnused = () => {
      const { connected, size } = client.stats;
      if (connected || size > 0) return;
      const at = this.#clients.indexOf(client);
      if (at >= 0) this.#clients.splice(at, 1);
      if (this.#clients.length === 0) this.#drop();
      if (!client.destroyed) client.destroy().catch(() => {});
    };
    client.on('disconnect', dropUnused).on('connectionError', dropUnused);
    this.#clients.push(client);
    return client;
  }
}
