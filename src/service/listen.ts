import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';
import { GleanerError } from '../schema/index.ts';

/** For a request to come in whole, in milliseconds: a client that trickles holds no place for long. */
const REQUEST_TIMEOUT_MS = 30_000;
/** How long requests under way are waited for at the end, in milliseconds. */
const CLOSE_TIMEOUT_MS = 5_000;

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
  closeTimeoutMs = CLOSE_TIMEOUT_MS,
): Promise<Listening> {
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT_MS },
    getRequestListener(answer, { overrideGlobalObjects: false }),
  );
  const listening = await listen(server, port, host);
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${listening}/`,
    port: listening,
    close: () => stop(server, closeTimeoutMs),
  };
}

async function listen(server: Server, port: number, host: string): Promise<number> {
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

async function stop(server: Server, timeoutMs: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), timeoutMs);
  await closed;
  clearTimeout(timer);
}
