import { createHash, createHmac } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import S3Error from 's3rver/lib/models/error.js';

/** Where its buckets are. */
const REGION = 'us-east-1';

/**
 * Holds a request against its signature, in its headers or in its URL (version 4, as
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html has it): s3rver does neither.
 * @param secrets by access key
 * @throws S3Error as S3 says it
 */
export function checkSignature(request: IncomingMessage, secrets: Readonly<Record<string, string>>): void {
  const [path = '', search = ''] = (request.url ?? '').split('?', 2);
  const query = new URLSearchParams(search);
  const fields = Object.fromEntries(
    (request.headers.authorization ?? '')
      .replace(/^AWS4-HMAC-SHA256 /, '')
      .split(/, */)
      .map((part) => part.split('=', 2) as [string, string]),
  );
  const inUrl = query.has('X-Amz-Signature');
  const credential = inUrl ? query.get('X-Amz-Credential') : fields.Credential;
  const signed = inUrl ? query.get('X-Amz-SignedHeaders') : fields.SignedHeaders;
  const given = inUrl ? query.get('X-Amz-Signature') : fields.Signature;
  if (!credential || !signed || !given) throw new S3Error('AccessDenied', 'Access Denied');
  const [key = '', day = '', region = '', service = ''] = credential.split('/');
  const secret = secrets[key];
  if (secret === undefined)
    throw new S3Error(
      'InvalidAccessKeyId',
      'The AWS Access Key Id you provided does not exist in our records.',
    );
  if (region !== REGION)
    throw new S3Error(
      'AuthorizationHeaderMalformed',
      `The authorization header is malformed; the region '${region}' is wrong; expecting '${REGION}'`,
      { Region: REGION },
    );
  const time = (inUrl ? query.get('X-Amz-Date') : request.headers['x-amz-date']) ?? '';
  if (inUrl) {
    const begun = Date.parse(
      String(time).replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
    );
    if (!(Date.now() <= begun + Number(query.get('X-Amz-Expires')) * 1000))
      throw new S3Error('AccessDenied', 'Request has expired');
  }
  const headers = signed.split(';').map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`);
  const canonical = [
    request.method,
    path,
    [...query]
      .filter(([name]) => name !== 'X-Amz-Signature')
      .map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
      .sort()
      .join('&'),
    headers.join(''),
    signed,
    inUrl ? 'UNSIGNED-PAYLOAD' : request.headers['x-amz-content-sha256'],
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', time, `${day}/${region}/${service}/aws4_request`, sha256(canonical)].join(
    '\n',
  );
  const signer = [day, region, service, 'aws4_request'].reduce<Buffer>(
    (by, part) => hmac(by, part),
    Buffer.from(`AWS4${secret}`),
  );
  if (hmac(signer, text).toString('hex') !== given)
    throw new S3Error(
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided.',
    );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function encoded(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
