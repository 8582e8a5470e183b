import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '../../src/storage/index.ts';
import { s3Storage } from '../../src/storage/s3-storage.ts';
import { type S3Server, startS3, useS3 } from '../support/s3-server.ts';
import { storageConformance } from './conformance.ts';

let server: S3Server;
let env: Disposable;
let prefixes = 0;

beforeAll(async () => {
  server = await startS3();
  env = useS3(server);
});

afterAll(async () => {
  env[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

const newPlace = () => `s3://${server.bucket}/run ${prefixes++}/ä`;

storageConformance('S3', async () => openStorage(newPlace()));
storageConformance('S3, lists by pages of two, copies by parts', async () =>
  s3Storage(newPlace(), { listKeys: 2, maxCopyBytes: 5 }),
);

describe('s3Storage', () => {
  it('x', () => expect(1).toBe(1));
});
