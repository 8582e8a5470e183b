import { describe, expect, test } from 'vitest';
import { Admission } from '../../src/service/guard/admission.ts';
import { clientOf } from '../../src/service/guard/client.ts';
import { costOf, guardLimits } from '../../src/service/guard/limits.ts';
import { TokenBuckets } from '../../src/service/guard/token-buckets.ts';

describe('who asks', () => {
  const client = (remoteAddress: string, forwarded?: string, proxies = 0) =>
    clientOf(
      { socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } },
      proxies,
    );

  test('by the address of the socket: IPv4 in IPv6 is IPv4, IPv6 counts by its network', () => {
    expect(client('203.0.113.7').key).toBe('203.0.113.7');
    expect(client('::ffff:203.0.113.7').key).toBe('203.0.113.7');
    expect(client('2001:db8:1:2:3::4').key).toBe(client('2001:db8:1:2:ffff:1:2:3').key);
    expect(client('2001:db8:1:2::4').key).not.toBe(client('2001:db8:1:3::4').key);
  });

  test.each([
    ['127.0.0.1', true],
    ['127.8.8.8', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['', false],
  ])('%j is this machine: %s', (address, loopback) => {
    expect(client(address).loopback).toBe(loopback);
  });

  // X-Forwarded-For is written from left to right, client first: each proxy adds whom it saw (MDN, "Selecting an IP address").
  test.each([
    ['no proxy is trusted', '198.51.100.1', 0, '127.0.0.1'],
    ['one proxy', '198.51.100.1', 1, '198.51.100.1'],
    ['a client that made up others', '6.6.6.6, 7.7.7.7, 198.51.100.1', 1, '198.51.100.1'],
    ['two proxies', '6.6.6.6, 198.51.100.1, 192.0.2.9', 2, '198.51.100.1'],
    ['two where one was gone round', '198.51.100.1', 2, '198.51.100.1'],
    ['with a port', '198.51.100.1:5555', 1, '198.51.100.1'],
    ['no header', undefined, 1, '127.0.0.1'],
    ['no address', 'unknown', 1, '127.0.0.1'],
  ])('behind proxies: %s', (_, forwarded, proxies, key) => {
    expect(client('127.0.0.1', forwarded, proxies).key).toBe(key);
  });

  test('nobody is taken for this machine by a header', () => {
    expect(client('192.0.2.9', '127.0.0.1', 1).loopback).toBe(false);
    expect(client('127.0.0.1', '127.0.0.1', 1).loopback).toBe(false);
  });
});

