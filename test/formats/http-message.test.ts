import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseHttpResponse } from '../../src/formats/index.ts';
import { text } from './support.ts';

const LIMITS = { maxBodyBytes: 1000 };

function response(head: string, body: Uint8Array | string = ''): Uint8Array {
  return Buffer.concat([Buffer.from(head.replaceAll('\n', '\r\n'), 'latin1'), Buffer.from(body)]);
}

function parse(head: string, body: Uint8Array | string = '', limits = LIMITS) {
  const outcome = parseHttpResponse(response(head, body), limits);
  return outcome.kept
    ? { status: outcome.value.status, body: text(outcome.value.body), headers: outcome.value.headers }
    : { reason: outcome.reason, detail: outcome.detail };
}

test('status line, fields, body', () => {
  const found = parse(
    'HTTP/1.1 200 OK\nContent-Type: image/png\nX-A: 1\nx-a:2\n  3\nnonsense\nContent-Length: 4\n\n',
    'body',
  );
  expect(found).toMatchObject({ status: 200, body: 'body' });
  expect([...(found.headers ?? [])]).toEqual([
    ['content-type', 'image/png'],
    ['x-a', '1, 2 3'],
    ['content-length', '4'],
  ]);
});

test.each(['HTTP/1.0 404', 'HTTP/2 404', 'HTTP/1.1 404 Not  Found', 'http/1.1 404 x'])('%s', (line) => {
  expect(parse(`${line}\n\n`)).toMatchObject({ status: 404, body: '' });
});

test('bare LF, and a header without an end', () => {
  const found = parseHttpResponse(Buffer.from('HTTP/1.1 200 OK\nA: b\n\nbody\r\n\r\nmore'), LIMITS);
  expect(found.kept && text(found.value.body)).toBe('body\r\n\r\nmore');
  expect(parse('HTTP/1.1 301 Moved\nLocation: /x')).toMatchObject({ status: 301, body: '' });
});

test('chunked transfer with extensions and trailers (RFC 9112, 7.1)', () => {
  const head = 'HTTP/1.1 200 OK\nTransfer-Encoding: gzip, Chunked\n\n';
  expect(
    parse(head, '4;a=b\r\nWiki\r\n6 \r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nX: y\r\n\r\n'),
  ).toMatchObject({
    body: 'Wikipedia in \r\n\r\nchunks.',
  });
  expect(parse(head, 'stored without chunks')).toMatchObject({ body: 'stored without chunks' });
  for (const broken of ['4\r\nWi', '4\r\nWiki\r\n', '4\r\nWikiXX\r\n0\r\n\r\n'])
    expect(parse(head, broken)).toEqual({ reason: 'body_broken', detail: 'chunked transfer' });
});

const BODY = 'the body of a picture '.repeat(10);
test.each([
  ['gzip', gzipSync(BODY)],
  ['x-gzip', gzipSync(BODY)],
  ['deflate', deflateSync(BODY)],
  ['deflate', deflateRawSync(BODY)],
  ['br', brotliCompressSync(BODY)],
  ['zstd', zstdCompressSync(BODY)],
  ['deflate, GZIP', gzipSync(deflateSync(BODY))],
  ['identity', Buffer.from(BODY)],
  ['gzip', Buffer.from(BODY)], // stored decoded, header kept
])('content coding %s', (coding, body) => {
  expect(parse(`HTTP/1.1 200 OK\nContent-Encoding: ${coding}\n\n`, body)).toMatchObject({ body: BODY });
});

test('what is broken, and what is too large', () => {
  const zipped = gzipSync(BODY);
  const bomb = gzipSync(Buffer.alloc(10 << 20));
  expect(parse('HTTP/1.1 200 OK\nContent-Encoding: gzip\n\n', zipped.subarray(0, -12))).toEqual({
    reason: 'body_broken',
    detail: 'content coding gzip',
  });
  expect(parse('HTTP/1.1 200 OK\nContent-Encoding: gzip\n\n', bomb)).toEqual({
    reason: 'body_large',
    detail: 'more than 1000 bytes',
  });
  expect(parse('HTTP/1.1 200 OK\n\n', 'x'.repeat(1001))).toEqual({
    reason: 'body_large',
    detail: '1001 bytes',
  });
  expect(parse('HTTP/1.1 200 OK\n\n', 'x'.repeat(1000))).toMatchObject({ status: 200 });
  expect(parse('HTTP/1.1 200 OK\nContent-Length: 5\n\n', 'four')).toEqual({
    reason: 'body_broken',
    detail: '4 of 5 bytes',
  });
  expect(parse('HTTP/1.1 304 Not Modified\nContent-Length: 5\n\n')).toMatchObject({ status: 304 });
  expect(parse('HTTP/1.1 200 OK\nContent-Encoding: sdch\n\n', 'x')).toMatchObject({ reason: 'body_broken' });
  expect(parse('HTTP/1.1 200 OK\nContent-Encoding: gzip, gzip, gzip, gzip\n\n', 'x')).toMatchObject({
    reason: 'body_broken',
  });
  for (const none of ['', 'GET / HTTP/1.1\n\n', 'HTTP/1.1 20\n\n', '\x89PNG'])
    expect(parse(none)).toEqual({ reason: 'body_broken', detail: 'no HTTP response' });
});

test('no bytes make it throw', () => {
  const head = fc.constantFrom(
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b',
    'HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n',
    '',
  );
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      const outcome = parseHttpResponse(Buffer.concat([Buffer.from(start, 'latin1'), rest]), LIMITS);
      if (outcome.kept) expect(outcome.value.body.length).toBeLessThanOrEqual(1000);
    }),
  );
});
