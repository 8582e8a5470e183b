import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage, presignGet, presignPut } from '../../src/storage/index.ts';
import { type S3Server, startS3, useS3 } from '../support/s3-server.ts';

describe('presigned URLs', () => {
  let server: S3Server;
  let env: Disposable;
  let location: string;

  beforeAll(async () => {
    server = await startS3();
    env = useS3(server);
    location = `s3://${server.bucket}/run ä`;
  });

  afterAll(async () => {
    env[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  const body = 'these bytes and no others';
  const sha256 = createHash('sha256').update(body).digest('hex');
  const put = async (url: string, headers: Readonly<Record<string, string>>, text: string) =>
    (await fetch(url, { method: 'PUT', headers, body: text })).status;

  it('let anybody write these bytes and no others, and read them', async () => {
    const { url, headers } = await presignPut(location, 'a/b+c', 60, { contentLength: body.length, sha256 });
    expect(headers).toEqual({
      'content-length': String(body.length),
      'x-amz-checksum-sha256': createHash('sha256').update(body).digest('base64'),
    });
    expect(await put(url, headers, body.replace('these', 'other'))).toBe(400);
    expect(await put(url, { ...headers, 'content-length': '3' }, 'abc')).toBe(403);
    expect(await put(url, {}, body)).toBe(403);
    expect(await put(url.replace('b%2Bc', 'c'), headers, body)).toBe(403);
    expect(await openStorage(location).list('')).toEqual([]);
    expect(await put(url, headers, body)).toBe(200);
    expect(await (await fetch(await presignGet(location, 'a/b+c', 60))).text()).toBe(body);
    expect((await fetch(await presignGet(location, 'a/none', 60))).status).toBe(404);
  });

  it('end when they are said to end, and cannot be made to last', async () => {
    const url = await presignGet(location, 'a/b+c', 60);
    expect(new URL(url).searchParams.get('X-Amz-Expires')).toBe('60');
    expect((await fetch(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=600'))).status).toBe(403);
    const past = url.replace(/X-Amz-Date=\d{8}/, 'X-Amz-Date=20200101');
    expect(await (await fetch(past)).text()).toContain('Request has expired');
  });

  it('are of S3 alone, and of what lies below its prefix', async () => {
    await expect(presignGet('/tmp/run', 'x', 60)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(presignPut(location, '../x', 60)).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});
