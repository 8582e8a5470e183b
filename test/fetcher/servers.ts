import { generateKeyPairSync, sign } from 'node:crypto';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { createWebSource, type WebSource, type WebSourceOptions } from '../../src/fetcher/index.ts';

/** A server on loopback that ends with the test. */
export interface TestServer {
  readonly origin: string;
  /** HOST:PORT, as allowHosts wants it. */
  readonly host: string;
  /** Connections that are open now. */
  readonly sockets: ReadonlySet<Socket>;
  /** Connections that ever were. */
  readonly connections: () => number;
}

export const PIXELS = Buffer.from('these bytes stand for an image');

/** Answers /robots.txt with 404 where the handler is not to see it. */
export function serve(
  handler: RequestListener,
  options: { robots?: 'handler' | 'none' } = {},
): Promise<TestServer> {
  return listen(
    createHttpServer((request, response) => {
      if (request.url === '/robots.txt' && options.robots !== 'handler') response.writeHead(404).end();
      else handler(request, response);
    }),
    'http',
  );
}

export function serveTls(handler: RequestListener): Promise<TestServer> {
  return listen(createHttpsServer(selfSigned(), handler), 'https');
}

/** Bytes in, bytes out: for what is no proper HTTP. */
export function serveTcp(
  handler: (socket: Socket) => void,
  scheme: 'http' | 'https' = 'http',
  address = '127.0.0.1',
): Promise<TestServer> {
  return listen(createTcpServer(handler), scheme, address);
}

/** Sends `answer` as it is to every request, then whatever `then` does. */
export function serveRaw(answer: string | Buffer, then: (socket: Socket) => void): Promise<TestServer> {
  return serveTcp((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write(answer, () => then(socket)));
  });
}

async function listen(server: Server, scheme: string, address = '127.0.0.1'): Promise<TestServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    for (const socket of sockets) socket.destroy();
    await closed;
  });
  const name = address.includes(':') ? `[${address}]` : address;
  const host = `${name}:${(server.address() as AddressInfo).port}`;
  return { origin: `${scheme}://${host}`, host, sockets, connections: () => connections };
}

/** A port on which nobody listens. */
export async function deadHost(): Promise<string> {
  const server = createTcpServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

/** A source that may ask these servers, does not retry, and ends with the test. Its outcomes have no facts. */
export function webSource(servers: readonly { host: string }[], options: WebSourceOptions = {}): WebSource {
  const source = factualSource(servers, options);
  const get: WebSource['get'] = async (url, signal) => {
    const { facts: _facts, ...outcome } = await source.get(url, signal);
    return outcome;
  };
  return { stats: source.stats, close: source.close, get };
}

/** As `webSource`, with the facts. */
export function factualSource(
  servers: readonly { host: string }[],
  options: WebSourceOptions = {},
): WebSource {
  const source = createWebSource({
    allowHosts: servers.map(({ host }) => host),
    contact: 'test@example.com',
    retries: 0,
    respectRobots: false,
    ...options,
  });
  onTestFinished(() => source.close());
  return source;
}

/** A certificate for 127.0.0.1 that nobody vouches for (RFC 5280), for one test. */
export function selfSigned(): { key: string; cert: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
    const body = Buffer.concat(parts);
    const length =
      body.length < 128
        ? [body.length]
        : body.length < 256
          ? [0x81, body.length]
          : [0x82, body.length >> 8, body.length & 0xff];
    return Buffer.concat([Buffer.from([tag, ...length]), body]);
  };
  const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts);
  const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
  const ecdsaSha256 = sequence(oid('2a8648ce3d040302'));
  const name = sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from('test')))));
  const validity = sequence(der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('491231235959Z')));
  const altName = sequence(oid('551d11'), der(0x04, sequence(der(0x87, Buffer.from([127, 0, 0, 1])))));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaSha256,
    name,
    validity,
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(altName)),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', body, privateKey));
  const cert = sequence(body, ecdsaSha256, signature).toString('base64');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${cert}\n-----END CERTIFICATE-----\n`,
  };
}
