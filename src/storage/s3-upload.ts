import { createHash, randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { GleanerError } from '../schema/index.ts';
import type { FileInfo } from './bytes.ts';
import type { S3Calls } from './s3-calls.ts';
import { s3Code, s3Status } from './s3-errors.ts';
import { Slots } from './slots.ts';
import type { CommitOptions, PendingFile } from './storage.ts';

/** Parts of one size up to the 5,000th (40 GiB; R2 takes no others), of which a file's memory is a small multiple. */
const PART_BYTES = 8 << 20;
const EVEN_PARTS = 5000;
/** From there on each is larger by so much, so that 10,000 parts, the most there may be, reach 5 TiB, the largest object. */
const GROWTH_BYTES = 440 << 10;
/** Memory that a file begins with. */
const FIRST_BYTES = 64 << 10;
/** Parts of one file on the way at once: one is filled meanwhile. */
const PARTS_AT_ONCE = 3;
/** Parts of all files of this process on the way at once. */
const uploading = new Slots(8);
/** An upload is given so many bytes a second before it is taken to have stalled, and as long as any answer on top. */
const SLOWEST_BYTES_PER_SECOND = 64 << 10;
const IDLE_MS = 60_000;
/** An upload that cannot be aborted is left after so many tries. */
const ABORT_ATTEMPTS = 5;
/** User metadata by which a writer knows an object as the one that it put. */
export const WRITER = 'gleaner-put';

/** Bytes of a part, counted from 1. */
export function partBytes(part: number): number {
  return PART_BYTES + Math.max(0, part - EVEN_PARTS) * GROWTH_BYTES;
}

interface Part {
  readonly PartNumber: number;
  readonly ETag: string | undefined;
}

/**
 * An object that is written bit by bit: what fits into one part is put at once at the end, more is uploaded in parts as it comes,
 * and nothing has its name before `commit`. Memory: a few parts.
 *
 * Each object carries a number that its writer drew. A put whose answer was lost is asked again, and then finds its own
 * object in the way (412), or its upload completed (404): by that number it is known, and the put has succeeded.
 */
export class S3Upload implements PendingFile {
  readonly #calls: S3Calls;
  readonly #key: string;
  readonly #path: string;
  readonly #writer = randomUUID();
  readonly #digest = createHash('sha256');
  readonly #stop = new AbortController();
  readonly #slots = new Slots(PARTS_AT_ONCE);
  #bytes = 0;
  #held = new Uint8Array(FIRST_BYTES);
  #filled = 0;
  /** Memory of parts that were sent, for those that follow. */
  #spare: Uint8Array<ArrayBuffer>[] = [];
  #uploadId: Promise<string> | undefined;
  #parts: Promise<Part>[] = [];
  #failure: { readonly error: unknown } | undefined;
  #ended = false;

  /** @param path as the storage's callers name it */
  constructor(calls: S3Calls, key: string, path: string) {
    this.#calls = calls;
    this.#key = key;
    this.#path = path;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#digest.update(chunk);
    this.#bytes += chunk.length;
    for (let done = 0; done < chunk.length; ) {
      const size = partBytes(this.#parts.length + 1);
      // One byte more than a part: only then it is known that this is not the last.
      if (this.#filled === size) await this.#send();
      this.#grow(Math.min(size, this.#filled + chunk.length - done));
      const part = chunk.subarray(done, done + size - this.#filled);
      this.#held.set(part, this.#filled);
      this.#filled += part.length;
      done += part.length;
    }
  }

  async commit(options: CommitOptions = {}): Promise<FileInfo | undefined> {
    const conditions = conditionsOf(options);
    const done = this.#uploadId ? await this.#complete(conditions) : await this.#put(conditions);
    this.#end();
    return done ? { path: this.#path, bytes: this.#bytes, sha256: this.#digest.digest('hex') } : undefined;
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#end();
    this.#stop.abort(new Error('the upload was given up'));
    // A part that is on the way could outlive its upload.
    await Promise.allSettled(this.#parts);
    // What is left after all, `sweep` or the bucket's lifecycle removes: why it was aborted is what is to be told.
    await this.#abortUpload().catch(() => undefined);
  }

  #end(): void {
    this.#ended = true;
    this.#held = new Uint8Array();
    this.#spare = [];
  }

  #grow(bytes: number): void {
    if (bytes <= this.#held.length) return;
    const part = this.#parts.length + 1;
    const most = partBytes(part);
    // Most files are smaller than a part; what is larger goes on in whole ones.
    const size = part === 1 ? Math.min(most, Math.max(bytes, 2 * this.#held.length)) : most;
    const spare = this.#spare.pop();
    const larger = spare && spare.length >= size ? spare : new Uint8Array(size);
    larger.set(this.#held.subarray(0, this.#filled));
    this.#held = larger;
  }

  /** Sends what is held as a part, as soon as there is room on the way. */
  async #send(): Promise<void> {
    const body = this.#held.subarray(0, this.#filled);
    const { buffer } = this.#held;
    this.#held = new Uint8Array();
    this.#filled = 0;
    this.#uploadId ??= this.#begin();
    const number = this.#parts.length + 1;
    const under = Promise.withResolvers<void>();
    const sent = this.#slots.use(async () => {
      under.resolve();
      const UploadId = await this.#uploadId;
      const part = await uploading.use(() => this.#upload(UploadId, number, body));
      this.#spare.push(new Uint8Array(buffer));
      return part;
    });
    sent.catch((error: unknown) => {
      this.#failure ??= { error };
      under.resolve();
    });
    this.#parts.push(sent);
    // A writer that is too fast is held up.
    await under.promise;
    if (this.#failure) throw this.#failure.error;
  }

  async #begin(): Promise<string> {
    const object = { Bucket: this.#calls.bucket, Key: this.#key, Metadata: { [WRITER]: this.#writer } };
    return this.#calls.ask(
      this.#key,
      async (client, options) => {
        const { UploadId } = await client.send(new CreateMultipartUploadCommand(object), options);
        if (UploadId === undefined) throw new Error('the S3 client gave no number of the upload');
        return UploadId;
      },
      { failure: 'FILE_FAILED', signal: this.#stop.signal },
    );
  }

  async #upload(UploadId: string | undefined, PartNumber: number, Body: Uint8Array): Promise<Part> {
    const part = { Bucket: this.#calls.bucket, Key: this.#key, UploadId, PartNumber, Body };
    const { ETag } = await this.#calls.ask(
      this.#key,
      (client, options) =>
        client.send(new UploadPartCommand(part), options).catch((error: unknown) => {
          throw s3Code(error) === 'NoSuchUpload' ? this.#swept(error) : error;
        }),
      { failure: 'FILE_FAILED', signal: this.#stop.signal, idleMs: uploadMs(Body.length) },
    );
    return { PartNumber, ETag };
  }

  /** @returns whether it was put; not where a condition did not hold */
  async #put(conditions: Conditions): Promise<boolean> {
    const Body = this.#held.subarray(0, this.#filled);
    const object = { Bucket: this.#calls.bucket, Key: this.#key, Metadata: { [WRITER]: this.#writer }, Body };
    return this.#calls.ask(
      this.#key,
      async (client, options, before) => {
        try {
          await client.send(new PutObjectCommand({ ...object, ...conditions }), options);
          return true;
        } catch (error) {
          if (!isUnmet(error, conditions)) throw error;
          return before > 0 && (await this.#isMine());
        }
      },
      { failure: 'FILE_FAILED', idleMs: uploadMs(Body.length) },
    );
  }

  async #complete(conditions: Conditions): Promise<boolean> {
    if (this.#filled > 0) await this.#send();
    const Parts = await Promise.all(this.#parts);
    const UploadId = await this.#uploadId;
    const upload = { Bucket: this.#calls.bucket, Key: this.#key, UploadId, MultipartUpload: { Parts } };
    const done = await this.#calls.ask(
      this.#key,
      async (client, options, before) => {
        try {
          await client.send(new CompleteMultipartUploadCommand({ ...upload, ...conditions }), options);
          return true;
        } catch (error) {
          const code = s3Code(error);
          if (code === 'NoSuchUpload') {
            if (before > 0 && (await this.#isMine())) return true;
            throw this.#swept(error);
          }
          if (!isUnmet(error, conditions)) throw error;
          return before > 0 && (await this.#isMine());
        }
      },
      // All parts are copied into one object while it is waited for.
      { failure: 'FILE_FAILED', idleMs: IDLE_MS + 10 * Parts.length * 1000 },
    );
    if (!done) await this.#abortUpload();
    return done;
  }

  /** Whether what has the name is what this writer put. */
  async #isMine(): Promise<boolean> {
    const found = await this.#calls.head(this.#key);
    return found?.Metadata?.[WRITER] === this.#writer;
  }

  async #abortUpload(): Promise<void> {
    const UploadId = await this.#uploadId?.catch(() => undefined);
    if (UploadId === undefined) return;
    const upload = { Bucket: this.#calls.bucket, Key: this.#key, UploadId };
    await this.#calls.ask(
      this.#key,
      async (client, options) => {
        await client.send(new AbortMultipartUploadCommand(upload), options).catch((error: unknown) => {
          if (s3Status(error) !== 404) throw error;
        });
      },
      { retry: { attempts: ABORT_ATTEMPTS } },
    );
  }

  #swept(cause: unknown): GleanerError {
    const problem = 'its upload was aborted while it was written; another gleaner works there';
    return new GleanerError('FILE_FAILED', { path: this.#calls.nameOf(this.#key), problem }, { cause });
  }
}

type Conditions = { readonly IfNoneMatch?: '*'; readonly IfMatch?: string };

function conditionsOf({ ifAbsent, ifVersion }: CommitOptions): Conditions {
  if (ifVersion !== undefined) return { IfMatch: ifVersion };
  return ifAbsent ? { IfNoneMatch: '*' } : {};
}

/** 412; or 404 of the object that was to be replaced. */
function isUnmet(error: unknown, conditions: Conditions): boolean {
  const status = s3Status(error);
  if (status === 412) return true;
  return conditions.IfMatch !== undefined && status === 404 && s3Code(error) !== 'NoSuchBucket';
}

function uploadMs(bytes: number): number {
  return IDLE_MS + (bytes / SLOWEST_BYTES_PER_SECOND) * 1000;
}
