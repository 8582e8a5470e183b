import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { gunzip, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../../src/fetcher/byte-budget.ts';
import { fetchDeadlineMs, shardDeadlineMs } from '../../src/fetcher/index.ts';
import { factualSource, PIXELS, serve, serveRaw, serveTcp, webSource } from './servers.ts';

const inflateElsewhere = promisify(gunzip);

const never = new AbortController().signal;

/** Whether a promise is settled once everything that is ready has run. */
async function settled(promise: Promise<unknown> | undefined): Promise<boolean> {
  let done = promise === undefined;
  promise?.then(() => {
    done = true;
  });
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  return done;
}

describe('bytes in flight', () => {
  it('used up: no request begins, and bodies wait, but for one that goes on to its end', async () => {
    const budget = new ByteBudget(100);
    const [a, b, c] = [budget.open(), budget.open(), budget.open()];
    expect([a.take(60), b.take(40)]).toEqual([undefined, undefined]);
    const [room, bMore, cMore] = [budget.room(never), b.take(10), c.take(10)];
    // b was first to want more than there is.
    expect(await Promise.all([room, bMore, cMore].map(settled))).toEqual([false, true, false]);
    expect(await settled(b.take(500))).toBe(true);
    const aMore = a.take(1);
    expect([budget.used, await settled(aMore)]).toEqual([610, false]);
    b.release();
    expect(await Promise.all([room, aMore, cMore].map(settled))).toEqual([true, true, true]);
    a.release();
    c.release();
    expect(budget.used).toBe(0);
  });

  it('who stops waiting holds nobody up', async () => {
    const budget = new ByteBudget(100);
    const [a, b] = [budget.open(), budget.open()];
    a.take(150);
    const waiting = b.take(10);
    const giveUp = new AbortController();
    const room = budget.room(giveUp.signal);
    giveUp.abort(new Error('enough'));
    await expect(room).rejects.toThrow('enough');
    b.release();
    a.release();
    expect([budget.used, await settled(waiting)]).toEqual([0, false]);
    expect(await settled(budget.room(never))).toBe(true);
  });

  it('a request waits until another body is done', async () => {
    const sockets: Socket[] = [];
    const asked: string[] = [];
    const server = await serveTcp((socket) => {
      socket.on('data', (data) => {
        asked.push(/GET (\S+)/.exec(data.toString())?.[1] ?? '');
        sockets.push(socket);
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n');
        socket.write(Buffer.alloc(1000));
      });
    });
    const source = webSource([server], { maxBytesInFlight: 1000 });
    const first = source.get(`${server.origin}/1`);
    while (sockets.length === 0 || source.stats.bytes < 1000) await new Promise(setImmediate);
    const second = source.get(`${server.origin}/2`);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(asked).toEqual(['/1']);
    // More than there is room for, but the only one: it goes on.
    sockets[0]?.write(Buffer.alloc(1000));
    expect(await first).toMatchObject({ kept: true });
    while (sockets.length < 2) await new Promise(setImmediate);
    sockets[1]?.write(Buffer.alloc(1000));
    expect(await second).toMatchObject({ kept: true });
  });

  it('the time of a URL does not run while it waits for memory', async () => {
    const sockets: Socket[] = [];
    const server = await serveTcp((socket) => {
      socket.once('data', () => {
        sockets.push(socket);
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n');
        socket.write(Buffer.alloc(1000));
      });
    });
    const options = { maxBytesInFlight: 1500, totalTimeoutMs: 150, concurrency: 2 };
    const source = factualSource([server], options);
    const both = [1, 2].map((i) => source.get(`${server.origin}/${i}`));
    // The one that may go on never gets the rest of its body; the other waits for its end, with its rest at hand.
    while (source.stats.bytes < 2000) await new Promise(setImmediate);
    for (const socket of sockets) socket.write(Buffer.alloc(500));
    const first = await Promise.race(both);
    expect(first).toMatchObject({ kept: false, reason: 'timeout', detail: 'total, in the body' });
    for (const socket of sockets) if (!socket.destroyed) socket.write(Buffer.alloc(500));
    const outcomes = await Promise.all(both);
    expect(outcomes.map(({ kept }) => kept).toSorted()).toEqual([false, true]);
  });

  it('count what comes out of a content coding too', async () => {
    const body = gzipSync(Buffer.alloc(900));
    let held = (_: unknown) => {};
    const gate = new Promise((resolve) => {
      held = resolve;
    });
    const asked: string[] = [];
    const server = await serve(async (request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length + 1 });
      response.write(body);
      await gate;
      response.end('x');
    });
    const source = webSource([server], { maxBytesInFlight: 900 });
    const first = source.get(`${server.origin}/1`);
    // As sent it is a tenth of what there is room for.
    while (source.stats.bytes < body.length) await new Promise(setImmediate);
    // It is inflated in another thread, in turn: what is begun later there is done later.
    for (let round = 0; round < 5; round++) {
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      await inflateElsewhere(body);
    }
    const second = source.get(`${server.origin}/2`);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(asked).toEqual(['/1']);
    held(undefined);
    await Promise.all([first, second]);
    expect(asked).toEqual(['/1', '/2']);
  });
});

