import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '../../src/storage/index.ts';
import { s3Storage } from '../../src/storage/s3-storage.ts';
import { partBytes } from '../../src/storage/s3-upload.ts';
import { type AskedRequest, type S3Server, startS3, useS3 } from '../support/s3-server.ts';
import { storageConformance } from './conformance.ts';
import { someBytes } from './flaky-server.ts';

let server: S3Server;
let env: Disposable;
let places = 0;

beforeAll(async () => {
  server = await startS3();
  env = useS3(server);
});

afterEach(() => {
  server.fault(undefined);
  server.onRequest = () => undefined;
});

afterAll(async () => {
  env[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

const newPlace = () => `s3://${server.bucket}/run ${places++}/ä`;
/** Waits are short, the number of tries is the real one. */
const soon = { retry: { backoffMs: 1, maxBackoffMs: 20 } };
const text = (bytes: Uint8Array | ArrayBuffer) => new TextDecoder().decode(bytes);

storageConformance('S3', async () => openStorage(newPlace()));
storageConformance('S3, lists by pages of two, copies by parts', async () =>
  s3Storage(newPlace(), { listKeys: 2, maxCopyBytes: 5 }),
);
storageConformance('S3 that drops a fifth of its connections', async () => {
  server.fault('drop', 0.2);
  return s3Storage(newPlace(), soon);
});
storageConformance('S3 that says SlowDown to a third', async () => {
  server.fault('slow-down', 0.33);
  return s3Storage(newPlace(), soon);
});
storageConformance('S3 whose conditional puts are in conflict', async () => {
  server.fault('conflict', 0.3);
  return s3Storage(newPlace(), soon);
});

describe('a put whose answer is lost', () => {
  const isPut = ({ method }: AskedRequest) => method === 'PUT';
  const isComplete = ({ method, url }: AskedRequest) => method === 'POST' && url.includes('uploadId=');

  it('finds its own object in the way, and has succeeded', async () => {
    const storage = s3Storage(newPlace(), soon);
    server.faultOnce('drop-after', isPut);
    expect(await storage.put('x', 'mine', { ifAbsent: true })).toMatchObject({ bytes: 4 });
    const version = await storage.version('x');
    server.faultOnce('drop-after', isPut);
    expect(await storage.put('x', 'mine too', { ifVersion: version ?? '' })).toMatchObject({ bytes: 8 });
    expect(text(await storage.read('x'))).toBe('mine too');
  });

  it('finds another in the way, be it of the same bytes, and has not', async () => {
    const storage = s3Storage(newPlace(), soon);
    await storage.put('x', 'same', { ifAbsent: true });
    server.faultOnce('drop-before', isPut);
    expect(await storage.put('x', 'same', { ifAbsent: true })).toBeUndefined();
  });

  it('of parts finds them put together, with a condition and without', async () => {
    const storage = s3Storage(newPlace(), soon);
    for (const how of [{}, { ifAbsent: true }]) {
      const file = await storage.create(`large ${JSON.stringify(how)}`);
      await file.write(someBytes(9 << 20));
      server.faultOnce('drop-after', isComplete);
      expect(await file.commit(how)).toMatchObject({ bytes: 9 << 20 });
    }
    const lost = await storage.create('large {}');
    await lost.write(someBytes(9 << 20, 2));
    server.faultOnce('drop-before', isComplete);
    expect(await lost.commit({ ifAbsent: true })).toBeUndefined();
    expect(await server.uploads()).toEqual([]);
  });

  it('of a copy by parts too', async () => {
    const storage = s3Storage(newPlace(), { ...soon, maxCopyBytes: 5, partBytes: 5 << 20 });
    const bytes = someBytes((11 << 20) + 3);
    await storage.put('from', bytes);
    server.faultOnce('drop-after', isComplete);
    server.faultOnce('cut', ({ method, headers }) => method === 'PUT' && 'x-amz-copy-source' in headers);
    await storage.move('from', 'to');
    expect(Buffer.compare(await storage.read('to'), bytes)).toBe(0);
    expect(await storage.list('')).toEqual(['to']);
    expect(await server.uploads()).toEqual([]);
  });
});

describe('s3Storage', () => {
  it('sweeps where uploads cannot be listed by a prefix, and those of its own prefix alone', async () => {
    await using minio = await startS3({ uploadsByKey: true });
    using _ = useS3(minio);
    const files = [];
    for (const root of ['mine', 'other']) {
      const file = await openStorage(`s3://${minio.bucket}/${root}`).create('x');
      await file.write(new Uint8Array(40 << 20));
      files.push(file);
    }
    await openStorage(`s3://${minio.bucket}/mine`).sweep();
    expect(await minio.uploads()).toEqual(['other/x']);
    for (const file of files) await file.abort();
    expect(await minio.uploads()).toEqual([]);
  });

  it('removes thousands of objects by few requests, with the checksum that every store knows', async () => {
    const storage = s3Storage(newPlace(), soon);
    const names = Array.from({ length: 1100 }, (_, i) => `f/${i}`);
    for (let at = 0; at < names.length; at += 100)
      await Promise.all(names.slice(at, at + 100).map((name) => storage.put(name, '')));
    const asked: AskedRequest[] = [];
    server.onRequest = (request) => asked.push(request);
    server.faultOnce('drop-after', ({ url }) => url.includes('delete'));
    await storage.remove('f');
    expect(await storage.list('')).toEqual([]);
    const deletes = asked.filter(({ method }) => method === 'POST');
    expect(deletes).toHaveLength(3);
    for (const { headers } of deletes)
      expect(headers).toMatchObject({ 'content-md5': expect.stringMatching(/^[\w+/]{22}==$/) });
  });

  it('notices that an object was replaced between two reads of it', async () => {
    const storage = s3Storage(newPlace(), soon);
    await storage.put('x', 'first version');
    const source = await storage.open('x');
    expect(text(await source.slice(0, 5))).toBe('first');
    await storage.put('x', 'other version');
    await expect(source.slice(6, 13)).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      message: expect.stringMatching(/x: cannot be read \(it changed while it was read\)/),
    });
  });

  it('goes on where a body broke off, in streams and in ranges', async () => {
    const storage = s3Storage(newPlace(), soon);
    const bytes = someBytes(1_000_000);
    await storage.put('x', bytes);
    const ranges: unknown[] = [];
    server.onRequest = ({ headers }) => ranges.push(headers.range);
    const isGet = ({ method }: AskedRequest) => method === 'GET';
    server.faultOnce('cut', isGet);
    expect(Buffer.compare(await storage.read('x'), bytes)).toBe(0);
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
    const source = await storage.open('x');
    ranges.length = 0;
    server.faultOnce('cut', isGet);
    const part = new Uint8Array(await source.slice(1000, 900_000));
    expect(Buffer.compare(part, bytes.subarray(1000, 900_000))).toBe(0);
    expect(ranges).toEqual(['bytes=1000-899999', expect.stringMatching(/^bytes=[1-9]\d+-899999$/)]);
  });

  it('uses a connection again for the next read', async () => {
    const storage = s3Storage(newPlace(), soon);
    await storage.put('x', someBytes(100_000));
    const source = await storage.open('x');
    await source.slice(0, 10);
    const before = server.connections;
    for (let i = 0; i < 40; i++) await source.slice(i * 1000, i * 1000 + 500);
    for (let i = 0; i < 10; i++) await storage.size('x');
    for (let i = 0; i < 10; i++) await storage.read('x');
    expect(server.connections).toBe(before);
  });

  it('holds a writer up while its parts are on the way, so that memory is bounded', async () => {
    const storage = s3Storage(newPlace(), soon);
    const file = await storage.create('x');
    const part = new Uint8Array(8 << 20);
    // Parts that were sent are never answered.
    server.fault('silent', 1);
    let written = 0;
    const writing = (async () => {
      for (; written < 20; written++) await file.write(part);
    })();
    writing.catch(() => undefined);
    const upload = await new Promise<AskedRequest>((resolve) => {
      server.onRequest = resolve;
    });
    expect(upload).toMatchObject({ method: 'POST', url: expect.stringContaining('uploads') });
    await new Promise((resolve) => setImmediate(resolve));
    // Three on the way, one held; the fifth waits.
    expect(written).toBe(4);
    server.fault(undefined);
    await file.abort();
    await expect(writing).rejects.toThrow();
    expect(await server.uploads()).toEqual([]);
  });

  it('has parts that reach the largest object there may be, and are equal where stores want that', () => {
    const sizes = Array.from({ length: 10_000 }, (_, i) => partBytes(i + 1));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThanOrEqual(5 * 1024 ** 4);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(5 << 20);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(5 * 1024 ** 3);
    expect(new Set(sizes.slice(0, 5000)).size).toBe(1);
  });

  it('sends a small file by one request, and a large one in parts that are what was written', async () => {
    const storage = s3Storage(newPlace(), soon);
    const asked: string[] = [];
    server.onRequest = ({ method }) => asked.push(method);
    await storage.put('small', someBytes(8 << 20));
    expect(asked).toEqual(['PUT']);
    const bytes = someBytes((17 << 20) + 1);
    const file = await storage.create('large');
    for (let at = 0; at < bytes.length; at += 70_001) await file.write(bytes.subarray(at, at + 70_001));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    expect(await file.commit()).toEqual({ path: 'large', bytes: bytes.length, sha256 });
    expect(asked.slice(1).sort()).toEqual(['POST', 'POST', 'PUT', 'PUT', 'PUT']);
  });

  it('passes over what stands for folders elsewhere, and what lies beside its prefix', async () => {
    const place = newPlace();
    const parent = openStorage(place.slice(0, place.lastIndexOf('/')));
    const storage = openStorage(place);
    await storage.put('a/x', 'x');
    await parent.put('äh/x', 'beside');
    await fetchPut(`${storage.location}/a/`, ' ');
    expect(await storage.list('')).toEqual(['a/x']);
    await storage.remove('a');
    expect(await parent.list('')).toEqual(['äh/x']);
  });

  it('says that there are no credentials, and who does not answer after a few tries', async () => {
    const without = { ...process.env };
    process.env.AWS_EC2_METADATA_DISABLED = 'true';
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name];
    process.env.AWS_SHARED_CREDENTIALS_FILE = process.env.AWS_CONFIG_FILE = '/nowhere';
    try {
      await expect(openStorage(newPlace()).put('x', 'x')).rejects.toMatchObject({
        code: 'STORAGE_REFUSED',
        message: expect.stringMatching(/no AWS credentials found.* Set AWS_ACCESS_KEY_ID/),
      });
    } finally {
      for (const name of ['AWS_EC2_METADATA_DISABLED', 'AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE'])
        delete process.env[name];
      Object.assign(process.env, without);
    }
    const gone = await startS3();
    await gone[Symbol.asyncDispose]();
    const storage = s3Storage(newPlace(), { ...soon, endpoint: gone.endpoint });
    for (const ask of [() => storage.put('x', 'x'), () => storage.list(''), () => storage.read('x')])
      await expect(ask()).rejects.toMatchObject({
        message: expect.stringMatching(
          /^s3:\/\/.* \(?nobody listens at http:\/\/127\.0\.0\.1:\d+ \(ECONNREFUSED\), 4 times in a row\)?\.$/,
        ),
      });
  });

  it('asks again only for what may pass: what users have to mend is told at once, in one line', async () => {
    const place = newPlace();
    const failing = async (changes: Record<string, string | undefined>, location = place) => {
      using _ = useS3({ env: { ...server.env, ...changes } as Record<string, string> });
      const before = server.requests;
      const storage = openStorage(location);
      const told: string[] = [];
      for (const ask of [
        () => storage.put('x', 'x'),
        () => storage.size('x'),
        () => storage.read('x'),
        () => storage.list(''),
      ])
        told.push(await ask().then(String, (error: Error) => `${error.message}`));
      for (const line of told) expect(line).not.toContain('\n');
      return {
        told: [...new Set(told.map((line) => line.replace(/^\S+( \S+)?: /, '')))],
        asked: server.requests - before,
      };
    };
    const known = await failing({ AWS_ACCESS_KEY_ID: 'NOBODY' });
    expect(known.told).toEqual([
      expect.stringMatching(/the access key is not known there \(InvalidAccessKeyId\)/),
    ]);
    expect(known.asked).toBeLessThanOrEqual(6);
    const secret = await failing({ AWS_SECRET_ACCESS_KEY: 'wrong' });
    expect(secret.told).toEqual([expect.stringMatching(/the secret key does not belong to the access key/)]);
    expect(secret.asked).toBeLessThanOrEqual(6);
    const bucket = await failing({}, 's3://no-such-bucket/x');
    expect(bucket.told).toEqual([expect.stringMatching(/there is no such bucket.* Make it first/)]);
    expect(bucket.asked).toBeLessThanOrEqual(6);
    const region = await failing({ AWS_REGION: 'eu-central-1' });
    expect(region.told).toEqual([expect.stringMatching(/another region .* Set AWS_REGION/)]);
    expect(region.asked).toBeLessThanOrEqual(8);
  });
});

/** Puts an object whose name no path of ours has. */
async function fetchPut(location: string, body: string): Promise<void> {
  const { PutObjectCommand, S3Client } = await import('@aws-sdk/client-s3');
  const { pathname } = new URL(location);
  const client = new S3Client({ endpoint: server.endpoint, forcePathStyle: true });
  const Key = decodeURIComponent(pathname.slice(1));
  await client.send(new PutObjectCommand({ Bucket: server.bucket, Key, Body: body }));
  client.destroy();
}
