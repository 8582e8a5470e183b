import { S3Client } from '@aws-sdk/client-s3';

/** Which S3 is asked. Credentials come as AWS's own tools find them: environment, ~/.aws, role of the machine. */
export interface S3Options {
  /** @default AWS_REGION, AWS_DEFAULT_REGION, or 'us-east-1', where Common Crawl's bucket is */
  readonly region?: string;
  /** URL of another S3 than AWS's. @default AWS_ENDPOINT_URL_S3, or AWS_ENDPOINT_URL */
  readonly endpoint?: string;
  /**
   * The bucket in the path of the URL, not in its host name.
   * @default GLEANER_S3_PATH_STYLE (true or false), or true where an endpoint is named
   */
  readonly pathStyle?: boolean;
}

/** Connections to one S3 at once, at most: more than storage and readers of one process ask for. */
const MAX_SOCKETS = 256;
/** A host that does not take a connection within so long is asked again. */
const CONNECT_MS = 10_000;

/** A client, and what it was made with as far as messages want it. */
export interface Client {
  readonly client: S3Client;
  /** Where a request goes that is not AWS's, without user and password. */
  readonly endpoint: string | undefined;
  /** Whether it has answered anything in this process. */
  answered: boolean;
}

const clients = new Map<string, Client>();

/** One client for all who ask the same S3. */
export function clientFor({
  region = process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
  endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL,
  pathStyle = pathStyleOfEnvironment() ?? endpoint !== undefined,
}: S3Options): Client {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_PROFILE: profile } = process.env;
  const key = JSON.stringify([region, endpoint, pathStyle, id, secret, profile]);
  const known = clients.get(key);
  if (known) return known;
  const client = new S3Client({
    region,
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle: pathStyle,
    followRegionRedirects: true,
    maxAttempts: 1, // askAgain and streamRemote do, and know from where.
    responseChecksumValidation: 'WHEN_REQUIRED', // A part of an object has no checksum to be held against.
    requestChecksumCalculation: 'WHEN_REQUIRED', // The signature covers the body; R2 and older Ceph know no others.
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      httpAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
      httpsAgent: { keepAlive: true, maxSockets: MAX_SOCKETS },
    },
  });
  const origin = endpoint === undefined ? undefined : (URL.parse(endpoint)?.origin ?? endpoint);
  const made: Client = { client, endpoint: origin, answered: false };
  clients.set(key, made);
  return made;
}

function pathStyleOfEnvironment(): boolean | undefined {
  const value = process.env.GLEANER_S3_PATH_STYLE?.toLowerCase();
  if (value === undefined || value === '') return undefined;
  return value !== 'false' && value !== '0';
}
