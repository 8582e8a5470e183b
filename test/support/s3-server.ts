import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import S3rver from 's3rver';
import S3Error from 's3rver/lib/models/error.js';
import { mulberry } from './random.ts';
import { cut, type Fault, slow, swallow } from './s3-faults.ts';
import { openUploads, serveMore } from './s3-more.ts';
import { asked, makeExact } from './s3-store.ts';
import { checkSignature } from './sigv4.ts';

export interface AskedRequest {
  readonly method: string;
  /** With its query, as it came. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly bucket: string;
  /** Credentials and endpoint, for child processes. */
  readonly env: Record<string, string>;
  /** From here on each request suffers this by chance; undefined: none does. @param share of requests. @default 0.1 */
  fault(kind: Fault | undefined, share?: number): void;
  /** The next request that matches suffers this, once. */
  faultOnce(kind: Fault, matches: (request: AskedRequest) => boolean): void;
  /** Requests that came so far. */
  readonly requests: number;
  /** Connections that were made for them. */
  readonly connections: number;
  /** Called with each request as it comes. */
  onRequest: (request: AskedRequest) => void;
  /** Keys of multipart uploads that were begun and neither completed nor aborted. */
  uploads(): Promise<readonly string[]>;
}

export interface S3ServerOptions {
  /** @default 'gleaner-test' */
  readonly bucket?: string;
  /** Whether it honours If-None-Match and If-Match of puts; s3rver by itself does not. @default true */
  readonly conditions?: boolean;
  /** Lists of uploads know no prefix but a whole key, as MinIO's. @default false */
  readonly uploadsByKey?: boolean;
  /** Of the lots. @default 1 */
  readonly seed?: number;
}

/** s3rver knows this one key. */
const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };

/**
 * An S3 of this process: s3rver, with conditional puts, copies of parts and aborted uploads as S3 has them, and with
 * faults on request. Its objects lie in a temporary folder and go with it.
 */
export async function startS3(options: S3ServerOptions = {}): Promise<S3Server> {
  const { bucket = 'gleaner-test', seed = 1, conditions = true, uploadsByKey = false } = options;
  const directory = await mkdtemp(join(tmpdir(), 'gleaner-s3-'));
  const s3rver = new S3rver({
    directory,
    silent: true,
    vhostBuckets: false,
    configureBuckets: [{ name: bucket }],
  });
  makeExact(s3rver.store);
  await s3rver.configureBuckets();
  const handle = s3rver.callback();
  const random = mulberry(seed);
  let rule: { readonly kind: Fault; readonly share: number } | undefined;
  const once: { readonly kind: Fault; readonly matches: (request: AskedRequest) => boolean }[] = [];
  let [requests, connections] = [0, 0];

  function lot(request: AskedRequest): Fault | undefined {
    const i = once.findIndex(({ matches }) => matches(request));
    if (i >= 0) return once.splice(i, 1)[0]?.kind;
    return rule && random() < rule.share ? rule.kind : undefined;
  }

  const server = createServer((request, response) => {
    requests++;
    const { method = '', url = '', headers } = request;
    const told = { method, url, headers };
    made.onRequest(told);
    response.on('error', () => undefined);
    const drops = ['drop-before', 'drop-after', 'cut'] as const;
    let fault = lot(told);
    if (fault === 'drop') fault = drops[Math.floor(random() * drops.length)];
    if (fault === 'drop-before') request.socket.destroy();
    else if (fault === 'slow-down')
      refuse(request, response, new S3Error('SlowDown', 'Please reduce your request rate.'));
    else if (fault === 'conflict' && isConditionalPut(told)) {
      refuse(request, response, conflict());
    } else if (fault !== 'silent') {
      if (fault === 'drop-after') swallow(response);
      if (fault === 'cut') cut(response);
      if (fault === 'slow') slow(response);
      const { 'if-none-match': _, 'if-match': __, ...unconditional } = headers;
      void asked.run(conditions ? headers : unconditional, async () => {
        try {
          checkSignature(request, { [CREDENTIALS.AWS_ACCESS_KEY_ID]: CREDENTIALS.AWS_SECRET_ACCESS_KEY });
          if (!(await serveMore(s3rver.store, request, response, uploadsByKey))) handle(request, response);
        } catch (error) {
          refuse(
            request,
            response,
            error instanceof S3Error ? error : new S3Error('InternalError', `${error}`),
          );
        }
      });
    }
  });
  server.on('connection', () => connections++);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || !address) throw new Error('it does not listen');
  const endpoint = `http://127.0.0.1:${address.port}`;
  const made: S3Server = {
    endpoint,
    bucket,
    env: { ...CREDENTIALS, AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: 'us-east-1' },
    fault(kind, share = 0.1) {
      rule = kind && { kind, share };
    },
    faultOnce(kind, matches) {
      once.push({ kind, matches });
    },
    get requests() {
      return requests;
    },
    get connections() {
      return connections;
    },
    onRequest: () => undefined,
    uploads: async () => (await openUploads(s3rver.store, bucket)).map(({ key }) => key),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    },
  };
  return made;
}

/** Lets the clients of this process ask that server until it is disposed of. */
export function useS3(server: Pick<S3Server, 'env'>): Disposable {
  const names = ['AWS_PROFILE', 'AWS_SESSION_TOKEN', 'AWS_ENDPOINT_URL', ...Object.keys(server.env)];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  Object.assign(process.env, server.env);
  return {
    [Symbol.dispose]() {
      for (const [name, value] of before)
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
    },
  };
}

function isConditionalPut({ method, headers }: AskedRequest): boolean {
  return (
    method !== 'GET' &&
    method !== 'HEAD' &&
    (headers['if-none-match'] !== undefined || headers['if-match'] !== undefined)
  );
}

function conflict(): S3Error {
  return Object.assign(new S3Error('ConditionalRequestConflict', 'The conditional request cannot succeed.'), {
    status: 409,
  });
}

function refuse(request: IncomingMessage, response: ServerResponse, error: S3Error): void {
  request.resume();
  response.writeHead(error.status, { 'content-type': 'application/xml' });
  response.end(request.method === 'HEAD' ? '' : error.toXML());
}