describe('deadlines', () => {
  const options = {
    queueTimeoutMs: 1000,
    totalTimeoutMs: 100,
    retries: 2,
    retryBackoffMs: 10,
    maxRetryAfterMs: 25,
  };

  it('are made of what there is to wait for', () => {
    // Queue; robots.txt and image each with their time and two waits: max(15, 25) and max(30, 25).
    expect(fetchDeadlineMs(options)).toBe(1000 + 2 * (100 + 25 + 30));
    expect(shardDeadlineMs(options, 1000, 300)).toBe(4 * fetchDeadlineMs(options));
    // By the defaults: a minute, two times half a minute, and 5 s before the one retry of each.
    expect(fetchDeadlineMs()).toBe(60_000 + 2 * 35_000);
  });

  const short = { queueTimeoutMs: 50, totalTimeoutMs: 50, retries: 0, firstByteTimeoutMs: 60_000 };

  it('end the waiting for a slot', async () => {
    const server = await serveRaw('', () => {});
    const source = factualSource([server], { ...short, totalTimeoutMs: 200, perDomainConcurrency: 1 });
    const all = await Promise.all([1, 2, 3, 4, 5].map((i) => source.get(`${server.origin}/${i}`)));
    // Two have their time after each other, and the deadline is that of two and a little.
    const details = all.map((outcome) => (outcome.kept ? '' : outcome.detail));
    expect(details[0]).toBe('total');
    // Their deadlines pass in one moment: each may still be given the slot of the one before.
    for (const detail of details.slice(3)) expect(detail).toMatch(/^deadline, (slot|request)$/);
    expect(all[4]?.facts).toMatchObject({ status: null, wireBytes: 0 });
    expect(all[4]?.facts?.queueMs).toBeGreaterThanOrEqual(400);
  });

  it('end the waiting for robots.txt of a chain of hosts', async () => {
    const silent = await serveTcp((socket) => socket.resume());
    const server = await serve((_, response) => {
      response.writeHead(302, { location: `${silent.origin}/a.png` }).end();
    });
    const source = webSource([server, silent], {
      ...short,
      respectRobots: true,
      queueTimeoutMs: 0,
      totalTimeoutMs: 60,
      clock: { now: () => 0, random: () => 0, sleep: () => new Promise(() => {}) },
    });
    const outcome = await source.get(server.origin);
    expect(outcome).toMatchObject({ kept: false });
    expect(outcome.kept || ['timeout', 'robots'].includes(outcome.reason)).toBe(true);
  });

  it('end a pause that nobody ends', async () => {
    const server = await serve((_, response) => response.writeHead(503).end());
    const stopped = { now: () => 0, random: () => 0, sleep: () => new Promise<never>(() => {}) };
    const source = webSource([server], {
      ...short,
      retries: 1,
      maxRetryAfterMs: 10,
      retryBackoffMs: 10,
      clock: stopped,
    });
    expect(await source.get(server.origin)).toMatchObject({ reason: 'timeout', detail: 'deadline, slot' });
  });

  it('nothing stays behind', async () => {
    const server = await serve((_, response) => response.end(PIXELS));
    const source = webSource([server]);
    await source.get(server.origin);
    await source.close();
    expect(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length).toBeLessThan(5);
  });
});

describe('the facts of a fetch', () => {
  it('count redirects, retries and all bytes, and name the last answer', async () => {
    let asked = 0;
    const server = await serve((request, response) => {
      if (request.url === '/a') response.writeHead(302, { location: '/b' }).end('moved');
      else if (asked++ === 0) response.writeHead(500).end('broken');
      else response.end(PIXELS);
    });
    const source = factualSource([server], { retries: 1, retryBackoffMs: 20 });
    const { facts } = await source.get(`${server.origin}/a#x`);
    expect(facts).toMatchObject({
      status: 200,
      finalUrl: `${server.origin}/b`,
      tries: 3,
      wireBytes: 'movedbroken'.length + PIXELS.length,
      dnsMs: 0,
    });
    // Half the mean at least was waited before the retry.
    expect(facts?.queueMs).toBeGreaterThanOrEqual(9);
    expect(facts?.totalMs).toBeGreaterThanOrEqual(facts?.queueMs ?? 0);
  });

  it('say where the time went', async () => {
    const server = await serve((_, response) => setTimeout(() => response.end(PIXELS), 60));
    const port = server.host.split(':')[1];
    const source = factualSource([{ host: `slow.example:${port}` }], {
      resolve: async () => {
        await new Promise((resolve) => setTimeout(resolve, 60));
        return [{ address: '127.0.0.1', family: 4 }];
      },
    });
    const first = await source.get(`http://slow.example:${port}/1`);
    expect(first.facts?.dnsMs).toBeGreaterThanOrEqual(55);
    expect(first.facts?.firstByteMs).toBeGreaterThanOrEqual(55);
    expect(first.facts?.totalMs).toBeGreaterThanOrEqual(110);
    const second = await source.get(`http://slow.example:${port}/2`);
    expect(second.facts).toMatchObject({ dnsMs: 0, connectMs: 0, tries: 1 });
  });

  it.each([
    ['404', 404, 'http_status'],
    ['500', 500, 'http_status'],
  ])('of a %s', async (_, status, reason) => {
    const server = await serve((_, response) => response.writeHead(status).end('12345'));
    expect(await factualSource([server]).get(server.origin)).toMatchObject({
      reason,
      facts: { status, tries: 1, wireBytes: 5 },
    });
  });

  it('of what was never asked', async () => {
    const source = factualSource([], { resolve: () => Promise.reject(new Error('none')) });
    expect((await source.get('not a URL')).facts).toBeUndefined();
    expect((await source.get('http://gone.example/')).facts).toMatchObject({
      status: null,
      tries: 1,
      wireBytes: 0,
    });
  });
});
