import { once } from 'node:events';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWebSource, DnsFailure, type WebSourceOptions } from '../../src/fetcher/index.ts';
import { isReason } from '../../src/schema/index.ts';
import { deadHost, PIXELS, serve, serveRaw, serveTcp, serveTls, webSource } from './servers.ts';
import { NOW, testClock } from './test-clock.ts';

describe('an image that is there', () => {
  it('comes with its type, the URL that answered, and when it did', async () => {
    const seen: (string | undefined)[] = [];
    const server = await serve((request, response) => {
      seen.push(request.headers['user-agent'], request.url);
      if (request.url === '/a?x=1') response.writeHead(302, { location: 'b/c.png#part' }).end('moved');
      else response.writeHead(200, { 'content-type': 'image/png' }).end(PIXELS);
    });
    const clock = testClock();
    const source = webSource([server], { userAgent: 'gleaner/9 (+mailto:me@example.com)', clock });
    const result = await source.get(`${server.origin}/a?x=1#fragment`);
    expect(result).toEqual({
      kept: true,
      value: {
        bytes: new Uint8Array(PIXELS),
        finalUrl: `${server.origin}/b/c.png`,
        contentType: 'image/png',
        fetchedAt: NOW,
      },
    });
    const agent = 'gleaner/9 (+mailto:me@example.com)';
    expect(seen).toEqual([agent, '/a?x=1', agent, '/b/c.png']);
    expect(source.stats).toEqual({ requests: 2, bytes: 'moved'.length + PIXELS.length });
    expect(server.connections()).toBe(1);
  });

  const codings = {
    gzip: gzipSync(PIXELS),
    'x-gzip': gzipSync(PIXELS),
    deflate: deflateSync(PIXELS),
    'deflate, identity': deflateRawSync(PIXELS),
    br: brotliCompressSync(PIXELS),
    'gzip, br': brotliCompressSync(gzipSync(PIXELS)),
  };
  it.each(Object.entries(codings))('content coding %s is removed', async (coding, body) => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': coding }).end(body);
    });
    const result = await webSource([server]).get(server.origin);
    expect(result.kept && Buffer.from(result.value.bytes).toString()).toBe(PIXELS.toString());
  });

  it('an empty body with a content coding is empty', async () => {
    const server = await serve((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end();
    });
    expect(await webSource([server]).get(server.origin)).toMatchObject({
      kept: true,
      value: { bytes: new Uint8Array(), contentType: '' },
    });
  });

  it('TLS: only with a certificate that holds, or where the operator does not ask for one', async () => {
    const server = await serveTls((_, response) => response.end(PIXELS));
    expect(await webSource([server]).get(server.origin)).toEqual({
      kept: false,
      reason: 'tls',
      detail: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    });
    const trusting = webSource([server], { verifyTls: false, onWarning: () => {} });
    expect(await trusting.get(server.origin)).toMatchObject({ kept: true });
  });
});

describe('a URL that cannot be', () => {
  it.each([
    ['not a URL', 'no_url'],
    ['/relative.png', 'no_url'],
    ['ftp://example.com/a.png', 'url_scheme'],
    ['file:///etc/passwd', 'url_scheme'],
    ['data:image/png;base64,AAAA', 'url_scheme'],
  ])('%s: %s', async (url, reason) => {
    expect(await webSource([]).get(url)).toMatchObject({ kept: false, reason });
  });
});

