import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { DeadHosts } from '../../src/fetcher/dead-hosts.ts';
import { domainOf } from '../../src/fetcher/domain.ts';
import { DomainLimiter, type Pace, type Slot } from '../../src/fetcher/limit.ts';
import { deadHost, PIXELS, serve, serveRaw, webSource } from './servers.ts';
import { testClock } from './test-clock.ts';

const SLOW: Pace = { kind: 'slow', pause: false, why: 'timeout' };
const GOOD: Pace = { kind: 'good' };

describe('the domain of a URL', () => {
  // By the Public Suffix List, https://publicsuffix.org/list/public_suffix_list.dat
  it.each([
    ['https://img.cdn.example.com/a', 'example.com'],
    ['https://example.co.uk/', 'example.co.uk'],
    ['https://a.b.example.co.uk:8443/', 'example.co.uk'],
    ['https://alice.github.io/', 'alice.github.io'],
    ['https://d1.cloudfront.net/x', 'd1.cloudfront.net'],
    ['http://localhost:8080/', 'localhost:8080'],
    ['http://127.0.0.1:8080/', '127.0.0.1:8080'],
    ['http://[::1]/', '[::1]'],
    ['http://co.uk/', 'co.uk'],
  ])('%s: %s', (url, domain) => expect(domainOf(new URL(url))).toBe(domain));

  it('is what the limit counts: two hosts of one share it', async () => {
    let [now, most] = [0, 0];
    const gate = Promise.withResolvers<void>();
    const server = await serve((_, response) => {
      most = Math.max(most, ++now);
      if (now === 2) gate.resolve();
      gate.promise.then(() =>
        setImmediate(() => {
          now--;
          response.end(PIXELS);
        }),
      );
    });
    const port = server.host.split(':')[1];
    const hosts = ['a.shared.example', 'b.shared.example'].map((name) => ({ host: `${name}:${port}` }));
    const resolve = async () => [{ address: '127.0.0.1', family: 4 as const }];
    const source = webSource(hosts, { perDomainConcurrency: 2, resolve });
    const urls = hosts.flatMap(({ host }) => [1, 2, 3].map((i) => `http://${host}/${i}`));
    for (const { kept } of await Promise.all(urls.map((url) => source.get(url)))) expect(kept).toBe(true);
    expect(most).toBe(2);
  });
});

describe('the pace of a domain', () => {
  const signal = new AbortController().signal;
  const setUp = () => {
    const clock = testClock();
    const limiter = new DomainLimiter({
      concurrency: 100,
      maxStalled: 0,
      perDomainConcurrency: 4,
      perDomainIntervalMs: 0,
      retryBackoffMs: 500,
      maxRetryAfterMs: 5000,
      clock,
    });
    /** As many slots as there are at once. */
    const widthOf = async (name: string): Promise<Slot[]> => {
      const giveUp = new AbortController();
      const slots: Slot[] = [];
      const asked = Array.from({ length: 9 }, () =>
        limiter.acquire(name, giveUp.signal).then(
          (slot) => 'reason' in slot || slots.push(slot),
          () => {},
        ),
      );
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
      giveUp.abort();
      await Promise.all(asked);
      return slots;
    };
    const width = async (name: string) => {
      const slots = await widthOf(name);
      for (const slot of slots) slot.release({ kind: 'unknown' });
      return slots.length;
    };
    const answer = async (pace: Pace, name = 'a') => {
      const slot = await limiter.acquire(name, signal);
      if ('reason' in slot) return slot;
      clock.time += 1;
      slot.release(pace);
      return undefined;
    };
    return { clock, limiter, widthOf, width, answer };
  };

  it('halves with each answer that is slow, down to one, and other domains keep theirs', async () => {
    const { width, answer } = setUp();
    const widths = [await width('a')];
    for (let i = 0; i < 3; i++) {
      await answer(SLOW);
      widths.push(await width('a'));
    }
    expect(widths).toEqual([4, 2, 1, 1]);
    expect(await width('b')).toBe(4);
  });

  it('halves once for all that were under way together', async () => {
    const { clock, widthOf, width } = setUp();
    const slots = await widthOf('a');
    for (const slot of slots) {
      clock.time += 1;
      slot.release(SLOW);
    }
    expect([slots.length, await width('a')]).toEqual([4, 2]);
  });

  it('comes back slowly: four good answers at one, eight at two, twelve at three, or so', async () => {
    const { width, answer } = setUp();
    for (let i = 0; i < 3; i++) await answer(SLOW);
    let answers = 0;
    const needed: number[] = [];
    for (const wanted of [2, 3, 4]) {
      while ((await width('a')) < wanted) {
        await answer(GOOD);
        answers++;
      }
      needed.push(answers);
    }
    // w + 1 / 4w a time: by hand 1 → 1.25 → 1.45 → 1.62 → 1.78 → 1.92 → 2.05, and so on.
    expect(needed).toEqual([6, 16, 30]);
  });

  it('pauses longer each time that it is told to, up to a limit, and begins anew after a good answer', async () => {
    const { clock, answer } = setUp();
    const busy: Pace = { kind: 'slow', pause: true, why: '503' };
    for (let i = 0; i < 5; i++) await answer(busy);
    await answer(GOOD);
    await answer(busy);
    await answer(GOOD);
    // 500 × (0.5 + 0.25), doubling; a millisecond of it is over when the next one asks.
    expect(clock.sleeps).toEqual([375, 750, 1500, 3000, 5000, 375]);
  });

  it('a Retry-After holds for the domain; a long one refuses all that wait', async () => {
    const { clock, limiter, widthOf, answer } = setUp();
    await answer({ kind: 'slow', pause: true, retryAfterMs: 2000, why: '429' });
    await answer(GOOD);
    expect(clock.sleeps).toEqual([2000]);
    const slots = await widthOf('a');
    const waiting = limiter.acquire('a', signal);
    slots[0]?.release({ kind: 'slow', pause: true, retryAfterMs: 60_000, why: '429, Retry-After 60 s' });
    const refused = { kept: false, reason: 'host_down', detail: '429, Retry-After 60 s' };
    expect(await waiting).toMatchObject(refused);
    for (const slot of slots.slice(1)) slot.release(GOOD);
    expect(await limiter.acquire('a', signal)).toMatchObject(refused);
    clock.time += 60_000;
    expect(await answer(GOOD)).toBeUndefined();
    expect([limiter.inFlight, limiter.domains]).toEqual([0, 0]);
  });
});

