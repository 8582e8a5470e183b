import { type S3Place, s3Place } from './s3-place.ts';

/** What a PUT has to bring, beside its body. */
export interface PresignedPut {
  readonly url: string;
  /** Headers that have to be sent as they stand here: they are signed. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface PresignPutOptions {
  /** Bytes that the body has to have: others are refused. */
  readonly contentLength?: number;
  /** SHA-256 that it has to have, in lower-case hexadecimal: the store checks it. */
  readonly sha256?: string;
}

/**
 * A URL by which anybody who has it reads one object, for so long.
 *
 * @param location s3://BUCKET/PREFIX
 * @param path below it
 * @param seconds 604,800 at most (a week: the most that signature version 4 allows), and no longer than the credentials live
 * @throws GleanerError USAGE, DAMAGED
 */
export async function presignGet(location: string, path: string, seconds: number): Promise<string> {
  const { Bucket, Key } = objectAt(s3Place(location), path);
  const { GetObjectCommand, getSignedUrl, client } = await signer();
  return getSignedUrl(client, new GetObjectCommand({ Bucket, Key }), { expiresIn: seconds });
}

/**
 * A URL by which anybody who has it writes one object, for so long; with a length and a checksum, these bytes and no others. It
 * may be written again until then. For an object of up to 5 GiB.
 *
 * @param location s3://BUCKET/PREFIX
 * @param path below it
 * @param seconds as of presignGet
 * @throws GleanerError USAGE, DAMAGED
 */
export async function presignPut(
  location: string,
  path: string,
  seconds: number,
  { contentLength, sha256 }: PresignPutOptions = {},
): Promise<PresignedPut> {
  const object = objectAt(s3Place(location), path);
  const { PutObjectCommand, getSignedUrl, client } = await signer();
  const checksum = sha256 === undefined ? undefined : Buffer.from(sha256, 'hex').toString('base64');
  const command = new PutObjectCommand({
    ...object,
    ...(contentLength !== undefined && { ContentLength: contentLength }),
    ...(checksum !== undefined && { ChecksumSHA256: checksum }),
  });
  const headers = {
    ...(contentLength !== undefined && { 'content-length': String(contentLength) }),
    ...(checksum !== undefined && { 'x-amz-checksum-sha256': checksum }),
  };
  // In the URL they would be the signer's word alone; as headers they are what the store holds the body against.
  const names = new Set(Object.keys(headers));
  const options = {
    expiresIn: seconds,
    unhoistableHeaders: names,
    signableHeaders: new Set(['host', ...names]),
  };
  return { url: await getSignedUrl(client, command, options), headers };
}

function objectAt({ bucket, key }: S3Place, path: string) {
  return { Bucket: bucket, Key: key(path) };
}

/** The client is loaded with the first URL: who signs none does not wait for it. */
async function signer() {
  const [{ GetObjectCommand, PutObjectCommand }, { getSignedUrl }, { clientFor }] = await Promise.all([
    import('@aws-sdk/client-s3'),
    import('@aws-sdk/s3-request-presigner'),
    import('./s3-client.ts'),
  ]);
  return { GetObjectCommand, PutObjectCommand, getSignedUrl, client: clientFor({}).client };
}