describe('addresses', () => {
  it.each([
    'http://127.0.0.1/',
    'http://0x7f.1/',
    'http://2130706433/',
    'http://0177.0.0.1/',
    'http://127.1:8080/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'https://[64:ff9b::10.0.0.1]/',
    'http://169.254.169.254/latest/meta-data/',
    'https://192.168.1.1/',
    'http://localhost/',
  ])('%s is not public', async (url) => {
    expect(await webSource([]).get(url)).toMatchObject({ kept: false, reason: 'address' });
  });

  it('a public name with a private address is not connected to', async () => {
    const server = await serve((_, response) => response.end(PIXELS));
    const port = server.host.split(':')[1];
    const resolve = async () => [{ address: '127.0.0.1', family: 4 as const }];
    const source = webSource([server], { resolve });
    expect(await source.get(`http://images.example.com:${port}/`)).toEqual({
      kept: false,
      reason: 'address',
      detail: '127.0.0.1',
    });
    expect(server.connections()).toBe(0);
    // The same name, opened by the operator.
    const opened = webSource([{ host: `Images.Example.com:${port}` }], { resolve });
    expect(await opened.get(`http://images.example.com:${port}/`)).toMatchObject({ kept: true });
  });

  it('a redirect is checked like any other', async () => {
    const inner = await serveTcp(() => {}, 'http', '127.0.0.2');
    const server = await serve((_, response) => {
      response.writeHead(302, { location: `http://${inner.host}/secret` }).end();
    });
    const result = await webSource([server]).get(server.origin);
    expect(result).toEqual({ kept: false, reason: 'address', detail: '127.0.0.2' });
    expect(inner.connections()).toBe(0);
  });

  it('an allowed pair opens that port only', async () => {
    const [one, other] = [await serve((_, r) => r.end(PIXELS)), await serve((_, r) => r.end(PIXELS))];
    const source = webSource([one]);
    expect(await source.get(one.origin)).toMatchObject({ kept: true });
    expect(await source.get(other.origin)).toMatchObject({ kept: false, reason: 'address' });
  });

  it('an IPv6 pair is written with brackets', async (context) => {
    const server = await serveTcp(
      (socket) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${PIXELS}`),
      'http',
      '::1',
    ).catch(() => context.skip('this machine has no ::1'));
    expect(await webSource([server]).get(server.origin)).toMatchObject({ kept: true });
    expect(await webSource([]).get(server.origin)).toMatchObject({ kept: false, reason: 'address' });
  });

  it.each(['127.0.0.1', 'localhost:', 'a/b:80', 'a:99999', 'http://a:80', 'a:*', 'u@a:80'])(
    'allowHosts %j is wrong usage',
    (host) => {
      expect(() => createWebSource({ allowHosts: [host] })).toThrow(/HOST:PORT/);
    },
  );
});

describe('hosts that cannot be reached', () => {
  it('dns', async () => {
    const resolve = async () => {
      throw new DnsFailure('NXDOMAIN', false);
    };
    const result = await webSource([], { resolve }).get('http://gone.example.com/a.png');
    expect(result).toEqual({ kept: false, reason: 'dns', detail: 'NXDOMAIN gone.example.com' });
  });

  it('dns: a resolver that never answers ends with the connect timeout', async () => {
    const source = webSource([], { resolve: () => new Promise(() => {}), connectTimeoutMs: 20 });
    const result = await source.get('https://slow.example.com/');
    expect(result).toEqual({ kept: false, reason: 'timeout', detail: 'DNS' });
  });

  it('connection refused', async () => {
    const host = await deadHost();
    expect(await webSource([{ host }]).get(`http://${host}/`)).toEqual({
      kept: false,
      reason: 'connection',
      detail: 'ECONNREFUSED',
    });
  });

  it('TLS handshake that gets no answer', async () => {
    const server = await serveTcp(() => {}, 'https');
    const result = await webSource([server], { connectTimeoutMs: 40 }).get(server.origin);
    expect(result).toEqual({ kept: false, reason: 'timeout', detail: 'TLS handshake' });
  });

  it('TLS where there is none', async () => {
    const server = await serveTcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'), 'https');
    expect(await webSource([server]).get(server.origin)).toMatchObject({ kept: false, reason: 'tls' });
  });
});

