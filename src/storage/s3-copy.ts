import { randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { GleanerError } from '../schema/index.ts';
import type { S3Calls } from './s3-calls.ts';
import { s3Code } from './s3-errors.ts';
import { WRITER } from './s3-upload.ts';
import { eachOf } from './slots.ts';

/** What CopyObject takes at most (https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html). */
const MAX_COPY_BYTES = 5 * 1024 ** 3;
/** Parts of a larger object: 10,000 of them reach 5 TiB. */
const PART_BYTES = 640 << 20;
const PARTS_AT_ONCE = 8;
/** A copy within a store is given a second for so many bytes, and as long as any answer on top. */
const SLOWEST_BYTES_PER_SECOND = 4 << 20;
const IDLE_MS = 60_000;

export interface CopyLimits {
  /** What is copied by one request, at most. @default 5 GiB, as S3 has it */
  readonly maxCopyBytes?: number;
  /** Bytes a part of what is larger. @default 640 MiB */
  readonly partBytes?: number;
}

/**
 * Copies an object within its bucket; the bytes stay in the store. What has the new name is replaced at once.
 * @returns whether there was such an object
 */
export async function copyObject(
  calls: S3Calls,
  from: string,
  to: string,
  { maxCopyBytes = MAX_COPY_BYTES, partBytes = PART_BYTES }: CopyLimits = {},
): Promise<boolean> {
  const found = await calls.head(from);
  if (!found) return false;
  const { ContentLength: bytes = 0, ETag } = found;
  const CopySource = `${calls.bucket}/${from.split('/').map(encodeURIComponent).join('/')}`;
  const source = { CopySource, ...(ETag !== undefined && { CopySourceIfMatch: ETag }) };
  const object = { Bucket: calls.bucket, Key: to };
  const waiting = (size: number) => ({
    failure: 'FILE_FAILED' as const,
    idleMs: IDLE_MS + (size / SLOWEST_BYTES_PER_SECOND) * 1000,
  });
  if (bytes <= maxCopyBytes) {
    await calls.ask(
      to,
      (client, options) => client.send(new CopyObjectCommand({ ...object, ...source }), options),
      waiting(bytes),
    );
    return true;
  }
  const writer = randomUUID();
  const { UploadId } = await calls.ask(to, (client, options) =>
    client.send(new CreateMultipartUploadCommand({ ...object, Metadata: { [WRITER]: writer } }), options),
  );
  try {
    const Parts: { PartNumber: number; ETag: string | undefined }[] = [];
    const starts = Array.from({ length: Math.ceil(bytes / partBytes) }, (_, i) => i * partBytes);
    await eachOf(starts, PARTS_AT_ONCE, async (start) => {
      const PartNumber = start / partBytes + 1;
      const end = Math.min(start + partBytes, bytes);
      const part = {
        ...object,
        ...source,
        UploadId,
        PartNumber,
        CopySourceRange: `bytes=${start}-${end - 1}`,
      };
      const { CopyPartResult } = await calls.ask(
        to,
        (client, options) => client.send(new UploadPartCopyCommand(part), options),
        waiting(end - start),
      );
      Parts[PartNumber - 1] = { PartNumber, ETag: CopyPartResult?.ETag };
    });
    const upload = { ...object, UploadId, MultipartUpload: { Parts } };
    await calls.ask(
      to,
      async (client, options, before) => {
        try {
          await client.send(new CompleteMultipartUploadCommand(upload), options);
        } catch (error) {
          // Completed by a try whose answer was lost?
          if (before === 0 || s3Code(error) !== 'NoSuchUpload') throw error;
          const made = await calls.head(to);
          if (made?.Metadata?.[WRITER] !== writer) throw aborted(calls.nameOf(to), error);
        }
      },
      waiting(bytes),
    );
  } catch (error) {
    const command = new AbortMultipartUploadCommand({ ...object, UploadId });
    await calls.ask(to, (client, options) => client.send(command, options)).catch(() => undefined);
    throw error;
  }
  return true;
}

function aborted(path: string, cause: unknown): GleanerError {
  return new GleanerError(
    'FILE_FAILED',
    { path, problem: 'its copy was aborted while it was made' },
    { cause },
  );
}
