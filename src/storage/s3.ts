import { GetObjectCommand, HeadObjectCommand, S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { GleanerError } from '../schema/index.ts';
import { contentRange } from './http.ts';
import { changed, type RemoteObject, statusFailure } from './remote.ts';

/** Which S3 is asked. Credentials come as AWS's own tools find them: environment, ~/.aws, role of the machine. */
export interface S3Options {
  /** @default AWS_REGION, AWS_DEFAULT_REGION, or 'us-east-1', where Common Crawl's bucket is */
  readonly region?: string;
  /** URL of another S3 than AWS's. @default AWS_ENDPOINT_URL_S3, or AWS_ENDPOINT_URL */
  readonly endpoint?: string;
  /** The bucket in the path of the URL, not in its host name. @default true where an endpoint is named */
  readonly pathStyle?: boolean;
}

const clients = new Map<string, S3Client>();

function clientFor({
  region = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
  endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL,
  pathStyle = endpoint !== undefined,
}: S3Options): S3Client {
  const key = JSON.stringify([region, endpoint, pathStyle]);
  const client =
    clients.get(key) ??
    new S3Client({
      region,
      ...(endpoint !== undefined && { endpoint }),
      forcePathStyle: pathStyle,
      followRegionRedirects: true,
      maxAttempts: 1, // streamRemote asks again, and knows from where.
      responseChecksumValidation: 'WHEN_REQUIRED', // A part of an object has no checksum to be held against.
    });
  clients.set(key, client);
  return client;
}

/** An object of S3, or of what speaks as S3 does. */
export function s3Object(bucket: string, key: string, options: S3Options = {}): RemoteObject {
  const client = clientFor(options);
  const name = `s3://${bucket}/${key}`;
  const object = { Bucket: bucket, Key: key };
  return {
    name,
    async get(start, version, signal) {
      const range = start > 0 ? { Range: `bytes=${start}-` } : {};
      const match = version === undefined ? {} : { IfMatch: version };
      const reply = await client
        .send(new GetObjectCommand({ ...object, ...range, ...match }), { abortSignal: signal })
        .catch((error: unknown) => fail(name, error));
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
        .catch((error: unknown) => fail(name, error));
      return { bytes: reply.ContentLength, version: reply.ETag, strong: reply.ETag !== undefined };
    },
  };
}

function fail(name: string, error: unknown): never {
  if (!(error instanceof Error)) throw error;
  if (error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError') {
    const problem =
      'no AWS credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE';
    throw new GleanerError('FILE_UNREADABLE', { path: name, problem }, { cause: error });
  }
  const status = error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
  if (status === undefined) throw error;
  if (status === 412 || status === 416) throw changed(name);
  const headers = error instanceof S3ServiceException ? error.$response?.headers : undefined;
  throw statusFailure(name, status, headers?.['retry-after']);
}