describe('answers that go wrong', () => {
  const HEAD = 'HTTP/1.1 200 OK\r\n';
  const end = (socket: { end(): unknown }) => socket.end();
  const hold = () => {};

  const cases: readonly {
    name: string;
    answer: string | Buffer;
    after: (socket: import('node:net').Socket) => void;
    options?: WebSourceOptions;
    reason: string;
    detail: string | RegExp;
  }[] = [
    { name: 'closed without an answer', answer: '', after: end, reason: 'connection', detail: 'closed' },
    {
      name: 'reset without an answer',
      answer: '',
      after: (socket) => socket.resetAndDestroy(),
      reason: 'connection',
      detail: 'ECONNRESET',
    },
    {
      name: 'not HTTP',
      answer: 'SSH-2.0-OpenSSH_9.9\r\n',
      after: end,
      reason: 'connection',
      detail: 'not HTTP',
    },
    {
      name: 'no answer',
      answer: '',
      after: hold,
      options: { firstByteTimeoutMs: 30 },
      reason: 'timeout',
      detail: 'first byte',
    },
    {
      name: 'half a head',
      answer: `${HEAD}Content-Ty`,
      after: hold,
      options: { firstByteTimeoutMs: 30 },
      reason: 'timeout',
      detail: 'first byte',
    },
    {
      name: 'a head without end',
      answer: `${HEAD}X-A: ${'a'.repeat(3000)}\r\n`,
      after: hold,
      options: { maxHeaderBytes: 2000 },
      reason: 'connection',
      detail: 'headers above 2000 bytes',
    },
    {
      name: 'a body that stops',
      answer: `${HEAD}Content-Length: 100\r\n\r\nhalf`,
      after: hold,
      options: { totalTimeoutMs: 60 },
      reason: 'timeout',
      detail: 'total, in the body',
    },
    {
      name: 'a body that trickles',
      answer: `${HEAD}\r\n`,
      after: (socket) => {
        const timer = setInterval(() => socket.write('.'), 5);
        socket.once('close', () => clearInterval(timer));
      },
      options: { totalTimeoutMs: 100, firstByteTimeoutMs: 80 },
      reason: 'timeout',
      detail: 'total, in the body',
    },
    {
      name: 'a body shorter than its length',
      answer: `${HEAD}Content-Length: 100\r\n\r\nhalf`,
      after: end,
      reason: 'body_broken',
      detail: 'ended early',
    },
    {
      name: 'chunks that end early',
      answer: `${HEAD}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n`,
      after: end,
      reason: 'body_broken',
      detail: /./,
    },
    {
      name: 'chunks that are none',
      answer: `${HEAD}Transfer-Encoding: chunked\r\n\r\nnot hexadecimal\r\n`,
      after: hold,
      reason: 'body_broken',
      detail: /./,
    },
    {
      name: 'a reset in the body',
      answer: `${HEAD}Content-Length: 100\r\n\r\nhalf`,
      // The client has to have read the head before the reset throws it away.
      after: (socket) => setTimeout(() => socket.resetAndDestroy(), 20),
      reason: 'connection',
      detail: 'ECONNRESET',
    },
    {
      name: 'a declared length above the limit',
      answer: `${HEAD}Content-Length: 1001\r\n\r\n`,
      after: hold,
      options: { maxBodyBytes: 1000 },
      reason: 'body_large',
      detail: '1001 bytes',
    },
    {
      name: 'a body without end',
      answer: `${HEAD}\r\n`,
      after: (socket) => {
        const more = () => socket.write(Buffer.alloc(4096), () => socket.destroyed || more());
        more();
      },
      options: { maxBodyBytes: 10_000 },
      reason: 'body_large',
      detail: 'above 10000 bytes',
    },
    {
      name: 'a gzip bomb',
      // Its end never comes: it has to be recognised while it is read.
      answer: encoded('gzip', gzipSync(Buffer.alloc(50_000_000))).subarray(0, -100),
      after: hold,
      options: { maxBodyBytes: 1_000_000 },
      reason: 'body_large',
      detail: 'above 1000000 bytes',
    },
    {
      name: 'a bomb in a bomb',
      answer: encoded('gzip, gzip', gzipSync(gzipSync(Buffer.alloc(50_000_000)))).subarray(0, -10),
      after: hold,
      options: { maxBodyBytes: 60_000 },
      reason: 'body_large',
      detail: 'above 60000 bytes',
    },
    {
      name: 'a gzip without end that unpacks to nothing',
      answer: Buffer.concat([
        Buffer.from(`${HEAD}Content-Encoding: gzip\r\n\r\n`),
        gzipSync('').subarray(0, 10),
      ]),
      after: (socket) => {
        // RFC 1951, 3.2.4: stored blocks of length 0, none of them the last.
        const blocks = Buffer.alloc(5000, Buffer.from('000000ffff', 'hex'));
        const more = () => socket.write(blocks, () => socket.destroyed || more());
        more();
      },
      options: { maxBodyBytes: 100_000 },
      reason: 'body_large',
      detail: 'above 100000 bytes',
    },
    {
      name: 'half a gzip',
      answer: encoded('gzip', gzipSync(PIXELS).subarray(0, 20)),
      after: hold,
      reason: 'body_broken',
      detail: 'Z_BUF_ERROR',
    },
    {
      name: 'gzip that is none',
      answer: encoded('gzip', PIXELS),
      after: hold,
      reason: 'body_broken',
      detail: 'Z_DATA_ERROR',
    },
    {
      name: 'an unknown coding',
      answer: encoded('compress', PIXELS),
      after: hold,
      reason: 'body_broken',
      detail: 'content coding compress',
    },
    {
      name: 'codings in a pile',
      answer: encoded('gzip, gzip, gzip', PIXELS),
      after: hold,
      reason: 'body_broken',
      detail: /^content coding/,
    },
  ];

  it.each(cases)('$name: $reason', async ({ answer, after, options, reason, detail }) => {
    const server = await serveRaw(answer, after);
    const result = await webSource([server], options).get(server.origin);
    // Nothing is left open where the other side would go on or keep still.
    if (reason === 'timeout' || reason === 'body_large')
      for (const socket of server.sockets) await new Promise((resolve) => socket.once('close', resolve));
    expect(result).toEqual({
      kept: false,
      reason,
      detail: typeof detail === 'string' ? detail : expect.stringMatching(detail),
    });
  });

  function encoded(coding: string, body: Buffer): Buffer {
    const head = `${HEAD}Content-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`;
    return Buffer.concat([Buffer.from(head), body]);
  }

  it('any bytes at all end as an outcome', async () => {
    let answer = Buffer.alloc(0);
    const server = await serveTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end(answer));
    });
    const resolve = () => Promise.reject(new Error('no network'));
    const source = webSource([server], { maxBodyBytes: 50, resolve });
    const piece = fc.oneof(
      fc.constantFrom('HTTP/1.1 200 OK\r\n', 'HTTP/1.1 302 Found\r\n', 'HTTP/1.1 100 Continue\r\n\r\n'),
      fc.constantFrom('\r\n', '\r\n\r\n', 'Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n', '0\r\n\r\n'),
      fc.constantFrom('gzip', 'deflate', 'br', 'x').map((coding) => `Content-Encoding: ${coding}\r\n`),
      fc.integer({ min: -1, max: 70 }).map((length) => `Content-Length: ${length}\r\n`),
      fc.string({ maxLength: 20 }).map((path) => `Location: http://a.test/${path}\r\n`),
      fc.string({ maxLength: 30 }).map((value) => `X-Robots-Tag: ${value}\r\n`),
      fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    );
    const pieces = fc.array(piece, { maxLength: 8 });
    const status = fc.constantFrom('HTTP/1.1 200 OK\r\n', '');
    await fc.assert(
      fc.asyncProperty(status, pieces, async (first, rest) => {
        answer = Buffer.from([first, ...rest].join(''), 'latin1');
        const result = await source.get(server.origin);
        expect(result.kept || isReason(result.reason)).toBe(true);
        if (result.kept) expect(result.value.bytes.length).toBeLessThanOrEqual(50);
      }),
      { numRuns: 300 },
    );
  });

  it('a body at the limit is kept', async () => {
    const server = await serve((_, response) => response.end(Buffer.alloc(1000)));
    expect(await webSource([server], { maxBodyBytes: 1000 }).get(server.origin)).toMatchObject({
      kept: true,
    });
    expect(await webSource([server], { maxBodyBytes: 999 }).get(server.origin)).toMatchObject({
      kept: false,
    });
  });

  it.each([201, 204, 304, 400, 403, 404, 410, 500])('status %i', async (status) => {
    const server = await serve((_, response) => response.writeHead(status).end());
    const result = await webSource([server]).get(server.origin);
    expect(result).toEqual({ kept: false, reason: 'http_status', detail: `${status}` });
  });

  it('a 404 whose page never ends is a 404', async () => {
    const server = await serveRaw('HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\n', () => {});
    const result = await webSource([server]).get(server.origin);
    expect(result).toEqual({ kept: false, reason: 'http_status', detail: '404' });
  });
});

