import { once } from 'node:events';
import { createServer } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { httpObject } from '../../src/storage/http.ts';
import { streamLocation } from '../../src/storage/index.ts';
import {
  type RemoteObject,
  type RemoteOptions,
  remoteFacts,
  streamRemote,
} from '../../src/storage/remote.ts';
import { s3Object } from '../../src/storage/s3.ts';
import { type Behaviour, FlakyServer, someBytes, TestClock } from './flaky-server.ts';

const OBJECT = someBytes(300_000);

let server: FlakyServer;
let clock: TestClock;

beforeAll(async () => {
  server = await FlakyServer.start();
  process.env.AWS_ACCESS_KEY_ID = 'key';
  process.env.AWS_SECRET_ACCESS_KEY = 'secret';
});
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(() => {
  clock = new TestClock(server);
});

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all);
}

const KINDS: readonly [string, () => RemoteObject][] = [
  ['http', () => httpObject(`${server.origin}/bucket/a/b.wat.gz?signature=secret`)],
  ['s3', () => s3Object('bucket', 'a/b.wat.gz', { endpoint: server.origin, region: 'eu-north-1' })],
];

describe.each(KINDS)('a file by %s', (kind, open) => {
  const read = (options: RemoteOptions = {}) => bytesOf(streamRemote(open(), { clock, ...options }));
  const reading = (script: Behaviour[], always: Behaviour = {}, options: RemoteOptions = {}) => {
    server.serve(OBJECT, script, always);
    return read(options);
  };
  const unreadable = (problem: RegExp) => ({
    code: 'FILE_UNREADABLE',
    message: expect.stringMatching(problem),
  });

  it('comes whole, by one request', async () => {
    const sizes: (number | undefined)[] = [];
    expect(await reading([], {}, { onOpen: ({ bytes }) => sizes.push(bytes) })).toEqual(Buffer.from(OBJECT));
    expect(sizes).toEqual([OBJECT.length]);
    expect(server.asked).toHaveLength(1);
    expect(clock.waits).toEqual([]);
    if (kind === 's3') expect(server.asked[0]).toMatchObject({ path: '/bucket/a/b.wat.gz?x-id=GetObject' });
    if (kind === 's3')
      expect(server.asked[0]?.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=key\/\d{8}\/eu-north-1/);
  });

  it('goes on at the byte reached where the connection breaks, of the version that it began with', async () => {
    expect(await reading([{ breakAfter: 70_000 }, { breakAfter: 100_000 }])).toEqual(Buffer.from(OBJECT));
    expect(server.asked).toHaveLength(3);
    for (const { range, condition } of server.asked.slice(1)) {
      expect(range).toMatch(/^bytes=\d+-$/);
      expect(condition).toBe('"300000"');
    }
  });

  it('gives the bytes of the file, whatever is done to the connection', async () => {
    const upTo = fc.integer({ min: 0, max: 90_000 });
    const behaviour = fc.oneof(
      fc.record({ breakAfter: upTo }),
      fc.record({ stallAfter: upTo }),
      fc.record({ shortParts: fc.integer({ min: 1, max: 90_000 }) }),
      fc.record({ status: fc.constantFrom(403, 429, 500, 503) }),
      ...(kind === 'http' ? [fc.record({ noRanges: fc.constant(true as const), breakAfter: upTo })] : []),
    );
    const always = fc.constantFrom<Behaviour[]>(
      {},
      { etag: 'W/"x"' },
      { etag: null },
      { etag: null, chunked: true },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 90_000 }),
        fc.array(behaviour, { maxLength: 10 }),
        always,
        async (size, script, way) => {
          clock = new TestClock(server);
          server.serve(OBJECT.subarray(0, size), script, kind === 'http' ? way : {});
          expect(Buffer.compare(await read(), OBJECT.subarray(0, size))).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('hangs up on a server that says nothing and asks again', async () => {
    expect(await reading([{ mute: true }, { stallAfter: 1000 }])).toEqual(Buffer.from(OBJECT));
    await expect(
      reading([], { mute: true }, { idleMs: 30_000, retry: { attempts: 2 } }),
    ).rejects.toMatchObject(unreadable(/silent for 30 s, 2 times in a row/));
  });

  it('hangs up on no server because its own reader is slow', async () => {
    server.serve(OBJECT);
    const chunks: Uint8Array[] = [];
    for await (const chunk of streamRemote(open(), { clock })) {
      chunks.push(chunk);
      clock.ring();
    }
    expect(Buffer.concat(chunks)).toEqual(Buffer.from(OBJECT));
    expect(server.asked).toHaveLength(1);
  });

  it('waits a random part of a limit that doubles, and gives up', async () => {
    clock.chance = 0.25;
    const retry = { attempts: 6, backoffMs: 100, maxBackoffMs: 1000 };
    await expect(reading([], { status: 500 }, { retry })).rejects.toMatchObject(
      unreadable(/answered 500, 6 times in a row/),
    );
    expect(clock.waits).toEqual([25, 50, 100, 200, 250]);
  });

  it('counts failures anew after progress, and not after a few bytes', async () => {
    const breaks = (breakAfter: number) => Array.from({ length: 4 }, () => ({ breakAfter }));
    const retry = { attempts: 3 };
    expect(await reading(breaks(66_000), {}, { retry })).toEqual(Buffer.from(OBJECT));
    await expect(reading(breaks(10), {}, { retry })).rejects.toMatchObject(unreadable(/3 times in a row/));
  });

  it('waits as long as it is told, and the random time on top', async () => {
    const busy = (retryAfter: string): Behaviour => ({ status: 503, headers: { 'Retry-After': retryAfter } });
    expect(await reading([busy('7'), { status: 403 }, busy('Thu, 01 Jan 2026 00:00:09 GMT')])).toEqual(
      Buffer.from(OBJECT),
    );
    expect(clock.waits).toEqual([7500, 1000, 11_000]);
    await expect(reading([busy('3600')])).rejects.toMatchObject(
      unreadable(/503; it asks to come back in 3600 s/),
    );
  });

  it('does not wait for what will not come', async () => {
    await expect(reading([{ status: 404 }])).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(reading([{ status: 401 }])).rejects.toMatchObject(unreadable(/answered 401/));
    await expect(reading([{ breakAfter: 9 }, { status: 404 }])).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    expect(clock.waits).toHaveLength(1);
  });

  it('refuses an object that changed meanwhile', async () => {
    const other: Behaviour = { object: someBytes(310_000, 2) };
    const sameLength: Behaviour = { object: someBytes(OBJECT.length, 2), etag: '"new"' };
    for (const second of [other, sameLength, { ...sameLength, noConditions: true as const }])
      await expect(reading([{ breakAfter: 5000 }, second])).rejects.toMatchObject(
        unreadable(/changed while/),
      );
  });

  it('says that a length is wrong', async () => {
    const retry = { attempts: 3 };
    await expect(reading([], { length: 400_000 }, { retry })).rejects.toMatchObject(
      unreadable(/changed while it was read/),
    );
  });

  it('tells its size', async () => {
    server.serve(OBJECT, [{ status: 503 }]);
    expect(await remoteFacts(open(), { clock })).toEqual({
      bytes: 300_000,
      version: '"300000"',
      strong: true,
    });
    expect(server.asked.map(({ method }) => method)).toEqual(['HEAD', 'HEAD']);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    server.serve(OBJECT, [], { mute: true });
    server.onSilence = () => stop.abort(new Error('stopped'));
    await expect(read({ signal: stop.signal })).rejects.toThrow('stopped');
    await expect(read({ signal: stop.signal })).rejects.toThrow('stopped');
  });
});

describe('a file by http', () => {
  const open = () => httpObject(`${server.origin}/b.wat.gz?signature=secret`);
  const read = () => bytesOf(streamRemote(open(), { clock }));

  it('starts over where the server knows no ranges, and passes over what it has', async () => {
    server.serve(OBJECT, [{ breakAfter: 70_000 }, { breakAfter: 200_000 }], { noRanges: true });
    expect(await read()).toEqual(Buffer.from(OBJECT));
  });

  it('notices by what it passes over that a file without a version has changed', async () => {
    const always: Behaviour = { noRanges: true, etag: null };
    server.serve(OBJECT, [{ breakAfter: 5000 }, { object: someBytes(OBJECT.length, 2) }], always);
    await expect(read()).rejects.toMatchObject({ message: expect.stringContaining('changed while') });
    const dated = (date: string): Behaviour => ({ lastModified: date, etag: null });
    server.serve(OBJECT, [
      { ...dated('Mon, 05 Jan 2026 00:00:00 GMT'), breakAfter: 5000 },
      dated('Tue, 06 Jan 2026 00:00:00 GMT'),
    ]);
    await expect(read()).rejects.toMatchObject({ message: expect.stringContaining('changed while') });
  });

  it('follows redirects, and says nothing of what stands behind the question mark', async () => {
    server.serve(OBJECT, [
      { status: 302, headers: { Location: '/elsewhere' } },
      { breakAfter: 9 },
      { status: 301, headers: { Location: '/elsewhere' } },
    ]);
    expect(await read()).toEqual(Buffer.from(OBJECT));
    expect(server.asked.map(({ path }) => path)).toEqual([
      '/b.wat.gz?signature=secret',
      '/elsewhere',
      '/b.wat.gz?signature=secret',
      '/elsewhere',
    ]);
    server.serve(OBJECT, [], { status: 404 });
    await expect(read()).rejects.toMatchObject({ message: expect.not.stringContaining('secret') });
  });

  it('follows no redirect to a private address that nobody has named', async () => {
    await using inside = await FlakyServer.start();
    inside.serve(OBJECT);
    server.serve(OBJECT, [], { status: 302, headers: { Location: `${inside.origin}/secret` } });
    await expect(read()).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringMatching(/a redirect led to it, and its address is not public/),
    });
    expect(inside.asked).toEqual([]);
    httpObject(inside.origin);
    expect(await read()).toEqual(Buffer.from(OBJECT));
  });

  it('is not fetched ahead of its reader', async () => {
    const part = someBytes(1 << 20);
    const total = 256 * part.length;
    let written = 0;
    const big = createServer((_, response) => {
      response.writeHead(200, { 'Content-Length': total });
      const more = () => {
        for (let room = true; room && written < total; written += part.length) room = response.write(part);
        response.once('drain', more);
      };
      more();
    });
    await once(big.listen(0, '127.0.0.1'), 'listening');
    const address = big.address();
    if (typeof address !== 'object' || !address) throw new Error('no port');
    const chunks = streamLocation(`http://127.0.0.1:${address.port}/x`);
    let got = 0;
    for await (const chunk of chunks) {
      got += chunk.length;
      // What is written and not yet read lies in the sockets: a few MB of the system's, and the parts here.
      expect(written - got).toBeLessThan(32 << 20);
    }
    expect(got).toBe(total);
    big.close();
  });

  it('names a host that cannot be reached', async () => {
    const closed = await FlakyServer.start();
    const { origin } = closed;
    await closed[Symbol.asyncDispose]();
    await expect(
      bytesOf(streamLocation(`${origin}/x`, { clock, retry: { attempts: 2 } })),
    ).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringMatching(/nobody listens there \(ECONNREFUSED\), 2 times/),
    });
  });
});

describe('streamLocation', () => {
  it.each(['gs://bucket/key', 's3://bucket', 's3://bucket/', 'ftp://host/x', 'http://user:pw@host/x'])(
    'refuses %s',
    async (location) => {
      await expect(bytesOf(streamLocation(location))).rejects.toMatchObject({ code: 'USAGE' });
    },
  );
});
