import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { contentRange, rangeOf } from './http.ts';
import { changed, type RemoteObject } from './remote.ts';
import { type Client, clientFor, type S3Options } from './s3-client.ts';
import { s3Failure, s3Status } from './s3-errors.ts';

/** An object of S3, or of what speaks as S3 does. */
export function s3Object(bucket: string, key: string, options: S3Options = {}): RemoteObject {
  return clientObject(clientFor(options), bucket, key);
}

/** An answer to HEAD has no body that would say why it was refused; that to a GET has. @returns the error that says it */
export async function reasonOf(
  error: unknown,
  client: S3Client,
  object: { readonly Bucket: string; readonly Key: string },
  abortSignal: AbortSignal,
): Promise<unknown> {
  if (![301, 400, 403].includes(s3Status(error) ?? 0)) return error;
  try {
    const { Body } = await client.send(new GetObjectCommand({ ...object, Range: 'bytes=0-0' }), {
      abortSignal,
    });
    if (Body && 'destroy' in Body) Body.destroy();
    return error;
  } catch (reason) {
    return reason;
  }
}

/** The same, with a client that is there. */
export function clientObject(from: Client, bucket: string, key: string): RemoteObject {
  const { client } = from;
  const name = `s3://${bucket}/${key}`;
  const object = { Bucket: bucket, Key: key };
  const fail = (error: unknown): never => {
    const status = s3Status(error);
    if (status === 412 || status === 416) throw changed(name);
    throw s3Failure(name, from.endpoint, error);
  };
  return {
    name,
    async get(start, version, signal, end) {
      const range = start > 0 || end !== undefined ? { Range: rangeOf(start, end) } : {};
      const match = version === undefined ? {} : { IfMatch: version };
      const reply = await client
        .send(new GetObjectCommand({ ...object, ...range, ...match }), { abortSignal: signal })
        .catch(fail);
      from.answered = true;
      const body = reply.Body;
      if (!body || !(Symbol.asyncIterator in body) || !('destroy' in body))
        throw new Error('the S3 client gave no stream of Node');
      const part = contentRange(reply.ContentRange);
      body.on('error', () => undefined);
      return {
        bytes: part ? part.total : reply.ContentLength,
        version: reply.ETag,
        strong: reply.ETag !== undefined,
        start: part?.start ?? 0,
        body,
        cancel: () => void body.destroy(),
      };
    },
    async head(signal) {
      const reply = await client
        .send(new HeadObjectCommand(object), { abortSignal: signal })
        .catch(async (error: unknown) => fail(await reasonOf(error, client, object, signal)));
      from.answered = true;
      return { bytes: reply.ContentLength, version: reply.ETag, strong: reply.ETag !== undefined };
    },
  };
}
