import type { Socket } from 'node:net';
import { ConnectFailure } from './connect-failure.ts';
import { proxyAuthorization } from './proxy.ts';

/** An answer to CONNECT has no body and few headers; more is not believed, in bytes. */
const MAX_ANSWER_BYTES = 16 * 1024;

/**
 * Asks a proxy for a tunnel (RFC 9110, 9.3.6).
 * @param socket stands, to the proxy; afterwards to `authority`
 * @param authority HOST:PORT, with brackets around an IPv6 address
 * @throws ConnectFailure
 */
export function openTunnel(socket: Socket, authority: string, proxy: URL): Promise<void> {
  const authorization = proxyAuthorization(proxy);
  const lines = [
    `CONNECT ${authority} HTTP/1.1`,
    `Host: ${authority}`,
    ...(authorization ? [`Proxy-Authorization: ${authorization}`] : []),
  ];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return new Promise((resolve, reject) => {
    let answer = '';
    const done = (problem?: ConnectFailure) => {
      socket.off('data', read);
      socket.off('close', closed);
      if (problem) reject(problem);
      else resolve();
    };
    const closed = () => done(new ConnectFailure('connection', 'proxy closed', true));
    const read = (data: Buffer) => {
      answer += data.toString('latin1');
      const end = answer.indexOf('\r\n\r\n');
      if (end < 0 && answer.length <= MAX_ANSWER_BYTES) return;
      const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0);
      // The other side speaks only once it was spoken to: what follows the head came from somebody else.
      const whole = end >= 0 && end + 4 === answer.length;
      if (status >= 200 && status < 300 && whole) {
        socket.pause();
        done();
      } else done(new ConnectFailure('connection', `proxy ${status || 'speaks no HTTP'}`, status >= 500));
    };
    socket.on('data', read);
    socket.once('close', closed);
  });
}
