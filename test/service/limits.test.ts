import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { connect, type Socket } from 'node:net';
import { json, text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dropped } from '../../src/schema/index.ts';
import { Guard, guardLimits } from '../../src/service/guard/index.ts';
import type { Service } from '../../src/service/index.ts';
import { listenOn } from '../../src/service/listen.ts';
import { drawing, shapeEmbedder } from './shapes.ts';
import { makeSmallRun, type SmallRun } from './small-service.ts';

let run: SmallRun;
beforeAll(async () => {
  run = await makeSmallRun();
});
afterAll(async () => {
  await run.end();
  expect(run.failures).toEqual([]);
});

/** Asks from an address of its own: any of 127.0.0.0/8 is this machine's on Linux. */
async function ask(service: Service, path: string, options: RequestOptions = {}, body?: unknown) {
  const request = httpRequest(new URL(path, service.url), {
    method: body === undefined ? 'GET' : 'POST',
    agent: false,
    ...options,
  });
  request.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  const isJson = response.headers['content-type']?.includes('json');
  const content: unknown = isJson ? await json(response) : void response.resume();
  return { status: response.statusCode, headers: response.headers, body: content };
}

const QUERY = { embedding_input: [1, 0, 0, 0, 0, 1, 0, 0, 0.2], num_images: 3 };
const search = (service: Service, options: RequestOptions = {}) =>
  ask(service, '/knn-service', options, QUERY);

/** An embedder that stands still until it is let go, and tells what it was asked. */
function heldEmbedder() {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const asked: string[] = [];
  const embedder = {
    ...shapeEmbedder,
    async embedTexts(texts: readonly string[]) {
      asked.push(...texts);
      await held;
      return shapeEmbedder.embedTexts(texts);
    },
  };
  return { embedder, asked, letGo };
}

describe('rate', () => {
  test('above it: 429 in one line with Retry-After, before the body is read; others are not concerned', async () => {
    const service = await run.start({
      limits: { rate: 0.01, burst: 3, exemptLoopback: false, trustedProxies: 1 },
    });
    const as = (address: string) => ({ headers: { 'X-Forwarded-For': `1.2.3.4, ${address}` } });
    for (let i = 0; i < 3; i++) expect((await search(service, as('198.51.100.1'))).status).toBe(200);
    const refused = await search(service, as('198.51.100.1'));
    expect(refused.status).toBe(429);
    expect(refused.body).toEqual({ error: expect.stringMatching(/^[^\n]{5,200}$/) });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(90);
    expect(refused.headers['x-content-type-options']).toBe('nosniff');
    expect((await search(service, as('198.51.100.2'))).status).toBe(200);
    expect((await ask(service, '/healthz', as('198.51.100.1'))).status).toBe(200);
    const metrics = await fetch(new URL('/metrics', service.url), as('198.51.100.3'));
    expect(await metrics.text()).toMatch(/^gleaner_http_requests_total\{.*status="429"\} 1$/m);
  });

  test('a picture costs more than a text, and one that is fetched more again', async () => {
    const limits = { rate: 0.01, burst: 20, exemptLoopback: false };
    const fetchImage = async () => dropped('timeout');
    const image = (await drawing('red', 'square', 60, 60)).toString('base64');
    for (const [query, most] of [
      [{ text: 'red' }, 20],
      [{ image }, 4],
      [{ image_url: 'https://example.org/a.jpg' }, 4],
    ] as const) {
      const service = await run.start({ limits, fetchImage });
      let answered = 0;
      while ((await ask(service, '/knn-service', {}, query)).status !== 429) answered++;
      expect(answered).toBe(most);
    }
  });

  test('this machine itself has none, unless it is set; a proxy that nobody told us of is noticed', async () => {
    const notices: string[] = [];
    const service = await run.start({
      limits: { rate: 0.01, burst: 1 },
      onNotice: (line) => notices.push(line),
    });
    for (let i = 0; i < 20; i++) expect((await search(service)).status).toBe(200);
    expect(notices).toEqual([]);
    for (let i = 0; i < 2; i++) await search(service, { headers: { 'X-Forwarded-For': '198.51.100.1' } });
    expect(notices).toEqual([expect.stringContaining('--trust-proxy 1')]);
  });
});

