/** Serves a small web on loopback: one HTTP server a host. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GleanerError } from '../src/schema/index.ts';
import type { Answer, Host, SmallWeb } from './model.ts';
import { homeHtml, type Origins, pageContent, pageHtml, urlOf } from './pages.ts';

/** 127.0.0.1 is the one loopback address that every system has without being told. */
const ADDRESS = '127.0.0.1';

export interface ServeOptions {
  /** Port of the first host, the others follow; 0: any that are free, other ones each time. */
  readonly port: number;
}

export interface ServedWeb {
  readonly origins: Origins;
  /** HOST:PORT of each host, as `--allow-host` takes them. */
  readonly hosts: readonly string[];
  /** From now on the hosts answer as those of `web` do; until then with 404. */
  show(web: SmallWeb): void;
  /** Stops all servers and breaks all connections, stalled ones too. */
  close(): Promise<void>;
}

type Respond = (response: ServerResponse) => void;

/**
 * Opens the ports of a web's hosts: before it is made, because its pages name them, and so that a port that is
 * taken is known at once.
 *
 * @throws GleanerError USAGE where a port cannot be had
 */
export async function openHosts(count: number, options: ServeOptions): Promise<ServedWeb> {
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(closeServer));
  };
  let tables: readonly ReadonlyMap<string, Respond>[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const server = createServer((request, response) => answer(tables[index], request, response));
      await listen(server, options.port === 0 ? 0 : options.port + index);
      servers.push(server);
    }
  } catch (error) {
    await close();
    throw error;
  }
  const hosts = servers.map((server) => `${ADDRESS}:${(server.address() as AddressInfo).port}`);
  const origins = hosts.map((host) => `http://${host}`);
  const show = (web: SmallWeb): void => {
    tables = web.hosts.map((host, index) => responses(web, host, index, origins));
  };
  return { origins, hosts, show, close };
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') return reject(error);
      const problem = `port ${port} on ${ADDRESS}, which the small web needs, cannot be had (${error.code}). Choose others with --web-port, or 0 for any that are free.`;
      reject(new GleanerError('USAGE', { problem }, { cause: error }));
    });
    server.listen(port, ADDRESS, () => resolve());
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function answer(
  table: ReadonlyMap<string, Respond> | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  // Without a date the same request has the same answer, and a crawl of it the same bytes.
  response.sendDate = false;
  const respond = table?.get(request.url ?? '');
  if (respond === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) notFound(response);
  else respond(response);
}

function notFound(response: ServerResponse): void {
  send(
    response,
    404,
    'text/html; charset=utf-8',
    '<!doctype html>\n<title>404</title>\n<p>There is nothing here.\n',
  );
}

function send(response: ServerResponse, status: number, type: string, body: string | Uint8Array): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

/** Everything that one host answers to, by path. */
function responses(web: SmallWeb, host: Host, index: number, origins: Origins): Map<string, Respond> {
  const table = new Map<string, Respond>();
  const html =
    (body: string): Respond =>
    (response) =>
      send(response, 200, 'text/html; charset=utf-8', body);
  const { robots } = host;
  if (robots !== undefined) table.set('/robots.txt', (response) => send(response, 200, 'text/plain', robots));
  table.set('/', html(homeHtml(web, index)));
  for (const page of web.pages) {
    if (page.host === index) table.set(page.path, html(pageHtml(pageContent(web, page, origins))));
  }
  for (const resource of web.resources) {
    if (resource.host === index) table.set(resource.path, respondWith(resource.answer, host, origins));
  }
  return table;
}

function respondWith(answer: Answer, { headers }: Host, origins: Origins): Respond {
  switch (answer.kind) {
    case 'body':
      return (response) => {
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        send(response, 200, answer.type, answer.bytes);
      };
    case 'redirect': {
      const location = urlOf(answer.to, origins);
      return (response) => {
        response.writeHead(answer.status, { Location: location, 'Content-Length': 0 });
        response.end();
      };
    }
    case 'missing':
      return notFound;
    case 'stall':
      // Nothing is ever ended here: the client gives up, or close() breaks the connection.
      return (response) => {
        if (answer.sent === 0) return;
        response.writeHead(200, { 'Content-Type': answer.type, 'Content-Length': answer.bytes.length });
        response.write(answer.bytes.subarray(0, answer.sent));
      };
  }
}