describe('redirects', () => {
  const redirecting = (location: (path: string) => string | undefined, status = 302) =>
    serve((request, response) => {
      const target = location(request.url ?? '');
      if (target === undefined) response.end(PIXELS);
      else response.writeHead(status, target === '' ? {} : { location: target }).end();
    });

  it.each([301, 302, 303, 307, 308])('%i is followed', async (status) => {
    const server = await redirecting((path) => (path === '/' ? '/there' : undefined), status);
    const result = await webSource([server]).get(server.origin);
    expect(result).toMatchObject({ kept: true, value: { finalUrl: `${server.origin}/there` } });
  });

  it('up to the limit', async () => {
    // /3 needs three redirects to come to /0.
    const server = await redirecting((path) => (path === '/0' ? undefined : `/${Number(path.slice(1)) - 1}`));
    const source = webSource([server], { maxRedirects: 3 });
    expect(await source.get(`${server.origin}/3`)).toMatchObject({ kept: true });
    expect(await source.get(`${server.origin}/4`)).toEqual({
      kept: false,
      reason: 'redirects',
      detail: 'more than 3',
    });
    expect(await webSource([server], { maxRedirects: 0 }).get(`${server.origin}/1`)).toMatchObject({
      reason: 'redirects',
    });
  });

  it('share the time for one URL', async () => {
    const server = await serve((request, response) => {
      const left = Number(request.url?.slice(1));
      const answer = () =>
        left === 0 ? response.end(PIXELS) : response.writeHead(302, { location: `/${left - 1}` }).end();
      setTimeout(answer, 60);
    });
    const source = webSource([server], { totalTimeoutMs: 150 });
    expect(await source.get(`${server.origin}/4`)).toMatchObject({ reason: 'timeout' });
  });

  it.each([
    ['/', 'in a circle'],
    ['//[', 'to no URL'],
    ['', 'no Location'],
    ['file:///etc/passwd', 'to file:'],
    ['javascript:alert(1)', 'to javascript:'],
  ])('to %j: %s', async (location, detail) => {
    const server = await redirecting(() => location);
    expect(await webSource([server]).get(server.origin)).toEqual({
      kept: false,
      reason: 'redirects',
      detail,
    });
  });

  it('reads UTF-8 in Location as browsers do', async () => {
    const server = await serveRaw('', () => {});
    const asked: string[] = [];
    const other = await serve((request, response) => {
      asked.push(request.url ?? '');
      response.end(PIXELS);
    });
    const raw = await serveRaw(
      Buffer.from(`HTTP/1.1 301 Moved\r\nLocation: ${other.origin}/é\r\nContent-Length: 0\r\n\r\n`),
      () => {},
    );
    expect(await webSource([server, other, raw]).get(raw.origin)).toMatchObject({ kept: true });
    expect(asked).toEqual(['/%C3%A9']);
  });
});

