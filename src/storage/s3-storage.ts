import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { GleanerError } from '../schema/index.ts';
import { type AskOptions, type RemoteObject, streamRemote } from './remote.ts';
import { collect, openObject } from './remote-source.ts';
import { clientObject } from './s3.ts';
import { S3Calls } from './s3-calls.ts';
import { clientFor, type S3Options } from './s3-client.ts';
import { type CopyLimits, copyObject } from './s3-copy.ts';
import { deleteObjects, KEYS_AT_ONCE } from './s3-delete.ts';
import { s3Code, s3Status } from './s3-errors.ts';
import { s3Place } from './s3-place.ts';
import { S3Upload } from './s3-upload.ts';
import { eachOf } from './slots.ts';
import type { Storage } from './storage.ts';

/** Requests of one call (of moving a folder, of sweeping) side by side. */
const REQUESTS_AT_ONCE = 16;

/** Which S3, how patient with it, and numbers that tests make small. */
export interface S3StorageOptions extends S3Options, AskOptions, CopyLimits {
  /** Names that one answer to a list holds. @default 1000, S3's most */
  readonly listKeys?: number;
}

interface Upload {
  readonly Key: string;
  readonly UploadId: string;
}

/** Where a page of a list of uploads begins. */
interface UploadMarker {
  readonly KeyMarker?: string | undefined;
  readonly UploadIdMarker?: string | undefined;
}

/**
 * Files below a prefix in a bucket of S3, or of what speaks as S3 does. An object has its name only when it is whole; the bucket
 * has to be there. Reads hold to the version that was opened: an object that is replaced meanwhile is an error.
 *
 * Relies on what S3 promises: who reads after a put, or lists, sees it; and of conditional puts one wins. See docs/storage.md.
 *
 * @param location s3://BUCKET or s3://BUCKET/PREFIX
 * @throws GleanerError USAGE; its functions: STORAGE_REFUSED, FILE_UNREADABLE, FILE_FAILED beside those of Storage
 */
