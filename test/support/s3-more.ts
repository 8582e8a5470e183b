import { readdir, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Store } from 's3rver';
import S3Error from 's3rver/lib/models/error.js';
import { noUpload } from './s3-store.ts';

const SUFFIX = '._S3rver_object';

/**
 * What s3rver lacks: copies of parts, lists of uploads, aborting one, and lists of objects by pages in the order of their
 * UTF-8 bytes (its own need a cipher that OpenSSL has no more).
 * @param uploadsByKey lists of uploads know no prefix but a whole key, as MinIO's
 * @returns whether it was one of these
 */
export async function serveMore(
  store: Store,
  request: IncomingMessage,
  response: ServerResponse,
  uploadsByKey: boolean,
): Promise<boolean> {
  const url = new URL(request.url ?? '', 'http://s3');
  const [, bucket = '', ...rest] = url.pathname.split('/').map(decodeURIComponent);
  const key = rest.join('/');
  const query = url.searchParams;
  const uploadId = query.get('uploadId');
  const source = request.headers['x-amz-copy-source'];
  if (request.method === 'GET' && key === '' && query.has('uploads'))
    answer(response, await uploadsXml(store, bucket, query.get('prefix') ?? '', uploadsByKey));
  else if (request.method === 'GET' && key === '' && query.get('list-type') === '2')
    answer(response, await listXml(store, bucket, query));
  else if (request.method === 'DELETE' && uploadId !== null) {
    if (!(await openUploads(store, bucket)).some(({ id }) => id === uploadId)) throw noUpload(uploadId);
    await rm(join(store.getResourcePath(bucket, undefined, 'uploads'), uploadId), { recursive: true });
    response.writeHead(204).end();
  } else if (request.method === 'PUT' && uploadId !== null && typeof source === 'string') {
    const [fromBucket = '', ...from] = decodeURIComponent(source).replace(/^\//, '').split('/');
    const range = /^bytes=(\d+)-(\d+)$/.exec(String(request.headers['x-amz-copy-source-range'] ?? ''));
    const options = range ? { start: Number(range[1]), end: Number(range[2]) } : {};
    const object = await store.getObject(fromBucket, from.join('/'), options);
    if (!(object?.content instanceof Readable))
      throw new S3Error('NoSuchKey', 'The specified key does not exist.', { Key: from.join('/') });
    const { md5 } = await store.putPart(bucket, uploadId, query.get('partNumber') ?? '', object.content);
    answer(response, `<CopyPartResult><ETag>"${md5}"</ETag></CopyPartResult>`);
  } else return false;
  return true;
}

/** Uploads that were begun and neither completed nor aborted. */
export async function openUploads(store: Store, bucket: string) {
  const folder = store.getResourcePath(bucket, undefined, 'uploads');
  const ids = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    ids.map(async (id) => ({ id, key: await readFile(join(folder, id, 'key'), 'utf8').catch(() => '') })),
  );
  return found.filter(({ key }) => key !== '').sort((a, b) => (a.key < b.key ? -1 : 1));
}

async function uploadsXml(store: Store, bucket: string, prefix: string, byKey: boolean): Promise<string> {
  const uploads = (await openUploads(store, bucket)).filter(({ key }) =>
    byKey && prefix !== '' ? key === prefix : key.startsWith(prefix),
  );
  const items = uploads.map(
    ({ key, id }) => `<Upload><Key>${escaped(key)}</Key><UploadId>${id}</UploadId></Upload>`,
  );
  return `<ListMultipartUploadsResult>${items.join('')}</ListMultipartUploadsResult>`;
}

async function listXml(store: Store, bucket: string, query: URLSearchParams): Promise<string> {
  const base = store.getBucketPath(bucket);
  const entries = await readdir(base, { recursive: true, withFileTypes: true }).catch(() => {
    throw new S3Error('NoSuchBucket', 'The specified bucket does not exist', { BucketName: bucket });
  });
  const token = query.get('continuation-token');
  const after = Buffer.from(token === null ? (query.get('start-after') ?? '') : atobUtf8(token));
  const keys = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(SUFFIX))
    .map((entry) => join(entry.parentPath, entry.name).slice(base.length + 1, -SUFFIX.length))
    .filter((key) => key.startsWith(query.get('prefix') ?? '') && Buffer.compare(Buffer.from(key), after) > 0)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const page = keys.slice(0, Math.min(1000, Number(query.get('max-keys') ?? 1000)));
  const written = query.get('encoding-type') === 'url' ? encodeURIComponent : escaped;
  const items: string[] = [];
  for (const key of page) {
    const metadata = await store.getMetadata(bucket, key).catch(() => undefined);
    if (metadata)
      items.push(
        `<Contents><Key>${written(key)}</Key><Size>${metadata['content-length']}</Size><ETag>${escaped(metadata.etag ?? '')}</ETag></Contents>`,
      );
  }
  const next = page.length < keys.length ? Buffer.from(page.at(-1) ?? '').toString('base64') : undefined;
  return `<ListBucketResult><IsTruncated>${next !== undefined}</IsTruncated>${
    next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`
  }${items.join('')}</ListBucketResult>`;
}

function atobUtf8(text: string): string {
  return Buffer.from(text, 'base64').toString('utf8');
}

function answer(response: ServerResponse, xml: string): void {
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${xml}`);
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
