import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type S3Server, startS3, useS3 } from '../support/s3-server.ts';

/** What the tests of everything else rely on: that the server in them behaves as S3's documentation says. */
describe('the S3 of the tests', () => {
  let server: S3Server;
  let env: Disposable;
  let client: S3Client;
  const put = (Key: string, Body: string, more = {}) =>
    client.send(new PutObjectCommand({ Bucket: server.bucket, Key, Body, ...more }));
  const get = async (Key: string) => {
    const reply = await client.send(new GetObjectCommand({ Bucket: server.bucket, Key }));
    return reply.Body?.transformToString();
  };

  beforeAll(async () => {
    server = await startS3();
    env = useS3(server);
    client = new S3Client({ endpoint: server.endpoint, forcePathStyle: true, maxAttempts: 1 });
  });

  afterAll(async () => {
    client.destroy();
    env[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  it('lets one of many win that put with If-None-Match, and If-Match replace what was read', async () => {
    const tries = await Promise.allSettled(
      Array.from({ length: 16 }, (_, i) => put('one', String(i), { IfNoneMatch: '*' })),
    );
    const won = tries.flatMap((result, i) => (result.status === 'fulfilled' ? [i] : []));
    expect(won).toHaveLength(1);
    expect(await get('one')).toBe(String(won[0]));
    for (const result of tries)
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({
          name: 'PreconditionFailed',
          $metadata: { httpStatusCode: 412 },
        });
    const { ETag } = await put('one', 'a');
    const races = await Promise.allSettled([
      put('one', 'b', { IfMatch: ETag }),
      put('one', 'c', { IfMatch: ETag }),
    ]);
    expect(races.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(put('none', 'x', { IfMatch: ETag })).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('joins parts that were uploaded and parts that were copied, and checks them', async () => {
    const Bucket = server.bucket;
    await put('from', '0123456789');
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'm' }));
    const part = { Bucket, Key: 'm', UploadId };
    const five = Buffer.alloc(5 << 20, 'x');
    const one = await client.send(new UploadPartCommand({ ...part, PartNumber: 1, Body: five }));
    const two = await client.send(
      new UploadPartCopyCommand({
        ...part,
        PartNumber: 2,
        CopySource: `${Bucket}/from`,
        CopySourceRange: 'bytes=2-4',
      }),
    );
    const Parts = [
      { PartNumber: 1, ETag: one.ETag },
      { PartNumber: 2, ETag: two.CopyPartResult?.ETag },
    ];
    const complete = (list: typeof Parts, more = {}) =>
      client.send(new CompleteMultipartUploadCommand({ ...part, MultipartUpload: { Parts: list }, ...more }));
    await expect(complete([...Parts].reverse())).rejects.toMatchObject({ name: 'InvalidPartOrder' });
    await expect(complete([{ PartNumber: 1, ETag: '"no"' }])).rejects.toMatchObject({ name: 'InvalidPart' });
    await complete(Parts, { IfNoneMatch: '*' });
    expect(await get('m')).toBe(`${five}234`);
    await expect(complete(Parts)).rejects.toMatchObject({ name: 'NoSuchUpload' });
  });

  it('lists and aborts uploads, and lists keys in the order of their UTF-8 bytes, a page at a time', async () => {
    const Bucket = server.bucket;
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'left/over' }));
    const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: 'left/' }));
    expect(Uploads?.map(({ Key }) => Key)).toEqual(['left/over']);
    await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'left/over', UploadId }));
    expect(await server.uploads()).toEqual([]);
    for (const key of ['l/b/1', 'l/b.x', 'l/b', 'l/ä', 'l/Z']) await put(key, key);
    const first = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'l/', MaxKeys: 3 }));
    const rest = await client.send(
      new ListObjectsV2Command({ Bucket, Prefix: 'l/', ContinuationToken: first.NextContinuationToken }),
    );
    const keys = [...(first.Contents ?? []), ...(rest.Contents ?? [])].map(({ Key }) => Key);
    expect(keys).toEqual(['l/Z', 'l/b', 'l/b.x', 'l/b/1', 'l/ä']);
  });

  it('refuses wrong keys and wrong signatures, and knows the right ones', async () => {
    const as = (accessKeyId: string, secretAccessKey: string) =>
      new S3Client({
        endpoint: server.endpoint,
        forcePathStyle: true,
        maxAttempts: 1,
        credentials: { accessKeyId, secretAccessKey },
      }).send(new ListObjectsV2Command({ Bucket: server.bucket, Prefix: "a b+c/ä'(*)" }));
    await expect(as('S3RVER', 'S3RVER')).resolves.toMatchObject({ IsTruncated: false });
    await expect(as('S3RVER', 'wrong')).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
    await expect(as('nobody', 'S3RVER')).rejects.toMatchObject({ name: 'InvalidAccessKeyId' });
    expect((await fetch(`${server.endpoint}/${server.bucket}/one`)).status).toBe(403);
  });

  it('fails as it is told to, and has done or not done what it was asked for', async () => {
    const isPut = ({ method }: { method: string }) => method === 'PUT';
    server.faultOnce('slow-down', isPut);
    await expect(put('f', '1')).rejects.toMatchObject({
      name: 'SlowDown',
      $metadata: { httpStatusCode: 503 },
    });
    server.faultOnce('drop-before', isPut);
    await expect(put('f', '2')).rejects.toThrow();
    await expect(get('f')).rejects.toMatchObject({ name: 'NoSuchKey' });
    server.faultOnce('drop-after', isPut);
    await expect(put('f', '3')).rejects.toThrow();
    expect(await get('f')).toBe('3');
    server.faultOnce('conflict', isPut);
    await expect(put('f', '4', { IfMatch: '"x"' })).rejects.toMatchObject({
      $metadata: { httpStatusCode: 409 },
    });
    const long = 'x'.repeat(100_000);
    await put('g', long);
    server.faultOnce('cut', ({ method }) => method === 'GET');
    await expect(get('g')).rejects.toThrow();
    server.faultOnce('slow', ({ method }) => method === 'GET');
    expect(await get('g')).toBe(long);
    server.fault('slow-down', 1);
    await expect(get('g')).rejects.toMatchObject({ name: 'SlowDown' });
    server.fault(undefined);
    expect(await get('g')).toBe(long);
  });
});
