import type { RequestListener } from 'node:http';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { systemClock } from '../../src/fetcher/clock.ts';
import { type Clock, DnsFailure } from '../../src/fetcher/index.ts';
import { DomainLimiter, type Slot } from '../../src/fetcher/limit.ts';
import { parseRetryAfter } from '../../src/fetcher/retry.ts';
import { deadHost, PIXELS, serve, serveRaw, serveTcp, serveTls, webSource } from './servers.ts';
import { NOW, testClock } from './test-clock.ts';

describe('robots.txt', () => {
  /** Counts what was asked; answers images. */
  const withRobots = async (robots: RequestListener) => {
    const asked: string[] = [];
    const server = await serve(
      (request, response) => {
        asked.push(request.url ?? '');
        if (request.url === '/robots.txt') robots(request, response);
        else response.end(PIXELS);
      },
      { robots: 'handler' },
    );
    return { server, asked };
  };

  it('closes what it disallows, is asked for once, and shared', async () => {
    const { server, asked } = await withRobots((_, response) =>
      response.end('User-agent: gleaner\nDisallow: /private/\n'),
    );
    const source = webSource([server], { respectRobots: true });
    const paths = ['/private/1.png', '/2.png', '/private/3.png', '/4.png'];
    const results = await Promise.all(paths.map((path) => source.get(server.origin + path)));
    expect(results.map(({ kept }) => kept)).toEqual([false, true, false, true]);
    expect(results[0]).toEqual({ kept: false, reason: 'robots', detail: server.host });
    expect(await source.get(`${server.origin}/private/5.png`)).toMatchObject({ reason: 'robots' });
    expect(asked.toSorted()).toEqual(['/2.png', '/4.png', '/robots.txt']);
    expect(await webSource([server]).get(`${server.origin}/private/1.png`)).toMatchObject({ kept: true });
  });

  it('is for the token that the user agent begins with', async () => {
    const { server } = await withRobots((_, response) => response.end('User-agent: my-bot\nDisallow: /\n'));
    const get = (userAgent: string) =>
      webSource([server], { respectRobots: true, userAgent }).get(server.origin);
    expect(await get('My-Bot/1.0')).toMatchObject({ reason: 'robots' });
    expect(await get('gleaner/1.0')).toMatchObject({ kept: true });
  });

  it.each([
    [200, true],
    [204, true],
    [401, true],
    [404, true],
    [410, true],
    [500, false],
    [503, false],
  ])('status %i: open: %s', async (status, open) => {
    const { server } = await withRobots((_, response) => response.writeHead(status).end());
    const result = await webSource([server], { respectRobots: true }).get(server.origin);
    expect(result).toMatchObject(
      open ? { kept: true } : { kept: false, reason: 'robots', detail: `${status}` },
    );
  });

  it('that cannot be had closes all', async () => {
    const server = await serveRaw('', (socket) => socket.end());
    const result = await webSource([server], { respectRobots: true }).get(`${server.origin}/a.png`);
    expect(result).toEqual({ kept: false, reason: 'robots', detail: 'unreachable' });
  });

  it('of a host that is not there: the host is the reason', async () => {
    const host = await deadHost();
    const source = webSource([{ host }], {
      respectRobots: true,
      resolve: () => Promise.reject(new Error('no such name')),
    });
    expect(await source.get(`http://${host}/`)).toMatchObject({ reason: 'connection' });
    expect(await source.get('http://gone.example.com/')).toMatchObject({ reason: 'dns' });
    expect(await source.get('http://10.0.0.1/')).toMatchObject({ reason: 'address' });
  });

  it('may be redirected five times, also to another host', async () => {
    const other = await serve((_, response) => response.end('User-agent: *\nDisallow: /\n'));
    const hops: (string | undefined)[] = [];
    const server = await serve(
      (request, response) => {
        const hop = Number(new URL(request.url ?? '', 'http://a').searchParams.get('hop') ?? 0);
        hops.push(request.url);
        const location = hop < 4 ? `/robots.txt?hop=${hop + 1}` : `${other.origin}/rules`;
        response.writeHead(302, { location }).end();
      },
      { robots: 'handler' },
    );
    const source = webSource([server, other], { respectRobots: true, maxRedirects: 0 });
    expect(await source.get(`${server.origin}/a.png`)).toMatchObject({ reason: 'robots' });
    expect(hops).toHaveLength(5);
  });

  it('that is redirected more often is not there', async () => {
    const { server } = await withRobots((_, response) =>
      response.writeHead(302, { location: '/robots.txt' }).end(),
    );
    expect(await webSource([server], { respectRobots: true }).get(server.origin)).toMatchObject({
      kept: true,
    });
  });

  it('holds for the target of a redirect', async () => {
    const { server: target, asked } = await withRobots((_, response) =>
      response.end('User-agent: *\nDisallow: /'),
    );
    const server = await serve((_, response) => {
      response.writeHead(301, { location: `${target.origin}/a.png` }).end();
    });
    const result = await webSource([server, target], { respectRobots: true }).get(server.origin);
    expect(result).toEqual({ kept: false, reason: 'robots', detail: target.host });
    expect(asked).toEqual(['/robots.txt']);
  });

  it('above 500 KiB counts as far as that', async () => {
    const { server } = await withRobots((_, response) => {
      response.end(`User-agent: *\nDisallow: /a\n${`#${'x'.repeat(98)}\n`.repeat(6000)}Disallow: /b\n`);
    });
    const source = webSource([server], { respectRobots: true, maxBodyBytes: 100 });
    expect(await source.get(`${server.origin}/a`)).toMatchObject({ reason: 'robots' });
    expect(await source.get(`${server.origin}/b`)).toMatchObject({ kept: true });
  });

  it('is asked for again after a day, sooner where it could not be had', async () => {
    let status = 200;
    const { server, asked } = await withRobots((_, response) => response.writeHead(status).end());
    const clock = testClock();
    const source = webSource([server], { respectRobots: true, clock });
    const robotsAfter = async (ms: number) => {
      clock.time += ms;
      await source.get(server.origin);
      return asked.filter((path) => path === '/robots.txt').length;
    };
    const hour = 3_600_000;
    expect(await robotsAfter(0)).toBe(1);
    expect(await robotsAfter(23 * hour)).toBe(1);
    status = 503;
    expect(await robotsAfter(hour)).toBe(2);
    expect(await robotsAfter(60_000)).toBe(2);
    expect(await robotsAfter(hour)).toBe(3);
  });

  it.each([200, 503])('(%i) of few origins are remembered, those used last', async (status) => {
    const servers = await Promise.all([0, 1, 2].map(() => withRobots((_, r) => r.writeHead(status).end())));
    const source = webSource(
      servers.map(({ server }) => server),
      {
        respectRobots: true,
        robotsCacheEntries: 2,
      },
    );
    for (const i of [0, 1, 0, 2, 0, 1]) await source.get(servers[i]?.server.origin ?? '');
    const times = servers.map(({ asked }) => asked.filter((path) => path === '/robots.txt').length);
    expect(times).toEqual([1, 2, 1]);
  });

  it('one who gives up does not take it from the others', async () => {
    let answer = () => {};
    const asked = Promise.withResolvers<void>();
    const { server } = await withRobots((_, response) => {
      answer = () => response.end();
      asked.resolve();
    });
    const source = webSource([server], { respectRobots: true });
    const controller = new AbortController();
    const impatient = source.get(`${server.origin}/1`, controller.signal);
    const patient = source.get(`${server.origin}/2`);
    await asked.promise;
    controller.abort(new Error('too slow'));
    await expect(impatient).rejects.toThrow('too slow');
    answer();
    expect(await patient).toMatchObject({ kept: true });
  });
});

describe('retries', () => {
  /** Answers with each of `answers` in turn. */
  const inTurn = (...answers: RequestListener[]) => {
    let at = 0;
    return serve((request, response) => answers[at++]?.(request, response));
  };
  const ok: RequestListener = (_, response) => response.end(PIXELS);
  const reset: RequestListener = (request) => request.socket.resetAndDestroy();
  const busy =
    (status: number, retryAfter?: string): RequestListener =>
    (_, response) =>
      response.writeHead(status, retryAfter ? { 'retry-after': retryAfter } : {}).end();

  it.each([
    ['a reset connection', reset, 375], // 500 ms * (0.5 + 0.25)
    ['429', busy(429), 375],
    ['503 with seconds', busy(503, '2'), 2000],
    ['503 with a date', busy(503, new Date(NOW + 3000).toUTCString()), 3000],
    ['500', busy(500), 375],
    ['502', busy(502), 375],
  ])('%s is tried again', async (_, first, waitMs) => {
    const server = await inTurn(first, ok);
    const clock = testClock();
    const source = webSource([server], { retries: 1, clock });
    expect(await source.get(server.origin)).toMatchObject({ kept: true });
    expect(clock.sleeps).toEqual([waitMs]);
    expect(source.stats.requests).toBe(2);
  });

  it.each([
    ['503 that asks for long', busy(503, '6')],
    ['404', busy(404)],
    ['400', busy(400)],
    ['408', busy(408)],
    ['501', busy(501)],
    ['505', busy(505)],
  ])('%s is not', async (_, first) => {
    const server = await inTurn(first, ok);
    const clock = testClock();
    expect(await webSource([server], { retries: 1, clock }).get(server.origin)).toMatchObject({
      reason: 'http_status',
    });
    expect(clock.sleeps).toEqual([]);
  });

  it('end', async () => {
    const server = await inTurn(reset, reset, reset, ok);
    const clock = testClock();
    const result = await webSource([server], { retries: 2, clock }).get(server.origin);
    expect(result).toMatchObject({ kept: false, reason: 'connection' });
    expect(clock.sleeps).toEqual([375, 750]);
  });

  it('wait without a slot', async () => {
    const server = await inTurn(reset, ok, ok);
    const sleeping = Promise.withResolvers<void>();
    const woken = Promise.withResolvers<void>();
    const clock: Clock = {
      ...testClock(),
      sleep: () => {
        sleeping.resolve();
        return woken.promise;
      },
    };
    const source = webSource([server], { retries: 1, clock, concurrency: 1, perDomainConcurrency: 1 });
    const first = source.get(`${server.origin}/1`);
    await sleeping.promise;
    expect(await source.get(`${server.origin}/2`)).toMatchObject({ kept: true });
    woken.resolve();
    expect(await first).toMatchObject({ kept: true });
  });

  it('a connection refused and one that times out', async () => {
    const host = await deadHost();
    const stalled = await serveTcp(() => {}, 'https');
    const clock = testClock();
    const source = webSource([{ host }, stalled], { retries: 1, clock, connectTimeoutMs: 20 });
    expect(await source.get(`http://${host}/`)).toMatchObject({ reason: 'connection' });
    expect(await source.get(stalled.origin)).toMatchObject({ reason: 'timeout' });
    expect(clock.sleeps).toEqual([375, 375]);
  });

  it('a name whose server fails, not one that does not exist', async () => {
    const clock = testClock();
    const resolve = (host: string) =>
      Promise.reject(
        host === 'bad.example' ? new DnsFailure('SERVFAIL', true) : new DnsFailure('NXDOMAIN', false),
      );
    const source = webSource([], { retries: 1, clock, resolve });
    expect(await source.get('http://gone.example/')).toMatchObject({ reason: 'dns' });
    expect([source.stats.requests, clock.sleeps]).toEqual([1, []]);
    expect(await source.get('http://bad.example/')).toMatchObject({ reason: 'dns' });
    expect([source.stats.requests, clock.sleeps]).toEqual([3, [375]]);
  });

  it('not TLS that fails, nor an address that is refused', async () => {
    const server = await serveTls((_, response) => response.end(PIXELS));
    const source = webSource([server], { retries: 3, clock: testClock() });
    expect(await source.get(server.origin)).toMatchObject({ reason: 'tls' });
    expect(await source.get('http://10.0.0.1/')).toMatchObject({ reason: 'address' });
    expect(source.stats.requests).toBe(2);
  });

  it('a first byte that does not come, while there is time', async () => {
    const server = await serveRaw('', () => {});
    const source = webSource([server], { retries: 1, clock: testClock(), firstByteTimeoutMs: 20 });
    expect(await source.get(server.origin)).toMatchObject({ reason: 'timeout', detail: 'first byte' });
    expect(source.stats.requests).toBe(2);
  });

  it('are a share of the requests of a run, after the first hundred', async () => {
    const server = await serve((_, response) => response.writeHead(500).end());
    const source = webSource([server], { retries: 1, maxRetryShare: 0.1, clock: testClock() });
    for (let i = 0; i < 300; i++) await source.get(`${server.origin}/${i}`);
    // x retries where x = 100 + 0.1 (300 + x), and the one that goes over it
    expect(source.stats.requests - 300).toBe(145);
  });

  it.each([
    ['120', 120_000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:00:10 GMT', 10_000],
    ['Thursday, 01-Jan-26 00:00:10 GMT', 10_000],
    ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('Retry-After %j is %s ms', (value, ms) => expect(parseRetryAfter(value, NOW)).toBe(ms));
});

/** Limits of the tests' own, by the machine's clock. */
function limiterOf(limits: Partial<ConstructorParameters<typeof DomainLimiter>[0]>): DomainLimiter {
  return new DomainLimiter({
    concurrency: 100,
    maxStalled: 0,
    perDomainConcurrency: 4,
    perDomainIntervalMs: 0,
    retryBackoffMs: 500,
    maxRetryAfterMs: 5000,
    clock: systemClock,
    ...limits,
  });
}

async function admitted(
  limiter: DomainLimiter,
  name: string,
  signal = new AbortController().signal,
): Promise<Slot> {
  const slot = await limiter.acquire(name, signal);
  if ('reason' in slot) throw new Error(slot.detail);
  return slot;
}

describe('limits', () => {
  /** Holds its answers until `expected` requests are there at once, and notes the most that ever were. */
  const counting = async (expected: number) => {
    const state = { now: 0, most: 0 };
    const reached = Promise.withResolvers<void>();
    const server = await serve((_, response) => {
      state.now++;
      state.most = Math.max(state.most, state.now);
      if (state.now === expected) reached.resolve();
      reached.promise.then(() =>
        setImmediate(() => {
          state.now--;
          response.end(PIXELS);
        }),
      );
    });
    return { server, state };
  };

  it.each([
    { concurrency: 3, perDomainConcurrency: 9 },
    { concurrency: 9, perDomainConcurrency: 3 },
  ])('%j: three at once, and no more', async (limits) => {
    const { server, state } = await counting(3);
    const source = webSource([server], limits);
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, i) => source.get(`${server.origin}/${i}`)),
    );
    expect(results.every(({ kept }) => kept)).toBe(true);
    expect(state.most).toBe(3);
    expect(server.connections()).toBeLessThanOrEqual(limits.perDomainConcurrency);
  });

  it('a host that does not answer holds up nobody else', async () => {
    const slow = await serveRaw('', () => {});
    const quick = await serve((_, response) => response.end(PIXELS));
    const source = webSource([slow, quick], { concurrency: 2, perDomainConcurrency: 1 });
    const giveUp = new AbortController();
    const held = Promise.allSettled(
      [1, 2, 3, 4].map((i) => source.get(`${slow.origin}/${i}`, giveUp.signal)),
    );
    for (const i of [1, 2, 3, 4])
      expect(await source.get(`${quick.origin}/${i}`)).toMatchObject({ kept: true });
    giveUp.abort();
    await held;
  });

  it('connections that are still being made end with the time of their URL, and count', async () => {
    const server = await serveTcp((socket) => socket.resume(), 'https');
    const source = webSource([server], {
      perDomainConcurrency: 1,
      totalTimeoutMs: 40,
      connectTimeoutMs: 60_000,
    });
    for (const _ of [1, 2]) expect(await source.get(server.origin)).toMatchObject({ reason: 'timeout' });
    expect(server.connections()).toBe(1);
  });

  it('two hosts that redirect to each other do not wait for each other', async () => {
    const crossed = async (other: () => string) =>
      serve((request, response) => {
        if (request.url === '/end') response.end(PIXELS);
        else response.writeHead(302, { location: `${other()}/end` }).end();
      });
    const a = await crossed(() => b.origin);
    const b = await crossed(() => a.origin);
    const source = webSource([a, b], { concurrency: 2, perDomainConcurrency: 1 });
    const results = await Promise.all([a, b, a, b].map(({ origin }) => source.get(origin)));
    expect(results.every(({ kept }) => kept)).toBe(true);
  });

  it('the time for one URL does not run while it waits for a slot', async () => {
    const server = await serve((_, response) => {
      setTimeout(() => response.end(PIXELS), 200);
    });
    // Together they need 2 s and more, each alone 200 ms.
    const source = webSource([server], { concurrency: 1, totalTimeoutMs: 1500 });
    const results = await Promise.all(Array.from({ length: 10 }, () => source.get(server.origin)));
    expect(results.every(({ kept }) => kept)).toBe(true);
  });

  it('the interval of a host is kept, and hosts are forgotten after it', async () => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const limiter = limiterOf({ concurrency: 9, perDomainConcurrency: 9, perDomainIntervalMs: 1000 });
    const signal = new AbortController().signal;
    const begun = performance.now();
    const starts: number[] = [];
    const all = [1, 2, 3].map(async () => {
      const slot = await admitted(limiter, 'a', signal);
      starts.push(performance.now() - begun);
      slot.release({ kind: 'good' });
    });
    (await admitted(limiter, 'b', signal)).release({ kind: 'good' });
    expect(limiter.domains).toBe(2);
    await vi.advanceTimersByTimeAsync(5000);
    await Promise.all(all);
    expect(starts).toEqual([0, 1000, 2000]);
    expect([limiter.domains, limiter.inFlight, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  it('a request that stalls makes room for another after a second, for so many', async () => {
    vi.useFakeTimers();
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const limiter = limiterOf({ concurrency: 2, maxStalled: 3 });
    const started: string[] = [];
    const slots: Slot[] = [];
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
      admitted(limiter, name).then((slot) => {
        started.push(name);
        slots.push(slot);
      });
    const startedAfter = async (ms: number) => {
      await vi.advanceTimersByTimeAsync(ms);
      return started.join('');
    };
    expect(await startedAfter(900)).toBe('ab');
    expect(await startedAfter(200)).toBe('abcd');
    // One more stalls; then there is no place for others.
    expect(await startedAfter(2000)).toBe('abcde');
    expect(limiter.inFlight).toBe(5);
    for (const slot of slots.splice(0, 1)) slot.release({ kind: 'good' });
    expect(await startedAfter(1000)).toBe('abcdef');
    for (const slot of slots.splice(0)) slot.release({ kind: 'good' });
    expect(await startedAfter(0)).toBe('abcdefg');
    for (const slot of slots) slot.release({ kind: 'good' });
    await vi.advanceTimersByTimeAsync(2000);
    expect([limiter.inFlight, limiter.domains, vi.getTimerCount()]).toEqual([0, 0, 0]);
  });

  it('one that stops waiting leaves no trace', async () => {
    const limiter = limiterOf({ concurrency: 1, perDomainConcurrency: 1 });
    const slot = await admitted(limiter, 'a');
    const controller = new AbortController();
    const waiting = [limiter.acquire('a', controller.signal), limiter.acquire('b', controller.signal)];
    controller.abort(new Error('enough'));
    for (const each of waiting) await expect(each).rejects.toThrow('enough');
    slot.release({ kind: 'good' });
    expect([limiter.domains, limiter.inFlight]).toEqual([0, 0]);
    await expect(limiter.acquire('a', controller.signal)).rejects.toThrow('enough');
    (await admitted(limiter, 'a')).release({ kind: 'good' });
    expect(limiter.domains).toBe(0);
  });
});