describe('wishes in the head', () => {
  const cases: readonly [Record<string, string | string[]>, string | undefined][] = [
    [{}, undefined],
    [{ 'X-Robots-Tag': 'noai' }, 'noai'],
    [{ 'X-Robots-Tag': 'NoImageAI' }, 'noimageai'],
    [{ 'X-Robots-Tag': 'nofollow, noindex' }, 'noindex'],
    [{ 'X-Robots-Tag': 'noimageindex' }, 'noimageindex'],
    [{ 'X-Robots-Tag': 'none' }, 'none'],
    [{ 'X-Robots-Tag': 'nofollow, noarchive, max-image-preview: large' }, undefined],
    [{ 'X-Robots-Tag': 'gleaner: noai' }, 'noai'],
    [{ 'X-Robots-Tag': 'Gleaner: nofollow, noai' }, 'noai'],
    [{ 'X-Robots-Tag': 'otherbot: noai, noindex' }, undefined],
    [{ 'X-Robots-Tag': ['otherbot: noindex', 'gleaner: noindex'] }, 'noindex'],
    [{ 'X-Robots-Tag': 'unavailable_after: 25 Jun 2010 15:00:00 PST, noai' }, 'noai'],
    [{ 'TDM-Reservation': '1' }, 'tdm-reservation'],
    [{ 'TDM-Reservation': '0' }, undefined],
  ];
  it.each(cases)('%j: %s', async (headers, rule) => {
    let bodyRead = 0;
    const server = await serve((_, response) => {
      response.writeHead(200, headers);
      // More than all buffers on the way hold: it can end only if somebody reads it.
      response.end(Buffer.alloc(8_000_000)).on('finish', () => {
        bodyRead++;
      });
    });
    const result = await webSource([server]).get(server.origin);
    if (rule === undefined) expect(result).toMatchObject({ kept: true });
    else for (const socket of server.sockets) await new Promise((resolve) => socket.once('close', resolve));
    if (rule !== undefined) expect(result).toEqual({ kept: false, reason: 'robots_header', detail: rule });
    expect(bodyRead).toBe(rule === undefined ? 1 : 0);
    expect(await webSource([server], { respectHeaders: false }).get(server.origin)).toMatchObject({
      kept: true,
    });
  });

  it('on a redirect too, but a 404 is a 404', async () => {
    const server = await serve((request, response) => {
      const status = request.url === '/gone' ? 404 : 302;
      response.writeHead(status, { 'x-robots-tag': 'noai', location: '/there' }).end();
    });
    const source = webSource([server]);
    expect(await source.get(server.origin)).toMatchObject({ reason: 'robots_header' });
    expect(await source.get(`${server.origin}/gone`)).toMatchObject({ reason: 'http_status' });
  });
});