describe('places and deadlines', () => {
  test('a client with its share waits, others do not; too many of its own: 429', async () => {
    const { embedder, asked, letGo } = heldEmbedder();
    const service = await run.start({
      embedder,
      limits: { exemptLoopback: false, maxRunningPerClient: 2, maxWaitingPerClient: 1 },
    });
    const askFor = (i: number) => ask(service, '/knn-service', {}, { text: `red ${i}` });
    const first = [askFor(0), askFor(1)];
    await vi.waitFor(() => expect(asked).toHaveLength(2));
    const third = askFor(2);
    await vi.waitFor(async () =>
      expect(await (await fetch(new URL('/metrics', service.url))).text()).toContain(
        '\ngleaner_searches_waiting 1\n',
      ),
    );
    expect(await askFor(3)).toMatchObject({ status: 429, headers: { 'retry-after': '1' } });
    const other = await search(service, { localAddress: '127.0.0.2' });
    expect(other.status).toBe(200);
    expect(asked).toHaveLength(2);
    letGo();
    for (const answer of await Promise.all([...first, third])) expect(answer.status).toBe(200);
  });

  test('what takes too long ends with 503, and its work is told to stop', async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const fetchImage = (_: string, signal?: AbortSignal) => {
      signals.push(signal);
      return new Promise<never>((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason));
      });
    };
    const service = await run.start({ fetchImage, limits: { deadlineMs: 50 } });
    const answer = await ask(service, '/knn-service', {}, { image_url: 'https://example.org/a.jpg' });
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '5' } });
    expect(answer.body).toEqual({ error: expect.stringContaining('too long') });
    expect(signals).toEqual([expect.objectContaining({ aborted: true })]);
    expect((await search(service)).status).toBe(200);
  });

  test('a client that goes away takes its work with it, and its place in the line', async () => {
    const { embedder, asked, letGo } = heldEmbedder();
    const service = await run.start({ embedder, limits: { maxRunning: 1 } });
    const first = ask(service, '/knn-service', {}, { text: 'first' });
    await vi.waitFor(() => expect(asked).toEqual(['first']));
    const gone = httpRequest(new URL('/knn-service', service.url), { method: 'POST', agent: false });
    gone.on('error', () => undefined);
    gone.end('{"text":"gone"}');
    const waiting = async () =>
      /^gleaner_searches_waiting (\d+)$/m.exec(
        await (await fetch(new URL('/metrics', service.url))).text(),
      )?.[1];
    await vi.waitFor(async () => expect(await waiting()).toBe('1'));
    gone.destroy();
    await vi.waitFor(async () => expect(await waiting()).toBe('0'));
    letGo();
    expect((await first).status).toBe(200);
    expect(asked).toEqual(['first']);
  });

  test('slow bodies hold no place', async () => {
    const service = await run.start({ limits: { maxRunning: 1, maxWaiting: 0 } });
    const slow: Socket[] = [];
    for (let i = 0; i < 20; i++) {
      const socket = connect(service.port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write('POST /knn-service HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{"text":');
      slow.push(socket);
    }
    await Promise.all(slow.map((socket) => once(socket, 'connect')));
    expect((await search(service)).status).toBe(200);
    for (const socket of slow) socket.destroy();
  });

  test('bodies are bounded, each and all together; what was held is given back', async () => {
    const service = await run.start({ limits: { maxBodyBytes: 100_000, maxBodyBytesInAll: 150_000 } });
    const half = httpRequest(new URL('/knn-service', service.url), { method: 'POST', agent: false });
    half.on('error', () => undefined);
    half.write(`{"text":"${'a'.repeat(90_000)}`);
    const held = async () =>
      Number(
        /^gleaner_body_bytes (\d+)$/m.exec(await (await fetch(new URL('/metrics', service.url))).text())?.[1],
      );
    await vi.waitFor(async () => expect(await held()).toBeGreaterThan(90_000));
    const large = { ...QUERY, image: 'A'.repeat(80_000) };
    expect((await ask(service, '/knn-service', {}, large)).status).toBe(503);
    expect((await ask(service, '/knn-service', {}, { image: 'A'.repeat(200_000) })).status).toBe(413);
    half.destroy();
    await vi.waitFor(async () => expect(await held()).toBe(0));
    expect((await ask(service, '/knn-service', {}, large)).status).toBe(400);
    expect((await search(service)).status).toBe(200);
    expect(await held()).toBe(0);
  });
});

