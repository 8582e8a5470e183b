import type { Server } from 'node:http';
import ipaddr from 'ipaddr.js';
import type { FleetReader } from '../../executors/fleet/status/index.ts';
import { Guard, guardLimits } from '../guard/index.ts';
import { type Listening, listenOn } from '../listen.ts';
import { createFleetApp } from './fleet-app.ts';
import { FleetMetrics } from './fleet-metrics.ts';
import { LiveStatus } from './live-status.ts';

export interface ServeFleetOptions {
  /** 0 for any that is free. */
  readonly port: number;
  /** @default '127.0.0.1': nobody but this machine */
  readonly host?: string;
}

/**
 * Serves what a fleet does as a page, as JSON and as metrics. At an address that others can reach it leaves out what is not theirs.
 * @param reader whose looks at the database it shares among all who ask
 * @throws GleanerError PORT_IN_USE; USAGE where nothing can listen there
 */
export async function serveFleet(
  reader: Pick<FleetReader, 'read'>,
  { port, host = '127.0.0.1' }: ServeFleetOptions,
): Promise<Listening> {
  const metrics = new FleetMetrics();
  const live = new LiveStatus(reader, (status) => metrics.take(status));
  const guard = new Guard(guardLimits());
  try {
    const app = await createFleetApp({ live, metrics, guard, host, isPublic: !isLoopback(host) });
    const watch = (server: Server) => guard.connections.watch(server);
    const listening = await listenOn(app.fetch, port, host, { watch });
    void live.read().catch(() => undefined);
    return {
      ...listening,
      async close() {
        guard.drain();
        live[Symbol.dispose]();
        await listening.close();
      },
    };
  } catch (error) {
    live[Symbol.dispose]();
    throw error;
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || (ipaddr.isValid(host) && ipaddr.parse(host).range() === 'loopback');
}
