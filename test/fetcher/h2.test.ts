import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createWebSource, type WebSourceOptions } from '../../src/fetcher/index.ts';
import { factualSource, PIXELS, selfSigned } from './servers.ts';

interface H2Server {
  readonly origin: string;
  readonly host: string;
  /** Protocol of each connection, as agreed. */
  readonly protocols: string[];
}

/** Speaks HTTP/2 and, to those who do not, HTTP/1.1. */
async function serveH2(onStream: (stream: ServerHttp2Stream, path: string) => void): Promise<H2Server> {
  const protocols: string[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const server = createSecureServer({ ...selfSigned(), allowHTTP1: true }, (request, response) => {
    if (request.httpVersion === '1.1') response.end(PIXELS);
  });
  server.on('secureConnection', (socket) => protocols.push(socket.alpnProtocol || 'none'));
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers[':path'] ?? '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { origin: `https://${host}`, host, protocols };
}

const sourceFor = (server: H2Server, options: WebSourceOptions = {}) =>
  factualSource([server], { http2: true, verifyTls: false, onWarning: () => {}, ...options });

const answer = (stream: ServerHttp2Stream, headers = {}, body: string | Buffer = PIXELS) => {
  stream.respond({ ':status': 200, ...headers });
  stream.end(body);
};

describe('HTTP/2', () => {
  it('is spoken where the recipe says so, many requests over one connection', async () => {
    const server = await serveH2((stream) => answer(stream));
    const source = sourceFor(server, { perDomainConcurrency: 8 });
    const urls = Array.from({ length: 100 }, (_, i) => `${server.origin}/${i}`);
    for (const outcome of await Promise.all(urls.map((url) => source.get(url))))
      expect(outcome).toMatchObject({ kept: true, value: { bytes: new Uint8Array(PIXELS) } });
    expect(server.protocols.length).toBeLessThanOrEqual(8);
    expect(new Set(server.protocols)).toEqual(new Set(['h2']));
  });

  it('is not spoken by default', async () => {
    const server = await serveH2((stream) => answer(stream));
    expect(await sourceFor(server, { http2: false }).get(server.origin)).toMatchObject({ kept: true });
    expect(server.protocols).toEqual(['http/1.1']);
  });

  it('the address that the socket connects to is checked as ever', async () => {
    const server = await serveH2((stream) => answer(stream));
    const port = server.host.split(':')[1];
    const source = sourceFor(server, { resolve: async () => [{ address: '127.0.0.1', family: 4 }] });
    expect(await source.get(`https://images.example:${port}/`)).toMatchObject({ reason: 'address' });
    expect(server.protocols).toEqual([]);
  });

  it('a server that goes away in between loses no request', async () => {
    let asked = 0;
    const server = await serveH2((stream) => {
      asked++;
      answer(stream);
      if (asked % 20 === 7) stream.session?.goaway();
    });
    const source = sourceFor(server);
    const urls = Array.from({ length: 100 }, (_, i) => `${server.origin}/${i}`);
    for (const outcome of await Promise.all(urls.map((url) => source.get(url))))
      expect(outcome).toMatchObject({ kept: true });
    expect(server.protocols.length).toBeGreaterThan(1);
  });

  const trickle = (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 });
    const timer = setInterval(() => stream.write('.'), 5);
    stream.once('close', () => clearInterval(timer));
  };
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`x-${i}`, 'a'.repeat(900)]));
  it.each<[string, (stream: ServerHttp2Stream) => void, string, string]>([
    ['no answer', () => {}, 'timeout', 'first byte'],
    ['a body that trickles', trickle, 'timeout', 'total, in the body'],
    ['a body without end', (s) => answer(s, {}, Buffer.alloc(300_000)), 'body_large', 'above 100000 bytes'],
    [
      'a length above the limit',
      (s) => answer(s, { 'content-length': 300_000 }),
      'body_large',
      '300000 bytes',
    ],
    ['a reset', (s) => s.close(2), 'connection', 'ERR_HTTP2_STREAM_ERROR'],
    ['a head above the limit', (s) => answer(s, many), 'connection', 'headers above 16384 bytes'],
    ['a wish in the head', (s) => answer(s, { 'x-robots-tag': 'noai' }), 'robots_header', 'noai'],
    ['not found', (s) => s.respond({ ':status': 404 }, { endStream: true }), 'http_status', '404'],
  ])('%s: %s', async (_, onStream, reason, detail) => {
    const server = await serveH2(onStream);
    const source = sourceFor(server, {
      totalTimeoutMs: reason === 'timeout' && detail !== 'first byte' ? 300 : 8_000,
      firstByteTimeoutMs: 50,
      maxBodyBytes: 100_000,
    });
    expect(await source.get(server.origin)).toMatchObject({ kept: false, reason, detail });
  });
});

describe('TLS that is not checked', () => {
  it('is warned of, once a source; TLS that is checked is not', async () => {
    const onWarning = vi.fn();
    await createWebSource({ contact: 'a@b.example', onWarning }).close();
    expect(onWarning).not.toHaveBeenCalled();
    await createWebSource({ contact: 'a@b.example', onWarning, verifyTls: false }).close();
    expect(onWarning.mock.calls).toEqual([[expect.stringContaining('verifyTls is false')]]);
  });
});