describe('options', () => {
  it.each<WebSourceOptions>([
    { concurrency: 0 },
    { perDomainConcurrency: 1.5 },
    { totalTimeoutMs: Number.NaN },
    { maxBodyBytes: -1 },
    { userAgent: 'a\r\nX-Injected: 1' },
    { userAgent: '' },
    { robotsToken: 'a b' },
  ])('%j is wrong usage', (options) => {
    expect(() => createWebSource(options)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});

describe('ending', () => {
  it('the caller gives one up, at any place', async () => {
    const server = await serveRaw('', () => {});
    const source = webSource([server], { perDomainConcurrency: 1 });
    const [running, waiting] = [new AbortController(), new AbortController()];
    const first = source.get(server.origin, running.signal);
    const second = source.get(server.origin, waiting.signal);
    waiting.abort(new Error('enough of the second'));
    await expect(second).rejects.toThrow('enough of the second');
    running.abort(new Error('enough of the first'));
    await expect(first).rejects.toThrow('enough of the first');
    await expect(source.get(server.origin, AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  });

  it('the caller gives one up while it connects', async () => {
    const server = await serveTcp((socket) => socket.resume(), 'https');
    const controller = new AbortController();
    const result = webSource([server], { connectTimeoutMs: 60_000 }).get(server.origin, controller.signal);
    while (server.connections() === 0) await new Promise(setImmediate);
    controller.abort(new Error('enough'));
    await expect(result).rejects.toThrow('enough');
  });

  it('close gives up what is under way and leaves no connection', async () => {
    const stalled = await serveRaw('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', () => {});
    const idle = await serve((_, response) => response.end(PIXELS));
    const handshake = await serveTcp((socket) => socket.resume(), 'https');
    const servers = [stalled, idle, handshake];
    const source = webSource(servers, { perDomainConcurrency: 1 });
    expect(await source.get(idle.origin)).toMatchObject({ kept: true });
    const pending = [stalled, stalled, handshake].map(({ origin }) => source.get(origin));
    const outcomes = Promise.allSettled(pending);
    for (const server of servers) while (server.connections() === 0) await new Promise(setImmediate);
    const closed = servers.flatMap(({ sockets }) => [...sockets].map((socket) => once(socket, 'close')));
    await source.close();
    await source.close();
    for (const outcome of await outcomes)
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { message: 'The image source is closed.' },
      });
    await Promise.all(closed);
    await expect(source.get(idle.origin)).rejects.toThrow('closed');
  });
});
