import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Store, StoredObject } from 's3rver';
import S3Error from 's3rver/lib/models/error.js';

/** Headers of the request that is being worked on: s3rver does not hand them down. */
export const asked = new AsyncLocalStorage<IncomingHttpHeaders>();
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html: all parts but the last have at least so many bytes. */
const MIN_PART_BYTES = 5 << 20;

/**
 * Makes s3rver's store do what S3 does: an object is replaced at once and whole, under If-None-Match and If-Match exactly
 * (one request a key at a time), half a body is no object, and parts are checked.
 */
export function makeExact(store: Store): void {
  const turns = new Map<string, Promise<unknown>>();

  async function inTurn<T>(bucket: string, key: string, work: () => Promise<T>): Promise<T> {
    const name = `${bucket}/${key}`;
    const mine = (turns.get(name) ?? Promise.resolve()).then(work, work);
    turns.set(name, mine);
    try {
      return await mine;
    } finally {
      if (turns.get(name) === mine) turns.delete(name);
    }
  }

  /** Writes bytes where nobody sees them; the body of a request is held against its headers. */
  async function spool(content: Readable | Buffer | null, isBody = false) {
    const path = join(store.rootDirectory, `.spool-${randomBytes(8).toString('hex')}`);
    const digest = createHash('md5');
    const sha256 = createHash('sha256');
    let size = 0;
    const body = content instanceof Readable ? content : Readable.from([content ?? Buffer.alloc(0)]);
    try {
      await pipeline(
        body,
        async function* (chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            digest.update(chunk);
            sha256.update(chunk);
            size += chunk.length;
            yield chunk;
          }
        },
        createWriteStream(path),
      );
      if (isBody) checkDigest(sha256.digest());
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
    return { path, size, md5: digest.digest('hex') };
  }

  async function install(
    bucket: string,
    key: string,
    metadata: StoredObject['metadata'],
    body: { readonly path: string; readonly etag: string },
  ): Promise<void> {
    const {
      'if-none-match': noneMatch,
      'if-match': match,
      'x-amz-copy-source': copied,
    } = asked.getStore() ?? {};
    try {
      await inTurn(bucket, key, async () => {
        const now = await store.getMetadata(bucket, key).catch(() => undefined);
        if (noneMatch === '*' && now && !copied) throw failed('If-None-Match');
        if (match !== undefined && !now && !copied)
          throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: key });
        if (match !== undefined && !copied && match.replaceAll('"', '') !== now?.etag?.replaceAll('"', ''))
          throw failed('If-Match');
        const path = store.getResourcePath(bucket, key, 'object');
        await mkdir(dirname(path), { recursive: true });
        await rename(body.path, path);
        await store.putMetadata(bucket, key, metadata, body.etag);
      });
    } finally {
      await rm(body.path, { force: true });
    }
  }

  const uploadFolder = (bucket: string, uploadId: string) =>
    join(store.getResourcePath(bucket, undefined, 'uploads'), uploadId);

  const { getObject } = store;
  Object.assign(store, {
    async getObject(bucket, key, options) {
      return inTurn(bucket, key, async () => {
        const found = await getObject.call(store, bucket, key, options);
        const { 'if-match': match } = asked.getStore() ?? {};
        if (found && match !== undefined && match !== found.metadata.etag) {
          if (found.content instanceof Readable) found.content.destroy();
          throw failed('If-Match');
        }
        return found;
      });
    },
    async deleteObject(bucket, key) {
      // Folders stay: another may be about to put something there.
      await inTurn(bucket, key, async () => {
        for (const resource of ['object', 'object.md5', 'metadata.json'])
          await rm(store.getResourcePath(bucket, key, resource), { force: true });
      });
    },
    async putObject({ bucket, key, content, metadata }) {
      const { path, size, md5 } = await spool(content, true);
      await install(bucket, key, metadata, { path, etag: md5 });
      return { size, md5 };
    },
    async copyObject(fromBucket, fromKey, toBucket, toKey, replacement) {
      const found = await store.getObject(fromBucket, fromKey);
      if (!found) throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: fromKey });
      const { path, md5 } = await spool(found.content);
      await install(toBucket, toKey, replacement ?? found.metadata, { path, etag: md5 });
      return store.getMetadata(toBucket, toKey);
    },
    async putPart(bucket, uploadId, part, content) {
      const folder = uploadFolder(bucket, uploadId);
      const { path, size, md5 } = await spool(content, !asked.getStore()?.['x-amz-copy-source']);
      // Gone where it was completed or aborted meanwhile.
      await rename(path, join(folder, part)).catch(async () => {
        await rm(path, { force: true });
        throw noUpload(uploadId);
      });
      await writeFile(join(folder, `${part}.md5`), md5).catch(() => {
        throw noUpload(uploadId);
      });
      return { size, md5 };
    },
    async putObjectMultipart(bucket, uploadId, parts) {
      const folder = uploadFolder(bucket, uploadId);
      const [key, headers] = await Promise.all([
        readFile(join(folder, 'key'), 'utf8'),
        readFile(join(folder, 'metadata'), 'utf8'),
      ]).catch(() => {
        throw noUpload(uploadId);
      });
      if (parts.some(({ number }, i) => i > 0 && number <= (parts[i - 1]?.number ?? 0)))
        throw new S3Error('InvalidPartOrder', 'The list of parts was not in ascending order.');
      const digest = createHash('md5');
      for (const [i, { number, etag }] of parts.entries()) {
        const file = join(folder, String(number));
        const md5 = await readFile(`${file}.md5`, 'utf8').catch(() => '');
        if (md5 !== etag)
          throw new S3Error('InvalidPart', `Part ${number} is not what was uploaded.`, {
            PartNumber: number,
          });
        if (i < parts.length - 1 && (await stat(file)).size < MIN_PART_BYTES)
          throw new S3Error('EntityTooSmall', `Part ${number} is smaller than the minimum allowed size.`);
        digest.update(Buffer.from(md5, 'hex'));
      }
      async function* joined() {
        for (const { number } of parts) yield* createReadStream(join(folder, String(number)));
      }
      const { path, size } = await spool(Readable.from(joined()));
      const etag = `${digest.digest('hex')}-${parts.length}`;
      const metadata = JSON.parse(headers) as Record<string, string>;
      await install(bucket, key, metadata, { path, etag });
      await rm(folder, { recursive: true, force: true });
      return { size, md5: etag };
    },
  } satisfies Partial<Store>);
}

/** Holds a body against what its request says of it. */
function checkDigest(sha256: Buffer): void {
  const { 'x-amz-content-sha256': signed, 'x-amz-checksum-sha256': sent } = asked.getStore() ?? {};
  if (typeof signed === 'string' && /^[0-9a-f]{64}$/.test(signed) && signed !== sha256.toString('hex'))
    throw new S3Error('XAmzContentSHA256Mismatch', 'The body is not what was signed.');
  if (typeof sent === 'string' && sent !== sha256.toString('base64'))
    throw new S3Error('BadDigest', 'The body is not what its checksum says.');
}

function failed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    Condition: condition,
  });
}

export function noUpload(uploadId: string): S3Error {
  return new S3Error('NoSuchUpload', 'The specified upload does not exist.', { UploadId: uploadId });
}
