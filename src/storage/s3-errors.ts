import { S3ServiceException } from '@aws-sdk/client-s3';
import { GleanerError } from '../schema/index.ts';
import { statusFailure } from './remote.ts';
import { PassingFailure } from './retry.ts';

/** What waiting does not mend, by S3's own names, with what to do about it. */
const REFUSALS: Readonly<Record<string, readonly [problem: string, hint: string]>> = {
  InvalidAccessKeyId: ['the access key is not known there', 'Check AWS_ACCESS_KEY_ID.'],
  SignatureDoesNotMatch: ['the secret key does not belong to the access key', 'Check AWS_SECRET_ACCESS_KEY.'],
  AccessDenied: [
    'these credentials may not do that',
    'docs/storage.md lists the permissions that are needed.',
  ],
  AllAccessDisabled: ['all access to the bucket is disabled', 'Ask its owner.'],
  AccountProblem: ['there is a problem with the account', 'Ask its owner.'],
  InvalidToken: ['the session token is not valid', 'Check AWS_SESSION_TOKEN.'],
  ExpiredToken: ['the session token has expired', 'Renew the credentials and run the same command again.'],
  NoSuchBucket: ['there is no such bucket', 'Make it first, or check its name.'],
  InvalidBucketName: ['that is no name of a bucket', 'Give s3://BUCKET/PREFIX.'],
  PermanentRedirect: ['the bucket is in another region', 'Set AWS_REGION to that of the bucket.'],
  AuthorizationHeaderMalformed: [
    'the bucket is in another region than the request was signed for',
    'Set AWS_REGION.',
  ],
  IllegalLocationConstraintException: ['the bucket is in another region', 'Set AWS_REGION to it.'],
};

/** What may pass although its status says otherwise. RequestTimeTooSkewed: the client has corrected its clock by then. */
const PASSING = new Set([
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'OperationAborted',
  'ConditionalRequestConflict',
  'SlowDown',
]);

/** S3's name for what went wrong; undefined where it said none. */
export function s3Code(error: unknown): string | undefined {
  return error instanceof S3ServiceException ? error.name : undefined;
}

export function s3Status(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

/**
 * What an error of the S3 client means: PassingFailure, or GleanerError where nothing helps but to mend it.
 *
 * @param name what messages call the object
 * @param endpoint of another S3 than AWS's
 */
export function s3Failure(name: string, endpoint: string | undefined, error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (error.name === 'CredentialsProviderError' || error.name === 'TokenProviderError')
    return new GleanerError(
      'STORAGE_REFUSED',
      {
        path: name,
        problem: 'no AWS credentials found',
        hint: 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.',
      },
      { cause: error },
    );
  const code = s3Code(error);
  const status = s3Status(error);
  if (code === undefined || status === undefined) return atEndpoint(error, endpoint);
  const headers = error instanceof S3ServiceException ? error.$response?.headers : undefined;
  const retryAfter = headers?.['retry-after'];
  if (PASSING.has(code)) return new PassingFailure(`the server answered ${code} (${status})`, { retryAfter });
  const [problem, hint] = REFUSALS[code] ?? [];
  if (problem !== undefined && hint !== undefined)
    return new GleanerError(
      'STORAGE_REFUSED',
      { path: name, problem: `${problem} (${code})`, hint },
      { cause: error },
    );
  return statusFailure(name, status, retryAfter);
}

/** A server that nobody reaches is named: the location alone does not say who was asked. */
function atEndpoint(error: Error, endpoint: string | undefined): Error {
  if (endpoint === undefined || !('code' in error)) return error;
  if (error.code === 'ECONNREFUSED' || error.code === 'ENOTFOUND')
    return new PassingFailure(
      `${error.code === 'ENOTFOUND' ? 'no such host as in' : 'nobody listens at'} ${endpoint} (${error.code})`,
      { cause: error },
    );
  return error;
}