describe('connections', () => {
  const OTHER = { localAddress: '127.0.0.2' };
  const limits = { exemptLoopback: false };

  async function opened(service: Service, localAddress: string, say = ''): Promise<Socket> {
    const socket = connect({ port: service.port, host: '127.0.0.1', localAddress });
    socket.on('error', () => undefined).resume();
    if (say !== '') socket.write(say);
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    return socket;
  }
  const linux = test.runIf(process.platform === 'linux');

  linux('one client has 128 at most, and room again when it has closed some', async () => {
    const service = await run.start({ limits });
    const sockets: Socket[] = [];
    for (let i = 0; i < 140; i++) sockets.push(await opened(service, '127.0.0.5'));
    await vi.waitFor(() => expect(sockets.filter((socket) => socket.destroyed)).toHaveLength(12));
    await expect(search(service, { localAddress: '127.0.0.5' })).rejects.toThrow();
    expect((await search(service, OTHER)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(async () =>
      expect((await search(service, { localAddress: '127.0.0.5' })).status).toBe(200),
    );
  });

  linux('who goes on sending what is no request is not heard any more', async () => {
    const service = await run.start({ limits });
    for (let i = 0; i < 130; i++) {
      const socket = await opened(service, '127.0.0.5', 'GET / HTTP/9.9\r\n\r\n');
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
    }
    await expect(search(service, { localAddress: '127.0.0.5' })).rejects.toThrow();
    expect((await search(service, OTHER)).status).toBe(200);
  });

  test.each([
    ['a head that trickles', 'GET / HTTP/1.1\r\nX: ', 408],
    ['a body that trickles', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{', 408],
    ['a head without end', `GET / HTTP/1.1\r\nX: ${'a'.repeat(40_000)}`, 431],
    ['no request', 'hello\r\n\r\n', 400],
  ])('%s is ended with one line', async (_, say, status) => {
    const guard = new Guard(guardLimits());
    const answer = async (request: Request) => new Response(await request.text());
    const server = { headersTimeout: 200, requestTimeout: 300, connectionsCheckingInterval: 50 };
    const listening = await listenOn(answer, 0, '127.0.0.1', {
      server,
      watch: (http) => guard.connections.watch(http),
    });
    const socket = connect(listening.port, '127.0.0.1');
    socket.write(say);
    const said = await text(socket);
    expect(said).toMatch(new RegExp(`^HTTP/1.1 ${status} [A-Za-z ]+\r\n`));
    expect(said).not.toMatch(/at |Error/);
    await listening.close();
  });
});

describe('lives, is ready, ends', () => {
  test('says that it is not to be asked any more while it still answers', async () => {
    const service = await run.start({ drainMs: 300 });
    expect(await ask(service, '/readyz')).toMatchObject({ status: 200, body: { status: 'ready' } });
    const closed = service.close();
    expect(await ask(service, '/readyz')).toMatchObject({ status: 503, headers: { connection: 'close' } });
    expect((await ask(service, '/healthz')).status).toBe(200);
    expect((await search(service)).status).toBe(200);
    await closed;
    await expect(search(service)).rejects.toThrow();
  });

  test('connections that send nothing, half a head or half a body do not hold it up; a search under way is answered', async () => {
    const { embedder, asked, letGo } = heldEmbedder();
    const service = await run.start({ embedder });
    const sockets = ['', 'GET / HT', 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'].map((text) => {
      const socket = connect(service.port, '127.0.0.1');
      socket.on('error', () => undefined).write(text);
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    const answer = ask(service, '/knn-service', { headers: { Connection: 'keep-alive' } }, { text: 'red' });
    await vi.waitFor(() => expect(asked).toEqual(['red']));
    const closed = service.close();
    letGo();
    expect((await answer).status).toBe(200);
    await closed;
    for (const socket of sockets) socket.destroy();
  });
});

describe('pages of others', () => {
  const from = (origin: string) => ({ headers: { Origin: origin } });

  test('may not ask by default', async () => {
    const service = await run.start();
    const { headers } = await ask(service, '/indices-list', from('https://example.org'));
    expect(headers['access-control-allow-origin']).toBeUndefined();
    expect(headers['cross-origin-resource-policy']).toBe('same-origin');
  });

  test('may where their origin is named, and see when they ask too often', async () => {
    const service = await run.start({
      corsOrigins: ['https://example.org'],
      limits: { rate: 0.01, burst: 2, exemptLoopback: false },
    });
    const preflight = await ask(service, '/knn-service', {
      method: 'OPTIONS',
      headers: {
        Origin: 'https://example.org',
        'Access-Control-Request-Method': 'POST',
        'Access-Control-Request-Headers': 'content-type',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': 'https://example.org',
      'access-control-allow-headers': 'content-type',
    });
    for (const status of [200, 200, 429]) {
      const answer = await ask(service, '/knn-service', from('https://example.org'), QUERY);
      expect(answer.status).toBe(status);
      expect(answer.headers['access-control-allow-origin']).toBe('https://example.org');
    }
    const { headers } = await ask(service, '/indices-list', from('https://evil.example'));
    expect(headers['access-control-allow-origin']).not.toBe('https://evil.example');
  });
});
