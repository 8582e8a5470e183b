import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import sharp from 'sharp';

/** A loopback server with pictures, that can be made to let those wait who ask. */
export interface HeldOrigin extends AsyncDisposable {
  /** HOST:PORT. */
  readonly host: string;
  /** Those that wait now. */
  readonly waiting: number;
  /** From here on everybody waits for an answer. */
  hold(): void;
  /** All who wait are answered, and all who come. */
  open(): void;
}

export async function startHeldOrigin(): Promise<HeldOrigin> {
  const noise = Buffer.from(Array.from({ length: 120 * 90 * 3 }, (_, i) => (i * 7919) % 251));
  const picture = await sharp(noise, { raw: { width: 120, height: 90, channels: 3 } })
    .png()
    .toBuffer();
  const waiting = new Set<ServerResponse>();
  let held = false;
  const answer = (response: ServerResponse) =>
    response.writeHead(200, { 'content-type': 'image/png' }).end(picture);
  const server = createServer((request, response) => {
    if (request.url === '/robots.txt') response.writeHead(404).end();
    else if (held) {
      waiting.add(response);
      response.once('close', () => waiting.delete(response));
    } else answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    get waiting() {
      return waiting.size;
    },
    hold() {
      held = true;
    },
    open() {
      held = false;
      for (const response of waiting) answer(response);
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
