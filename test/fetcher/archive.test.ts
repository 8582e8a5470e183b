import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type ArchiveFile, type ArchiveOptions, createArchiveSource } from '../../src/fetcher/index.ts';

const shared = (name: string) => fileURLToPath(new URL(`../../../shared/data/warc/${name}`, import.meta.url));

/** An archive file in memory that notes what is read of it. */
function memoryFile(bytes: Uint8Array, name = 'test.warc.gz') {
  const reads: [number, number][] = [];
  const state = { opened: 0, passes: 0, closed: 0 };
  const file: ArchiveFile = {
    name,
    async *open() {
      state.passes++;
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    },
    async source() {
      state.opened++;
      return {
        byteLength: bytes.length,
        async slice(start, end = bytes.length) {
          reads.push([start, end]);
          return new Uint8Array(bytes.subarray(start, end)).buffer;
        },
        async close() {
          state.closed++;
        },
      };
    },
  };
  return { file, reads, state };
}

function archive(files: readonly ArchiveFile[], options?: ArchiveOptions) {
  const source = createArchiveSource(files, options);
  onTestFinished(() => source.close());
  return source;
}

/** A record as ISO 28500 has it. */
function record(type: string, uri: string, block: string | Buffer, more: readonly string[] = []): Buffer {
  const bytes = Buffer.from(block);
  const head = [
    `WARC/1.1`,
    `WARC-Type: ${type}`,
    `WARC-Target-URI: ${uri}`,
    ...more,
    `Content-Length: ${bytes.length}`,
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes, Buffer.from('\r\n\r\n')]);
}

function response(
  uri: string,
  status: string,
  body: string | Buffer,
  headers: readonly string[] = [],
): Buffer {
  const head = [`HTTP/1.1 ${status}`, ...headers].join('\r\n');
  return record('response', uri, Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]));
}

const text = (result: Awaited<ReturnType<ReturnType<typeof archive>['get']>>) =>
  result.kept ? Buffer.from(result.value.bytes).toString() : `${result.reason}: ${result.detail}`;

const RECORDS = [
  record('warcinfo', '', 'software: none'),
  record('request', 'http://a.test/1.png', 'GET /1.png HTTP/1.1\r\n\r\n'),
  response('http://a.test/1.png', '200 OK', 'one', ['Content-Type: image/png', 'Content-Length: 3']),
  response('http://a.test/twice', '404 Not Found', 'gone'),
  response('http://a.test/twice', '200 OK', 'first'),
  response('http://a.test/twice', '200 OK', 'second'),
  response('http://a.test/moved', '301 Moved', '', ['location: /1.png#top', 'Content-Length: 99']),
  response('http://a.test/away', '302 Found', '', ['Location: http://b.test/none']),
  response('http://a.test/file', '302 Found', '', ['Location: file:///etc/passwd']),
  response('http://a.test/lost', '302 Found', 'Location: http://a.test/1.png'),
  response('http://a.test/loop', '302 Found', '', ['Location: /loop2']),
  response('http://a.test/loop2', '302 Found', '', ['Location: /loop']),
  response('http://a.test/hop2', '302 Found', '', ['Location: /moved']),
  response('http://a.test/gone', '410 Gone', 'x', ['Content-Length: 500']),
  response('http://a.test/short', '200 OK', 'x', ['Content-Length: 500']),
  response('http://a.test/gzip', '200 OK', gzipSync('unpacked'), ['Content-Encoding: gzip']),
  response('http://a.test/large', '200 OK', 'x'.repeat(101)),
  record('response', 'http://a.test/nohttp', 'ICY 200 OK\r\n\r\nx', ['Content-Type: application/http']),
  record('resource', 'http://a.test/resource', 'as it is', ['Content-Type: image/gif']),
  record('resource', 'urn:pageinfo:http://a.test/', '{}'),
  record('revisit', 'http://c.test/1.png', 'HTTP/1.1 200 OK\r\n\r\n', [
    'WARC-Refers-To-Target-URI: http://a.test/1.png',
  ]),
  record('revisit', 'http://c.test/self', '', ['WARC-Refers-To-Target-URI: http://c.test/self']),
  response('<http://a.test/brackets>', '200 OK', 'wget'),
  response('HTTP://A.test:80/%7euser/../ü#x', '200 OK', 'normal'),
];