export function s3Storage(location: string, options: S3StorageOptions = {}): Storage {
  const place = s3Place(location);
  const { bucket: Bucket } = place;
  const from = clientFor(options);
  const calls = new S3Calls(from, Bucket, options);
  const objectAt = (path: string): RemoteObject => clientObject(from, Bucket, place.key(path));

  async function* bytesOf(path: string, start = 0): AsyncGenerator<Uint8Array, void, undefined> {
    const facts = { bytes: undefined, version: undefined, strong: false };
    const begin = start > 0 ? { from: { position: start, facts, checksum: 0 } } : {};
    yield* streamRemote(objectAt(path), { ...calls.patience, ...begin });
  }

  return {
    kind: 's3',
    location: place.location,
    async open(path) {
      return openObject(objectAt(path), calls.patience);
    },
    async *stream(path, { start = 0 } = {}) {
      // Behind the end there is nothing, as of a file; S3 refuses to begin there.
      if (
        start > 0 &&
        start >= ((await calls.head(place.key(path)))?.ContentLength ?? Number.POSITIVE_INFINITY)
      )
        return;
      yield* bytesOf(path, start);
    },
    async read(path) {
      return collect(bytesOf(path));
    },
    async create(path) {
      return new S3Upload(calls, place.key(path), path);
    },
    async put(path, bytes, how) {
      const upload = new S3Upload(calls, place.key(path), path);
      try {
        await upload.write(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
        return await upload.commit(how);
      } catch (error) {
        await upload.abort();
        throw error;
      }
    },
    async size(path) {
      return (await calls.head(place.key(path)))?.ContentLength;
    },
    async version(path) {
      return (await calls.head(place.key(path)))?.ETag;
    },
    async list(prefix) {
      const names: string[] = [];
      for await (const keys of pagesOf(place.below(prefix)))
        for (const key of keys) names.push(place.pathOf(key));
      return names.sort();
    },
    async move(path, to) {
      if (await moveObject(place.key(path), place.key(to))) return;
      const [below, target] = [place.below(path), place.below(to)];
      const keys: string[] = [];
      for await (const page of pagesOf(below)) keys.push(...page);
      if (keys.length === 0)
        throw new GleanerError('FILE_NOT_FOUND', {
          path: `${place.location}/${path}`,
          hint: 'Check the name.',
        });
      await removeBelow(target);
      await eachOf(keys, REQUESTS_AT_ONCE, async (key) => {
        await moveObject(key, target + key.slice(below.length));
      });
    },
    async remove(path) {
      if (path !== '') await removeObject(place.key(path));
      await removeBelow(place.below(path));
    },
    async sweep() {
      const prefix = place.below('');
      const uploads: Upload[] = [];
      let at: UploadMarker | undefined = {};
      while (at) at = await listUploads(prefix, at, uploads);
      // MinIO knows no prefix here (minio/minio#20989); without one it tells of all uploads, as others do.
      at = uploads.length === 0 && from.endpoint !== undefined && prefix !== '' ? {} : undefined;
      while (at) at = await listUploads('', at, uploads);
      await eachOf(uploads, REQUESTS_AT_ONCE, ({ Key, UploadId }) =>
        calls.ask(Key, async (client, options) => {
          const command = new AbortMultipartUploadCommand({ Bucket, Key, UploadId });
          await client.send(command, options).catch((error: unknown) => {
            if (s3Status(error) !== 404) throw error;
          });
        }),
      );
    },
  };

  /** Keys of what lies below a prefix, a page at a time. */
  async function* pagesOf(Prefix: string): AsyncGenerator<string[], void, undefined> {
    let token: string | undefined;
    const more = options.listKeys === undefined ? {} : { MaxKeys: options.listKeys };
    do {
      const page = { Bucket, Prefix, ...more, ContinuationToken: token };
      const reply = await calls.ask(Prefix, (client, how) =>
        client.send(new ListObjectsV2Command(page), how),
      );
      // Programs that show buckets as folders make empty objects with such names.
      yield (reply.Contents ?? []).flatMap(({ Key }) =>
        Key === undefined || Key.endsWith('/') ? [] : [Key],
      );
      token = reply.IsTruncated ? reply.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  /** Adds a page of the uploads whose keys begin so, as far as they are below the root. @returns where the next page begins */
  async function listUploads(
    begin: string,
    at: UploadMarker,
    uploads: Upload[],
  ): Promise<UploadMarker | undefined> {
    const command = new ListMultipartUploadsCommand({ Bucket, Prefix: begin, ...at });
    const reply = await calls.ask(begin, (client, how) =>
      client.send(command, how).catch((error: unknown) => {
        // A store that keeps no such list aborts what is old by itself; and not everybody may ask for a whole bucket's.
        if (s3Status(error) === 501 || s3Code(error) === 'NotImplemented') return undefined;
        if (s3Status(error) === 403 && begin === '') return undefined;
        throw error;
      }),
    );
    for (const { Key, UploadId } of reply?.Uploads ?? [])
      if (Key !== undefined && UploadId !== undefined && Key.startsWith(place.below('')))
        uploads.push({ Key, UploadId });
    return reply?.IsTruncated
      ? { KeyMarker: reply.NextKeyMarker, UploadIdMarker: reply.NextUploadIdMarker }
      : undefined;
  }

  async function removeBelow(prefix: string): Promise<void> {
    for await (const keys of pagesOf(prefix)) {
      for (let at = 0; at < keys.length; at += KEYS_AT_ONCE)
        await deleteObjects(calls, keys.slice(at, at + KEYS_AT_ONCE));
    }
  }

  async function removeObject(Key: string): Promise<void> {
    await calls.ask(Key, (client, how) => client.send(new DeleteObjectCommand({ Bucket, Key }), how), {
      failure: 'FILE_FAILED',
    });
  }

  async function moveObject(key: string, to: string): Promise<boolean> {
    if (key === to) return (await calls.head(key)) !== undefined;
    if (!(await copyObject(calls, key, to, options))) return false;
    await removeObject(key);
    return true;
  }
}
