import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createWebSource } from '../../src/fetcher/index.ts';
import { proxyFor } from '../../src/fetcher/proxy.ts';
import { PIXELS, serve, serveRaw, serveTls, webSource } from './servers.ts';

interface TestProxy {
  readonly url: string;
  /** Request lines with the credentials that came with them. */
  readonly asked: string[];
}

/** A proxy that leads everything to `target`, whatever it was asked for. */
async function serveProxy(target: { readonly host: string }, status = 200): Promise<TestProxy> {
  const asked: string[] = [];
  const [host, port] = target.host.split(':');
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    const url = new URL(request.url ?? '');
    const onward = { host, port: Number(port), path: url.pathname, headers: { host: request.headers.host } };
    httpRequest(onward, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    }).end();
  });
  server.on('connect', (request, socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    socket.on('error', () => {});
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
      return;
    }
    const onward = connect(Number(port), host);
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    onward.once('connect', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** Every name has this address: public, and nobody is there. */
const resolve = async (host: string) => [
  { address: host === 'inside.example' ? '10.0.0.1' : '1.1.1.1', family: 4 as const },
];

describe('through a proxy', () => {
  it('http: in the absolute form, with the host that is meant', async () => {
    const hosts: (string | undefined)[] = [];
    const origin = await serve((request, response) => {
      hosts.push(request.headers.host);
      if (request.url === '/a') response.writeHead(302, { location: '/b?x=1' }).end();
      else response.end(PIXELS);
    });
    const proxy = await serveProxy(origin);
    const source = webSource([], { proxy: proxy.url, resolve });
    expect(await source.get('http://images.example/a')).toMatchObject({
      kept: true,
      value: { finalUrl: 'http://images.example/b?x=1' },
    });
    expect(proxy.asked).toEqual(['GET http://images.example/a', 'GET http://images.example/b?x=1']);
    expect(hosts).toEqual(['images.example', 'images.example']);
  });

  it('https: through a tunnel, kept for the next request', async () => {
    const origin = await serveTls((_, response) => response.end(PIXELS));
    const proxy = await serveProxy(origin);
    const url = proxy.url.replace('http://', 'http://us%65r:p%40ss@');
    const source = webSource([], { proxy: url, resolve, verifyTls: false, onWarning: () => {} });
    for (const path of ['a', 'b'])
      expect(await source.get(`https://images.example/${path}`)).toMatchObject({ kept: true });
    // RFC 7617: base64 of user:p@ss
    expect(proxy.asked).toEqual(['CONNECT images.example:443 Basic dXNlcjpwQHNz']);
  });

  it('the certificate is that of the origin, and checked', async () => {
    const origin = await serveTls((_, response) => response.end(PIXELS));
    const proxy = await serveProxy(origin);
    const source = webSource([], { proxy: proxy.url, resolve });
    expect(await source.get('https://images.example/')).toMatchObject({ reason: 'tls' });
  });

  it.each(['http', 'https'])(
    '%s: what is private for us is refused, and the proxy not asked',
    async (scheme) => {
      const origin = await serve((_, response) => response.end(PIXELS));
      const proxy = await serveProxy(origin);
      const source = webSource([], { proxy: proxy.url, resolve });
      for (const host of ['inside.example', '127.0.0.1', '[::1]'])
        expect(await source.get(`${scheme}://${host}/`)).toMatchObject({ reason: 'address' });
      expect(proxy.asked).toEqual([]);
    },
  );

  it('a tunnel that is refused', async () => {
    const origin = await serve((_, response) => response.end(PIXELS));
    const proxy = await serveProxy(origin, 407);
    expect(await webSource([], { proxy: proxy.url, resolve }).get('https://images.example/')).toEqual({
      kept: false,
      reason: 'connection',
      detail: 'proxy 407',
    });
  });

  it.each([
    ['SSH-2.0-OpenSSH_9.9\r\n\r\n', 'proxy speaks no HTTP'],
    [`HTTP/1.1 200 OK\r\nX: ${'a'.repeat(20_000)}`, 'proxy 200'],
  ])('one that is none: %#', async (answer, detail) => {
    const server = await serveRaw(answer, () => {});
    const source = webSource([], { proxy: server.origin, resolve });
    expect(await source.get('https://images.example/')).toMatchObject({ reason: 'connection', detail });
  });

  it('one that keeps still ends with the connect timeout', async () => {
    const server = await serveRaw('', () => {});
    const source = webSource([], { proxy: server.origin, resolve, connectTimeoutMs: 40 });
    expect(await source.get('https://images.example/')).toMatchObject({ reason: 'timeout' });
  });

  it('the environment counts only where the recipe says so', async () => {
    const origin = await serve((_, response) => response.end(PIXELS));
    const proxy = await serveProxy(origin);
    const before = process.env.HTTP_PROXY;
    process.env.HTTP_PROXY = proxy.url;
    onTestFinished(() => {
      if (before === undefined) delete process.env.HTTP_PROXY;
      else process.env.HTTP_PROXY = before;
    });
    expect(await webSource([origin]).get(origin.origin)).toMatchObject({ kept: true });
    expect(proxy.asked).toEqual([]);
    expect(await webSource([origin], { proxy: 'environment' }).get(origin.origin)).toMatchObject({
      kept: true,
    });
    expect(proxy.asked).toEqual([`GET ${origin.origin}/`]);
  });
});

describe('the proxy for a URL', () => {
  const env = {
    HTTPS_PROXY: 'http://secure:1',
    http_proxy: 'http://plain:2',
    NO_PROXY: 'example.com, .example.org,*.example.net,example.edu:8080',
  };
  it.each([
    ['https://a.example/', 'http://secure:1/'],
    ['http://a.example/', 'http://plain:2/'],
    ['http://example.com/', undefined],
    ['http://img.example.com/', undefined],
    ['http://notexample.com/', 'http://plain:2/'],
    ['https://example.org/', undefined],
    ['https://a.b.example.net/', undefined],
    ['http://example.edu:8080/', undefined],
    ['http://example.edu/', 'http://plain:2/'],
  ])('%s: %s', (url, proxy) => expect(proxyFor('environment', env)(new URL(url))?.href).toBe(proxy));

  it('none where none is set, or for all names', () => {
    expect(proxyFor('environment', {})(new URL('http://a.example/'))).toBeUndefined();
    expect(proxyFor('environment', { ...env, NO_PROXY: '*' })(new URL('http://a.example/'))).toBeUndefined();
    expect(proxyFor(null, env)(new URL('http://a.example/'))).toBeUndefined();
  });

  it.each(['socks5://a:1', 'https://a:1', 'proxy'])('%s is wrong usage, and not repeated', (proxy) => {
    expect(() => createWebSource({ contact: 'a@b.example', proxy })).toThrow(/fetch\.proxy: give the URL/);
  });
});
