import type { Socket } from 'node:net';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import { serveTcp, type TestServer } from './servers.ts';

/** What an origin does with a request: answers, and perhaps does not leave it at that. */
type Misbehaviour = (socket: Socket, path: string) => void;

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nConnection: close\r\n';

/** Never ends before the other side does. */
const hold = () => {};

const answer =
  (
    head: string,
    body: string | Buffer = '',
    then: (socket: Socket) => unknown = (s) => s.end(),
  ): Misbehaviour =>
  (socket) => {
    socket.write(head);
    if (body.length > 0) socket.write(body);
    then(socket);
  };

const status = (line: string, body: string, headers = ''): Misbehaviour =>
  answer(`HTTP/1.1 ${line}\r\n${headers}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`, body);

const redirect = (location: (path: string) => string): Misbehaviour => {
  return (socket, path) => {
    socket.end(
      `HTTP/1.1 302 Found\r\nLocation: ${location(path)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
    );
  };
};

/** A byte at a time, for as long as somebody listens. */
const drip =
  (head: string, bytes: Buffer): Misbehaviour =>
  (socket) => {
    socket.write(head);
    let at = 0;
    const timer = setInterval(() => socket.write(bytes.subarray(at, ++at)), 5);
    socket.once('close', () => clearInterval(timer));
  };

/** So many bytes, as fast as they are taken. */
const flood =
  (head: string, total: number): Misbehaviour =>
  (socket) => {
    const block = Buffer.alloc(1 << 16);
    let left = total;
    const more = () => {
      if (socket.destroyed) return;
      left -= block.length;
      if (left > 0) socket.write(block, more);
      else socket.end(block);
    };
    socket.write(head, more);
  };

function chunk(type: string, data: Buffer): Buffer {
  const all = Buffer.alloc(12 + data.length);
  all.writeUInt32BE(data.length, 0);
  all.write(type, 4, 'latin1');
  data.copy(all, 8);
  all.writeUInt32BE(crc32(all.subarray(4, 8 + data.length)), 8 + data.length);
  return all;
}

/** A PNG that says that it has `side` × `side` pixels, and has the first of its rows (PNG, third edition, 11.2.1). */
export function hugePng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = deflateSync(Buffer.alloc(10 * (1 + 3 * side)));
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('IDAT', rows),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Every way to answer badly that is known of origins of images, beside a few good ones, by the path's first part. */
export function misbehaviours(photo: Buffer): Readonly<Record<string, Misbehaviour>> {
  const n = photo.length;
  const half = photo.subarray(0, n >> 1);
  const length = `${OK}Content-Length: ${n}\r\n\r\n`;
  const page = '<!doctype html><title>moved</title><p>This picture has moved.';
  const packed = gzipSync(photo);
  const wish = (lines: string) =>
    answer(`${OK}${lines}Content-Length: 8000000\r\n\r\n`, Buffer.alloc(8_000_000), hold);
  const open = (lines: string) => answer(`${OK}${lines}Content-Length: ${n}\r\n\r\n`, photo);
  const png = (side: number) => {
    const body = hugePng(side);
    return answer(
      `HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: ${body.length}\r\n\r\n`,
      body,
    );
  };
  return {
    ok: answer(length, photo),
    'ok-chunked': answer(
      `${OK}Transfer-Encoding: chunked\r\n\r\n`,
      Buffer.concat([Buffer.from(`${n.toString(16)}\r\n`), photo, Buffer.from('\r\n0\r\n\r\n')]),
    ),
    'ok-no-length': answer(`${OK}\r\n`, photo),
    '404': status('404 Not Found', 'not found'),
    '403': status('403 Forbidden', 'forbidden'),
    '410': status('410 Gone', 'gone'),
    '429': status('429 Too Many Requests', 'slow', 'Retry-After: 2\r\n'),
    '500': status('500 Internal Server Error', 'oops'),
    '503': status('503 Service Unavailable', 'busy', 'Retry-After: 2\r\n'),
    'redirect-1': redirect(() => '/ok/'),
    'redirect-loop': redirect((path) => path),
    'redirect-long': redirect((path) => `/redirect-long/${Number(/\d+/.exec(path)?.[0] ?? 0) + 1}`),
    'redirect-file': redirect(() => 'file:///etc/hostname'),
    hang: hold,
    'hang-mid-body': answer(length, half, hold),
    trickle: drip(length, photo),
    'trickle-headers': drip('', Buffer.from(`HTTP/1.1 200 OK\r\n${'X-Long: trickle\r\n'.repeat(500)}`)),
    'trickle-headers-without-end': drip('HTTP/1.1 200 OK\r\nX-Long: ', Buffer.alloc(100_000, 'a')),
    truncated: answer(length, half),
    'truncated-no-length': answer(`${OK}\r\n`, half),
    'length-too-small': answer(`${OK}Content-Length: ${n >> 1}\r\n\r\n`, photo),
    empty: answer(`${OK}Content-Length: 0\r\n\r\n`),
    '204': status('204 No Content', ''),
    'wrong-type': answer(length.replace('image/jpeg', 'text/html'), photo),
    html: answer(`${OK.replace('image/jpeg', 'text/html')}Content-Length: ${page.length}\r\n\r\n`, page),
    'html-as-jpeg': answer(`${OK}Content-Length: ${page.length}\r\n\r\n`, page),
    'big-50mb': flood(`${OK}Content-Length: 50000000\r\n\r\n`, 50_000_000),
    'big-no-length': flood(`${OK}\r\n`, 50_000_000),
    'bomb-400mp': png(20_000),
    'bomb-1600mp': png(40_000),
    gzip: answer(`${OK}Content-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n\r\n`, packed),
    'robots-noai': wish('X-Robots-Tag: noai\r\n'),
    'robots-two': wish('X-Robots-Tag: all\r\nX-Robots-Tag: noimageai\r\n'),
    'tdm-reservation': wish('TDM-Reservation: 1\r\n'),
    'robots-mixed': open('X-Robots-Tag: otherbot: noai, noindex\r\n'),
    'robots-nofollow': open('X-Robots-Tag: nofollow\r\n'),
    reset: (socket) => socket.resetAndDestroy(),
    // Later, so that the head is read before the reset throws it away.
    'reset-mid-body': answer(length, half, (socket) => setTimeout(() => socket.resetAndDestroy(), 50)),
    close: (socket) => socket.end(),
    'not-http': answer('SSH-2.0-OpenSSH_9.2\r\n'),
  };
}

export interface AdverseOrigin extends TestServer {
  /** Paths, in the order in which they were asked for. */
  readonly asked: string[];
}

/** Serves /CASE/anything. */
export async function serveAdverse(photo: Buffer): Promise<AdverseOrigin> {
  const cases = misbehaviours(photo);
  const asked: string[] = [];
  const server = await serveTcp((socket) => {
    let head = '';
    const read = (data: Buffer) => {
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', read);
      socket.resume();
      const path = /^GET (\S+)/.exec(head)?.[1] ?? '';
      asked.push(path);
      if (path === '/robots.txt') status('404 Not Found', '')(socket, path);
      else cases[path.split('/')[1] ?? '']?.(socket, path);
    };
    socket.on('data', read);
  });
  return { ...server, asked };
}
