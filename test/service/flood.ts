import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';

export interface FloodOptions {
  readonly url: string;
  /** How long, in milliseconds. */
  readonly ms: number;
  /** Connections of each kind of mischief. */
  readonly width: number;
  /** Where the flood and the good clients come from: addresses that the service tells apart. */
  readonly from: { readonly flood: readonly string[]; readonly good: readonly string[] };
  /** A body of a search that is answered with 200. */
  readonly query: unknown;
}

export interface FloodResult {
  /** Answers to good clients by status; 0: none came. */
  readonly good: ReadonlyMap<number, number>;
  /** Answers to good clients, in milliseconds, ascending. */
  readonly times: readonly number[];
  /** What was sent to disturb them, by kind. */
  readonly sent: ReadonlyMap<string, number>;
}

/**
 * Good clients that search, look at a picture and read a row one after the other, beside a flood of requests that are malformed,
 * huge, slow, half-closed, pipelined, or just too many.
 */
export async function flood({ url, ms, width, from, query }: FloodOptions): Promise<FloodResult> {
  const { port, hostname } = new URL(url);
  const end = performance.now() + ms;
  const running = () => performance.now() < end;
  const sent = new Map<string, number>();
  const open = new Set<Socket>();

  /** Opens connections of a kind again and again; `speak` returns when it has said what it had to say. */
  const many = (kind: string, speak: (socket: Socket) => Promise<unknown> | unknown) =>
    Array.from({ length: width }, async (_, i) => {
      const localAddress = from.flood[i % from.flood.length] ?? '';
      while (running()) {
        const socket = connect({ port: Number(port), host: hostname, localAddress });
        open.add(socket);
        const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
        socket.on('error', () => undefined).resume();
        sent.set(kind, (sent.get(kind) ?? 0) + 1);
        await Promise.race([closed, speak(socket)]);
        await Promise.race([closed, setTimeout(20)]);
        socket.destroy();
        open.delete(socket);
      }
    });
  const head = (length: number | string, path = '/knn-service') =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;
  const search = JSON.stringify(query);
  const trickle = async (socket: Socket, bytes: string) => {
    for (let i = 0; running() && !socket.destroyed; i = (i + 1) % bytes.length) {
      socket.write(bytes.charAt(i));
      await setTimeout(100);
    }
  };

  const bad = [
    ...many('no HTTP', (socket) => socket.end('\0\x16\x03\x01 hello\r\n\r\n')),
    ...many('broken head', (socket) => socket.end('GET /\\..\\x HTTP/1.1\r\nHost: [\r\nA\u0001b: c\r\n\r\n')),
    ...many('two lengths', (socket) =>
      socket.end(
        `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ),
    ),
    ...many('no JSON', (socket) => socket.end(`${head(9)}{"text":"`)),
    ...many('deep JSON', (socket) => socket.end(`${head(200_000)}${'['.repeat(200_000)}`)),
    ...many('huge head', (socket) =>
      socket.end(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`),
    ),
    ...many('huge body announced', (socket) => socket.write(head(1e12))),
    ...many('huge body', async (socket) => {
      socket.write(head(64 << 20));
      for (let i = 0; i < 64 && !socket.destroyed && running(); i++)
        await new Promise<void>((resolve) => socket.write(Buffer.alloc(1 << 20, 'a'), () => resolve()));
    }),
    ...many('slow head', (socket) => trickle(socket, 'GET / HTTP/1.1\r\nX-A: ')),
    ...many('slow body', (socket) => {
      socket.write(head(100_000));
      return trickle(socket, 'aaaaaaaa');
    }),
    ...many('half-closed', (socket) => socket.end(head(500))),
    ...many('pipelined and never read', (socket) => {
      socket.pause();
      socket.write(`${head(search.length)}${search}`.repeat(50));
      return setTimeout(200);
    }),
    ...many('searches without a pause', (socket) => {
      socket.write(`${head(search.length)}${search}`);
      return new Promise((resolve) => socket.once('data', resolve));
    }),
    ...many('gone before the answer', (socket) => {
      socket.write(`${head(search.length)}${search}`, () => socket.destroy());
    }),
  ];

  const good = new Map<number, number>();
  const times: number[] = [];
  const clients = from.good.map(async (localAddress, i) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let turn = i; running(); turn++) {
      const start = performance.now();
      const status = await askOnce(url, agent, localAddress, turn % 3, search);
      times.push(performance.now() - start);
      good.set(status, (good.get(status) ?? 0) + 1);
      await setTimeout(25);
    }
    agent.destroy();
  });
  await Promise.all([...clients, setTimeout(ms)]);
  for (const socket of open) socket.destroy();
  await Promise.all(bad);
  return { good, times: times.sort((a, b) => a - b), sent };
}

async function askOnce(url: string, agent: Agent, localAddress: string, turn: number, search: string) {
  const path = ['/knn-service', '/images/1.jpg', '/indices-list'][turn] ?? '/';
  const method = path === '/knn-service' ? 'POST' : 'GET';
  return new Promise<number>((resolve) => {
    const request = httpRequest(
      new URL(path, url),
      { agent, localAddress, method },
      (response: IncomingMessage) => {
        text(response).then(
          () => resolve(response.statusCode ?? 0),
          () => resolve(0),
        );
      },
    );
    request.on('error', () => resolve(0));
    request.end(method === 'POST' ? search : undefined);
  });
}