const EXPECTED: readonly [string, string][] = [
  ['http://a.test/1.png', 'one'],
  ['http://A.TEST:80/1.png#fragment', 'one'],
  ['http://a.test/twice', 'first'],
  ['http://a.test/moved', 'one'],
  ['http://a.test/hop2', 'one'],
  ['http://a.test/away', 'not_archived: target of a redirect'],
  ['http://a.test/file', 'redirects: to file:'],
  ['http://a.test/lost', 'redirects: no Location'],
  ['http://a.test/loop', 'redirects: in a circle'],
  ['http://a.test/gone', 'http_status: 410'],
  ['http://a.test/short', 'body_broken: 1 of 500 bytes'],
  ['http://a.test/gzip', 'unpacked'],
  ['http://a.test/large', 'body_large: 101 bytes'],
  ['http://a.test/nohttp', 'not_archived: '],
  ['http://a.test/resource', 'as it is'],
  ['http://c.test/1.png', 'one'],
  ['http://c.test/self', 'not_archived: revisit'],
  ['http://a.test/brackets', 'wget'],
  ['http://a.test/%C3%BC', 'normal'],
  ['http://a.test/', 'not_archived: '],
  ['ftp://a.test/1.png', 'url_scheme: ftp:'],
  ['1.png', 'no_url: 1.png'],
];

describe.each([
  ['gzip by member', Buffer.concat(RECORDS.map((r) => gzipSync(r)))],
  ['one gzip', gzipSync(Buffer.concat(RECORDS))],
  ['plain', Buffer.concat(RECORDS)],
])('a WARC file, %s', (_, bytes) => {
  it.each(EXPECTED)('%s: %s', async (url, expected) => {
    expect(text(await archive([memoryFile(bytes).file], { maxBodyBytes: 100 }).get(url))).toBe(expected);
  });

  it('is read through once, and opened once', async () => {
    const { file, state } = memoryFile(bytes);
    const source = archive([file]);
    expect(state).toEqual({ passes: 0, opened: 0, closed: 0 });
    await Promise.all(EXPECTED.map(([url]) => source.get(url)));
    await source.get('http://a.test/1.png');
    expect(state).toEqual({ passes: 1, opened: 1, closed: 0 });
    await source.close();
    await source.close();
    expect(state.closed).toBe(1);
    await expect(source.get('http://a.test/1.png')).rejects.toThrow('closed');
  });
});

it.each([
  ['2014-08-20T06:36:13Z', Date.UTC(2014, 7, 20, 6, 36, 13)],
  ['2014-08-20T06:36:13.25Z', Date.UTC(2014, 7, 20, 6, 36, 13, 250)],
  // What no date of the specification is: a day that is none, local time, nothing.
  ['2014-02-31T99:00:00Z', undefined],
  ['2014-08-20 06:36:13', undefined],
  ['', undefined],
])('gives when it was archived: WARC-Date %s', async (date, fetchedAt) => {
  const more = date === '' ? [] : [`WARC-Date: ${date}`];
  const bytes = record('resource', 'http://a.test/', 'one', more);
  const answer = await archive([memoryFile(bytes).file]).get('http://a.test/');
  expect(answer.kept && answer.value).toHaveProperty('fetchedAt', fetchedAt);
});

it('gives type and URL of what answered', async () => {
  const source = archive([memoryFile(Buffer.concat(RECORDS)).file]);
  expect(await source.get('http://a.test/hop2')).toEqual({
    kept: true,
    value: {
      bytes: new Uint8Array(Buffer.from('one')),
      finalUrl: 'http://a.test/1.png',
      contentType: 'image/png',
    },
  });
  expect(await source.get('http://a.test/resource')).toMatchObject({ value: { contentType: 'image/gif' } });
  expect(await source.get('http://a.test/twice')).toMatchObject({ value: { contentType: '' } });
});

it('follows redirects up to the limit', async () => {
  const { file } = memoryFile(Buffer.concat(RECORDS));
  expect(text(await archive([file], { maxRedirects: 2 }).get('http://a.test/hop2'))).toBe('one');
  expect(text(await archive([file], { maxRedirects: 1 }).get('http://a.test/hop2'))).toBe(
    'redirects: more than 1',
  );
});

it('reads of a member what belongs to it, and no more', async () => {
  const members = RECORDS.map((r) => gzipSync(r));
  const { file, reads } = memoryFile(Buffer.concat(members));
  await archive([file]).get('http://a.test/1.png');
  const start = (members[0]?.length ?? 0) + (members[1]?.length ?? 0);
  expect(reads).toEqual([[start, start + (members[2]?.length ?? 0)]]);
});

it('looks through several files in their order', async () => {
  const first = memoryFile(gzipSync(response('http://a.test/a', '404 Not Found', '')), 'a.warc.gz');
  const second = memoryFile(gzipSync(response('http://a.test/a', '200 OK', 'from b')), 'b.warc.gz');
  const third = memoryFile(gzipSync(response('http://a.test/a', '200 OK', 'from c')), 'c.warc.gz');
  const source = archive([first.file, second.file, third.file]);
  expect(text(await source.get('http://a.test/a'))).toBe('from b');
  expect([first, second, third].map(({ state }) => state.opened)).toEqual([0, 1, 0]);
});

