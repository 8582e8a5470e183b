import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';

/** What an origin of the mix does; by its host name, as stall-17.mix.test. */
export type OriginKind = (typeof ORIGIN_KINDS)[number];
export const ORIGIN_KINDS = [
  'good',
  'refused',
  'failing',
  'busy',
  'slow',
  'stall',
  'trickle',
  'nxdomain',
  'servfail',
  'mute',
] as const;

/** Where the servers listen. */
export interface Ports {
  readonly http: number;
  /** Nobody listens there. */
  readonly refused: number;
  readonly dns: number;
}

/** Milliseconds to the first byte of a slow origin. */
const SLOW_MS = 2_000;

/**
 * Bodies alternate: a photo of 84 kB and one of 22 kB, as in the list that img2dataset was measured with; by their first
 * bytes JPEGs, the rest is nothing.
 */
const BODIES = [84_000, 22_000].map((bytes) => Buffer.alloc(bytes).fill('ffd8ffe0', 0, 4, 'hex')) as [
  Buffer,
  Buffer,
];

/** Serves images on all of 127.0.0.0/8, and says by DNS which host has which of these addresses. */
async function serve(): Promise<Ports> {
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const kind = request.headers.host?.split('-')[0];
    const body = BODIES[Number(request.url?.slice(1) ?? 0) % 2] ?? BODIES[0];
    const head = { 'Content-Type': 'image/jpeg', 'Content-Length': body.length };
    const answer = () => response.writeHead(200, head).end(body);
    if (kind === 'failing') response.writeHead(500).end();
    else if (kind === 'busy') response.writeHead(503).end();
    else if (kind === 'slow') setTimeout(answer, SLOW_MS);
    else if (kind === 'trickle') drip(response.writeHead(200, { 'Content-Length': body.length }));
    else if (kind !== 'stall') answer();
  });
  server.listen(0, '0.0.0.0', 4096);
  const http = await portOf(server);
  const nobody = createTcpServer().listen(0, '127.0.0.1');
  const refused = await portOf(nobody);
  nobody.close();
  return { http, refused, dns: await serveNames() };
}

function drip(response: {
  write(text: string): unknown;
  once(event: 'close', end: () => void): unknown;
}): void {
  const timer = setInterval(() => response.write('.'), 1000);
  response.once('close', () => clearInterval(timer));
}

async function portOf(server: ReturnType<typeof createTcpServer>): Promise<number> {
  if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
}

async function serveNames(): Promise<number> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  socket.on('message', (query, from) => {
    const length = query.readUInt8(12);
    const [kind, number] = query
      .toString('latin1', 13, 13 + length)
      .toLowerCase()
      .split('-');
    if (kind === 'mute') return;
    socket.send(answerFor(query, kind ?? '', Number(number)), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await new Promise((resolve) => socket.once('listening', resolve));
  return socket.address().port;
}

/** RFC 1035, 4: the question again, and one address of 127.0.0.0/8 for the number of the host. */
function answerFor(query: Buffer, kind: string, number: number): Buffer {
  let end = 12;
  while (query[end] !== 0) end += 1 + (query[end] ?? 0);
  end += 5;
  const type = query.readUInt16BE(end - 4);
  const rcode = kind === 'nxdomain' ? 3 : kind === 'servfail' ? 2 : 0;
  const answers = rcode === 0 && type === 1 ? 1 : 0;
  const out = Buffer.alloc(end + 16 * answers);
  query.copy(out, 0, 0, end);
  out.writeUInt16BE(0x8180 | rcode, 2);
  out.writeUInt16BE(answers, 6);
  out.writeUInt32BE(0, 8);
  if (answers === 1) {
    out.writeUInt16BE(0xc00c, end);
    out.writeUInt16BE(1, end + 2);
    out.writeUInt16BE(1, end + 4);
    out.writeUInt32BE(300, end + 6);
    out.writeUInt16BE(4, end + 10);
    out.set([127, 1 + (number >> 14), (number >> 7) & 127, 1 + (number & 127)], end + 12);
  }
  return out;
}

if (process.argv[2] === 'serve') process.send?.(await serve());
