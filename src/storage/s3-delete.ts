import { createHash } from 'node:crypto';
import { DeleteObjectsCommand } from '@aws-sdk/client-s3';
import { GleanerError } from '../schema/index.ts';
import { PassingFailure } from './retry.ts';
import type { S3Calls } from './s3-calls.ts';

/** Keys that one DeleteObjects names at most. */
export const KEYS_AT_ONCE = 1000;

/** Removes objects by one request; those that it fails for are asked again. @param keys KEYS_AT_ONCE at most, and one at least */
export async function deleteObjects(calls: S3Calls, keys: readonly string[]): Promise<void> {
  let left = keys;
  await calls.ask(
    keys[0] ?? '',
    async (client, how) => {
      const { Errors = [] } = await client.send(commandFor(calls.bucket, left), how);
      left = Errors.flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
      const [first] = Errors;
      if (first?.Code === 'AccessDenied')
        throw new GleanerError('STORAGE_REFUSED', {
          path: calls.nameOf(first.Key ?? ''),
          problem: 'these credentials may not remove it (AccessDenied)',
          hint: 'docs/storage.md lists the permissions that are needed.',
        });
      if (first) throw new PassingFailure(`${first.Code}: ${first.Message}`);
    },
    { failure: 'FILE_FAILED' },
  );
}

/**
 * The one request whose body S3 wants a checksum of. Content-MD5 is what all stores know; the client's CRC-32 some do not
 * (https://github.com/aws/aws-sdk-js-v3/blob/main/supplemental-docs/MD5_FALLBACK.md).
 */
function commandFor(Bucket: string, keys: readonly string[]): DeleteObjectsCommand {
  const Objects = keys.map((Key) => ({ Key }));
  const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
  command.middlewareStack.add(
    (next) => async (args) => {
      const request = args.request as { headers: Record<string, string>; body: string | Uint8Array };
      for (const name of Object.keys(request.headers))
        if (/^x-amz-(sdk-)?checksum-/i.test(name)) delete request.headers[name];
      request.headers['content-md5'] = createHash('md5').update(request.body).digest('base64');
      return next(args);
    },
    { step: 'build', priority: 'low', name: 'contentMd5' },
  );
  return command;
}