it('passes over damage and counts it', async () => {
  const [good, bad, other] = [0, 1, 2].map((i) =>
    gzipSync(response(`http://a.test/${i}`, '200 OK', `body ${i}`.repeat(50))),
  );
  if (!good || !bad || !other) throw new Error('three members');
  const source = archive([memoryFile(Buffer.concat([good, bad.fill(0xff, 30, 60), other])).file]);
  expect(source.damaged).toBe(0);
  expect(await source.get('http://a.test/0')).toMatchObject({ kept: true });
  expect(await source.get('http://a.test/1')).toMatchObject({ kept: false, reason: 'not_archived' });
  expect(await source.get('http://a.test/2')).toMatchObject({ kept: true });
  expect(source.damaged).toBe(1);
});

it('a file that is none is an error of the user', async () => {
  const { file } = memoryFile(Buffer.from('\x89PNG\r\n\x1a\n and so on, for a while'), 'picture.warc.gz');
  const source = archive([file]);
  for (const _ of [1, 2])
    await expect(source.get('http://a.test/')).rejects.toMatchObject({
      code: 'NOT_WARC',
      message: expect.stringContaining('picture.warc.gz'),
    });
});

it('a caller can give up', async () => {
  const { file } = memoryFile(Buffer.concat(RECORDS));
  const source = archive([
    { ...file, open: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }) }) },
  ]);
  const controller = new AbortController();
  const result = source.get('http://a.test/1.png', controller.signal);
  controller.abort(new Error('enough'));
  await expect(result).rejects.toThrow('enough');
});

describe('real archives', () => {
  const file = (name: string) => memoryFile(readFileSync(shared(name)), basename(name)).file;
  /** URL and SHA-1 of each response, found by looking for the words of the headers in the unpacked file. */
  const digests = (name: string) =>
    gunzipSync(readFileSync(shared(name)))
      .toString('latin1')
      .split(/^WARC\/\d\.\d+\r\n/m)
      .filter((part) => /^WARC-Type: response\r$/m.test(part) && /^HTTP\/1\.\d 200 /m.test(part))
      .map((part) => ({
        url: /^WARC-Target-URI: (.*)\r$/m.exec(part)?.[1] ?? '',
        sha1: /^WARC-Payload-Digest: sha1:(\w+)\r$/m.exec(part)?.[1] ?? '',
        isImage: /^Content-Type: image\//im.test(part),
      }));

  const GIMP = 'gimp-help-en-images.warc.gz';
  it.skipIf(!existsSync(shared(GIMP)))(`${GIMP}: 1,542 images, as their digests say`, async () => {
    const source = archive([file(GIMP)]);
    const expected = digests(GIMP);
    expect(expected).toHaveLength(1542);
    for (const { url, sha1 } of expected) {
      const result = await source.get(url);
      expect(result.kept && base32(createHash('sha1').update(result.value.bytes).digest())).toBe(sha1);
    }
    expect(source.damaged).toBe(0);
  });

  const EXAMPLE = 'example.warc.gz';
  it.skipIf(!existsSync(shared(EXAMPLE)))(`${EXAMPLE}: 55 images, as their digests say`, async () => {
    const source = archive([file(EXAMPLE)]);
    const expected = digests(EXAMPLE).filter(({ isImage }) => isImage);
    expect(expected).toHaveLength(55);
    for (const { url, sha1 } of expected) {
      const result = await source.get(url);
      expect(result.kept && base32(createHash('sha1').update(result.value.bytes).digest())).toBe(sha1);
    }
  });

  const KIWIX = 'kiwix-with-redirects.warc.gz';
  it.skipIf(!existsSync(shared(KIWIX)))(`${KIWIX}: a redirect without its body`, async () => {
    expect(await archive([file(KIWIX)]).get('http://www.kiwix.org/')).toMatchObject({ kept: true });
  });

  const BAD = 'bad-redirections.warc.gz';
  it.skipIf(!existsSync(shared(BAD)))(`${BAD}: circles and places that are none`, async () => {
    const source = archive([file(BAD)]);
    const get = async (path: string) =>
      text(await source.get(`https://website.test.openzim.org/bad-redir-${path}`));
    expect(await get('loop-A')).toBe('redirects: in a circle');
    expect(await get('target-A')).toBe('redirects: to no URL');
    expect(await get('target-B')).toBe('redirects: to intent:');
  });

  const broken = ['clipped.warc.gz', 'example-trunc.warc', 'example-bad-length.warc'];
  it.skipIf(!existsSync(shared('clipped.warc.gz'))).each(broken)(
    '%s: damage, and no exception',
    async (name) => {
      const source = archive([file(name)]);
      expect(await source.get('http://example.com/')).toMatchObject({ kept: false, reason: 'not_archived' });
      expect(source.damaged).toBe(1);
    },
  );

  /** RFC 4648, 6; SHA-1 needs no padding. */
  function base32(bytes: Buffer): string {
    const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
    return (bits.match(/.{5}/g) ?? [])
      .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)])
      .join('');
  }
});