describe('rate of a client', () => {
  let now = 0;
  const buckets = (rate: number, burst: number, many = 3) => {
    now = 0;
    return new TokenBuckets({ rate, burst, buckets: many, now: () => now });
  };

  test('a burst, then the rate', () => {
    const bucket = buckets(2, 10);
    for (let i = 0; i < 10; i++) expect(bucket.take('a', 1)).toBe(0);
    expect(bucket.take('a', 1)).toBeCloseTo(0.5);
    now = 500;
    expect(bucket.take('a', 1)).toBe(0);
    expect(bucket.take('a', 1)).toBeGreaterThan(0);
    expect(bucket.take('b', 1)).toBe(0);
    now = 1_000_000;
    let taken = 0;
    while (bucket.take('a', 1) === 0) taken++;
    expect(taken).toBe(10);
  });

  test('what a request turned out to cost is owed, a bucket of it at most', () => {
    const bucket = buckets(1, 10);
    bucket.charge('a', 1000);
    expect(bucket.take('a', 1)).toBeCloseTo(11);
    now = 11_000;
    expect(bucket.take('a', 1)).toBe(0);
  });

  test('what costs more than a bucket is let through by a full one', () => {
    const bucket = buckets(1, 10);
    expect(bucket.take('a', 20)).toBe(0);
    expect(bucket.take('a', 20)).toBeCloseTo(20);
  });

  test('memory is bounded: the client that was quiet for longest is forgotten', () => {
    const bucket = buckets(1, 1);
    for (const key of ['a', 'b', 'c', 'd']) bucket.take(key, 1);
    expect(bucket.size).toBe(3);
    expect(bucket.take('d', 1)).toBeGreaterThan(0);
    expect(bucket.take('a', 1)).toBe(0);
  });

  test('no limit is no limit', () => {
    const bucket = buckets(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
    for (let i = 0; i < 1000; i++) expect(bucket.take('a', 1e6)).toBe(0);
    expect(bucket.size).toBe(0);
  });

  test('a person who scrolls, types and clicks stays far below it, a script that searches does not', () => {
    const { rate, burst } = guardLimits();
    const bucket = buckets(rate, burst);
    // Three screens of 60 thumbnails a second, three searches a second: faster than anybody looks.
    const second = [
      ...Array(180).fill(costOf('GET', '/images/7.jpg')),
      ...Array(3).fill(costOf('POST', '/api/v1/search')),
      costOf('GET', '/api/v1/rows/7'),
    ];
    for (let s = 0; s < 600; s++, now += 1000)
      for (const { cost } of second) expect(bucket.take('person', cost)).toBe(0);
    let done = 0;
    for (let ms = 0; ms < 60_000; ms += 20, now += 20) if (bucket.take('script', 1) === 0) done++;
    expect(done).toBe(burst + rate * 60 - 1);
  });

  test('what a balancer asks is free; only searches take places', () => {
    expect(costOf('GET', '/healthz').cost + costOf('GET', '/readyz').cost).toBe(0);
    const searches = ['/knn-service', '/metadata', '/api/v1/search', '/api/v1/counts', '/api/v1/export'];
    for (const path of searches) expect(costOf('POST', path)).toMatchObject({ search: true });
    expect(costOf('GET', '/api/v1/rows/7/like').search).toBe(true);
    for (const path of ['/', '/images/7.jpg', '/api/v1/rows/7', '/indices-list', '/metrics'])
      expect(costOf('GET', path)).toMatchObject({ search: false });
  });
});

describe('places', () => {
  const limits = {
    maxRunning: 4,
    maxRunningPerClient: 2,
    maxWaiting: 5,
    maxWaitingPerClient: 2,
    maxWaitMs: 60_000,
  };
  const never = new AbortController().signal;
  /** Whether it settled, after all that can settle now. */
  const settled = async (promise: Promise<unknown>) => {
    let done = false;
    promise.then(
      () => (done = true),
      () => (done = true),
    );
    for (let i = 0; i < 10; i++) await Promise.resolve();
    return done;
  };

  test('so many of one client, so many in all, the rest wait in their order', async () => {
    const admission = new Admission(limits);
    const a1 = await admission.enter('a', never);
    await admission.enter('a', never);
    const a3 = admission.enter('a', never);
    expect(await settled(a3)).toBe(false);
    const b1 = await admission.enter('b', never);
    await admission.enter('c', never);
    const d1 = admission.enter('d', never);
    expect(await settled(d1)).toBe(false);
    expect([admission.running, admission.waiting]).toEqual([4, 2]);
    // a is first in the line, but has its share.
    b1();
    expect([await settled(d1), await settled(a3)]).toEqual([true, false]);
    a1();
    expect(await settled(a3)).toBe(true);
    expect([admission.running, admission.waiting]).toEqual([4, 0]);
  });

  test('one client cannot fill the line', async () => {
    const admission = new Admission(limits);
    for (let i = 0; i < 2; i++) await admission.enter('flood', never);
    const waiting = [admission.enter('flood', never), admission.enter('flood', never)];
    for (let i = 0; i < 100; i++)
      await expect(admission.enter('flood', never)).rejects.toMatchObject({ status: 429, retryAfter: 1 });
    expect(await settled(admission.enter('good', never))).toBe(true);
    expect(await settled(Promise.all(waiting))).toBe(false);
  });

  test('nor can many: then it says when to come back', async () => {
    const admission = new Admission(limits);
    for (const client of ['a', 'b', 'c', 'd']) await admission.enter(client, never);
    for (const client of ['e', 'f', 'g', 'h', 'i']) void admission.enter(client, never);
    await expect(admission.enter('j', never)).rejects.toMatchObject({ status: 503, retryAfter: 60 });
  });

  test('who has gone, or waited too long, leaves the line', async () => {
    const admission = new Admission({ ...limits, maxRunning: 1, maxWaitMs: 5 });
    const leave = await admission.enter('a', never);
    const controller = new AbortController();
    const gone = admission.enter('b', controller.signal);
    controller.abort(new Error('gone'));
    await expect(gone).rejects.toThrow('gone');
    await expect(admission.enter('c', never)).rejects.toMatchObject({ status: 503 });
    expect([admission.running, admission.waiting]).toEqual([1, 0]);
    leave();
    expect(admission.running).toBe(0);
    (await admission.enter('b', never))();
  });
});