describe('on the way', () => {
  const inTurn = (...answers: RequestListener[]) => {
    let at = 0;
    return serve((request, response) => answers[at++]?.(request, response));
  };

  it('Retry-After of one request delays the others of its domain', async () => {
    const ok: RequestListener = (_, response) => response.end(PIXELS);
    const server = await inTurn((_, r) => r.writeHead(429, { 'retry-after': '3' }).end(), ok, ok);
    const clock = testClock();
    const source = webSource([server], { clock });
    expect(await source.get(`${server.origin}/1`)).toMatchObject({ reason: 'http_status', detail: '429' });
    expect(clock.sleeps).toEqual([3000]);
    expect(await source.get(`${server.origin}/2`)).toMatchObject({ kept: true });
    expect(clock.sleeps).toEqual([3000]);
  });

  it('a domain that asks for an hour is not asked again, and says so', async () => {
    const server = await serve((_, response) => response.writeHead(503, { 'retry-after': '3600' }).end());
    const source = webSource([server], { clock: testClock(), retries: 2 });
    expect(await source.get(server.origin)).toMatchObject({ reason: 'http_status', detail: '503' });
    expect(await source.get(server.origin)).toEqual({
      kept: false,
      reason: 'host_down',
      detail: '503, Retry-After 3600 s',
    });
    expect(source.stats.requests).toBe(1);
  });
});

describe('dead hosts', () => {
  it('are refused after so many failures, with the cause, and probed at growing distances', () => {
    const clock = testClock();
    const dead = new DeadHosts({ deadAfterFailures: 2, deadProbeMs: 1000, clock });
    dead.failed('a', 'timeout: connect');
    expect(dead.admit('a')).toBeUndefined();
    dead.failed('a', 'connection: ECONNREFUSED');
    expect(dead.refusal('a')).toMatchObject({ reason: 'host_down', detail: 'connection: ECONNREFUSED' });
    const waits: number[] = [];
    let since = clock.time;
    while (waits.length < 9) {
      clock.time += 500;
      if (dead.admit('a')) continue;
      waits.push(clock.time - since);
      since = clock.time;
      dead.failed('a', 'timeout: connect');
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000, 64_000]);
    dead.answered('a');
    expect(dead.admit('a')).toBeUndefined();
  });

  it('of many, only so many are remembered', () => {
    const dead = new DeadHosts({ deadAfterFailures: 1, deadProbeMs: 1000, clock: testClock() });
    for (let i = 0; i <= 100_000; i++) dead.failed(`host-${i}`, '');
    expect([dead.refusal('host-0')?.reason, dead.refusal('host-1')?.reason]).toEqual([
      undefined,
      'host_down',
    ]);
  });

  it('cost no connection once known, until one comes back', async () => {
    const host = await deadHost();
    const clock = testClock();
    const source = webSource([{ host }], { clock, deadAfterFailures: 3 });
    const reasons: string[] = [];
    for (let i = 0; i < 6; i++) {
      const outcome = await source.get(`http://${host}/${i}`);
      if (!outcome.kept) reasons.push(`${outcome.reason} ${outcome.detail}`);
    }
    const refused = 'connection ECONNREFUSED';
    const cut = 'host_down connection: ECONNREFUSED';
    expect(reasons).toEqual([refused, refused, refused, cut, cut, cut]);
    expect(source.stats.requests).toBe(3);
    clock.time += 60_000;
    expect(await source.get(`http://${host}/`)).toMatchObject({ reason: 'connection' });
    expect(await source.get(`http://${host}/`)).toMatchObject({ reason: 'host_down' });
  });

  it('are found out by robots.txt as well', async () => {
    const host = await deadHost();
    const clock = testClock();
    const source = webSource([{ host }], { clock, respectRobots: true });
    const both = await Promise.all([source.get(`http://${host}/1`), source.get(`http://${host}/2`)]);
    for (const outcome of both) expect(outcome).toMatchObject({ reason: 'connection' });
    expect(await source.get(`http://${host}/3`)).toMatchObject({ reason: 'host_down' });
    expect(source.stats.requests).toBe(1);
    clock.time += 60_000;
    expect(await source.get(`http://${host}/4`)).toMatchObject({ reason: 'connection' });
  });

  it('one that answers anything is alive', async () => {
    const server = await serve((_, response) => response.writeHead(404).end());
    const source = webSource([server], { deadAfterFailures: 1 });
    for (const _ of [1, 2]) expect(await source.get(server.origin)).toMatchObject({ reason: 'http_status' });
  });

  it('one that keeps still counts', async () => {
    const server = await serveRaw('', () => {});
    const source = webSource([server], { deadAfterFailures: 1, firstByteTimeoutMs: 20 });
    expect(await source.get(server.origin)).toMatchObject({ reason: 'timeout' });
    expect(await source.get(server.origin)).toEqual({
      kept: false,
      reason: 'host_down',
      detail: 'timeout: first byte',
    });
  });
});
