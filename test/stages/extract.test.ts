import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parquetInfo, readParquetRows } from '../../src/formats/index.ts';
import { balances, type DroppedRow, type Pair, pairUid } from '../../src/schema/index.ts';
import { type ExtractOptions, extract } from '../../src/stages/extract.ts';
import { canonicalLicense } from '../../src/stages/license.ts';
import { normalizeText } from '../../src/stages/link.ts';
import { bucketOf, DROPPED_COLUMNS, parseDropped, readPairs } from '../../src/stages/tables.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';
import { collect, inChunks } from '../formats/support.ts';

const EVERYTHING: ExtractOptions = {
  minTextChars: 1,
  maxTextChars: null,
  minTextWords: 1,
  languages: null,
  maxRecordBytes: 64 << 20,
};

let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-extract-'));
  storage = fileStorage(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const context = (signal = new AbortController().signal) => ({ storage, signal, progress: () => undefined });

interface Html {
  readonly Head?: object;
  readonly Links?: unknown;
}

const record = (payload: string, type = 'metadata') =>
  Buffer.from(
    `WARC/1.0\r\nWARC-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(payload)}\r\n\r\n${payload}\r\n\r\n`,
  );

const wat = (url: string, html: Html) =>
  record(
    JSON.stringify({
      Envelope: {
        'WARC-Header-Metadata': { 'WARC-Target-URI': url },
        'Payload-Metadata': { 'HTTP-Response-Metadata': { 'HTML-Metadata': html } },
      },
    }),
  );

const img = (url: unknown, alt?: unknown) => ({ path: 'IMG@/src', url, alt });

async function run(records: readonly Buffer[], options: Partial<ExtractOptions> = {}, buckets = 1) {
  const file = Buffer.concat(records.map((r) => gzipSync(r)));
  const task = { wat: '/some/where/CC-1.warc.wat.gz', index: 7, buckets };
  const result = await extract(task, { ...EVERYTHING, ...options }, () => inChunks(file, 1000), context());
  for (const ledger of Object.values(result.ledgers)) expect(balances(ledger)).toBe(true);
  return {
    result,
    pairs: await collect(readPairs(storage, 'pairs/00007.parquet')),
    trail: await readTrail('dropped/extract/00007.parquet'),
  };
}

async function readTrail(path: string): Promise<DroppedRow[]> {
  const source = await storage.open(path);
  try {
    return (await collect(readParquetRows(source, DROPPED_COLUMNS))).map(parseDropped);
  } finally {
    await source.close();
  }
}

const urls = (pairs: readonly Pair[]) => pairs.map((p) => p.url);

test('a pair has its page, its place in the WAT, its uid', async () => {
  const first = record('Software-Info: x', 'warcinfo');
  const { pairs, result } = await run([
    first,
    wat('http://a/b/page.html', { Links: [img('pic.png', 'A red apple on a table')] }),
  ]);
  expect(pairs).toEqual([
    {
      uid: pairUid('http://a/b/pic.png', 'A red apple on a table'),
      url: 'http://a/b/pic.png',
      text: 'A red apple on a table',
      pageUrl: 'http://a/b/page.html',
      wat: `CC-1.warc.wat.gz#${gzipSync(first).length}`,
      license: '?',
      language: 'en',
      languageConfidence: expect.closeTo(0.5, 0), // Which it is: extract-language.test.ts
    },
  ]);
  expect(result.files.map((f) => f.path)).toEqual(['pairs/00007.parquet', 'dropped/extract/00007.parquet']);
  expect(result.facts).toEqual({ rows: 1 });
});

describe('URLs', () => {
  // Resolved as browsers do: expected values are those of the URL standard's own examples and of its test suite.
  test.each([
    ['http://a/b/c.html', undefined, '../d.png', 'http://a/d.png'],
    ['http://a/b/c.html', undefined, '//cdn.example/d.png', 'http://cdn.example/d.png'],
    ['https://a/b/c.html', undefined, '//cdn.example/d.png', 'https://cdn.example/d.png'],
    ['http://a/b/c.html', undefined, '?q=1', 'http://a/b/c.html?q=1'],
    ['http://a/b/c.html', 'http://base/x/', 'd.png', 'http://base/x/d.png'],
    ['http://a/b/c.html', '/x/y/', 'd.png', 'http://a/x/y/d.png'],
    ['http://a/b/c.html', 'http://[', 'd.png', 'http://a/b/d.png'],
    ['http://a/b/c.html', 'data:text/plain,x', 'd.png', 'http://a/b/d.png'],
    ['http://a/', undefined, ' HTTP://EXAMPLE.com:80/my pic.png\n', 'http://example.com/my%20pic.png'],
    ['http://a/', undefined, 'http://bücher.example/ü.png#part', 'http://xn--bcher-kva.example/%C3%BC.png'],
    ['not a url', undefined, 'https://a/d.png', 'https://a/d.png'],
  ])('%s, base %s: %s', async (page, base, url, expected) => {
    const Head = base === undefined ? {} : { Base: base };
    expect(urls((await run([wat(page, { Head, Links: [img(url, 'text')] })])).pairs)).toEqual([expected]);
  });

  test('what has no URL, or another scheme, is in the trail', async () => {
    const data = `data:image/png;base64,${'A'.repeat(5000)}`;
    const links = [
      img('', 'empty'),
      img('http://[', 'bad'),
      img(undefined, 'none'),
      img(5, 'no string'),
      img(data, 'inline'),
      img('ftp://a/b', 'ftp'),
      img('JavaScript:x', 'js'),
    ];
    const { trail, pairs, result } = await run([
      wat('http://a/', { Links: links }),
      wat('nowhere', { Links: [img('x.png', 'relative')] }),
    ]);
    expect(pairs).toEqual([]);
    expect(trail.map((r) => [r.text, r.reason, r.detail])).toEqual([
      ['empty', 'no_url', 'empty'],
      ['bad', 'no_url', 'illegal'],
      ['none', 'no_url', 'empty'],
      ['no string', 'no_url', 'empty'],
      ['inline', 'url_scheme', 'data'],
      ['ftp', 'url_scheme', 'ftp'],
      ['js', 'url_scheme', 'javascript'],
      ['relative', 'no_url', 'relative, and no page URL'],
    ]);
    expect(trail[4]?.url.length).toBe(2048);
    expect(result.ledgers).toMatchObject({
      link: { in: 8, out: 0, dropped: { no_url: 5, url_scheme: 3 } },
      pair: { in: 0 },
    });
  });
});

describe('texts', () => {
  test('white space folded, NFC, control characters and lone surrogates gone', () => {
    expect(normalizeText('  a\r\n\tb\u00a0\u3000c\u0000d ')).toBe('a b c d');
    expect(normalizeText('Cafe\u0301')).toBe('Caf\u00e9');
    expect(normalizeText('x\ud83dy')).toBe('x\ufffdy');
    expect(normalizeText('\u200b')).toBe('\u200b');
    // Mojibake, from a page in ../shared/data/wat: CLIP's text cleaning mends it, if all of it is there.
    expect(normalizeText('460\u00c3\u0097155')).toBe('460\u00c3\u0097155');
  });

  test('no text is counted, not listed', async () => {
    const links = [
      img('a'),
      img('b', ''),
      img('c', ' \n\t'),
      img('d', null),
      img('e', 5),
      img('f', 'text'),
      { path: 'A@/href', url: 'g', alt: 'h' },
    ];
    const { result, trail } = await run([wat('http://a/', { Links: links })]);
    expect(trail).toEqual([]);
    expect(result.ledgers).toMatchObject({ link: { in: 6, out: 1, dropped: { no_text: 5 } } });
  });

  test('length in code points, words, language, each with its detail', async () => {
    const links = [
      '🍎🍎🍎🍎',
      'apple',
      'The red apple',
      'Ein roter Apfel auf dem Tisch',
      'An apple and another one on the table',
    ].map((t, i) => img(String(i), t));
    const options = { minTextChars: 5, maxTextChars: 30, minTextWords: 2, languages: ['en'] };
    const { pairs, trail, result } = await run([wat('http://a/', { Links: links })], options);
    expect(pairs.map((p) => p.text)).toEqual(['The red apple']);
    expect(trail.map((r) => [r.reason, r.detail])).toEqual([
      ['text_short', '4 characters'],
      ['text_short', '1 words'],
      ['language', 'de'],
      ['text_long', '37 characters'],
    ]);
    expect(result.ledgers).toMatchObject({
      pair: { in: 5, out: 1, dropped: { text_short: 2, text_long: 1, language: 1 } },
    });
  });

  test('character references of old WATs are decoded, in URLs too; those of newer ones are not', async () => {
    const page = wat('http://a/?x&amp;y', { Links: [img('p?a=1&amp;b=2', 'Tom &amp; Jerry&#8217;s')] });
    const info = (stamp: string) =>
      record(`Software-Info: ia-web-commons.1.0-SNAPSHOT-${stamp}\r\n`, 'warcinfo');
    const old = (await run([info('20150415075912'), page])).pairs;
    const recent = (await run([info('20240513074037'), page])).pairs;
    expect(old.map((p) => [p.url, p.text, p.pageUrl])).toEqual([
      ['http://a/p?a=1&b=2', 'Tom & Jerry’s', 'http://a/?x&amp;y'],
    ]);
    expect(recent.map((p) => [p.url, p.text])).toEqual([
      ['http://a/p?a=1&amp;b=2', 'Tom &amp; Jerry&#8217;s'],
    ]);
  });
});

describe('licences', () => {
  test.each([
    ['https://creativecommons.org/licenses/by-sa/4.0', 'https://creativecommons.org/licenses/by-sa/4.0/'],
    [
      'http://www.creativecommons.org/licenses/by-sa/3.0/deed.en_US',
      'https://creativecommons.org/licenses/by-sa/3.0/',
    ],
    [
      '//creativecommons.org/licenses/BY-NC/2.0/de/legalcode',
      'https://creativecommons.org/licenses/by-nc/2.0/de/',
    ],
    [
      'https://creativecommons.org/publicdomain/zero/1.0/',
      'https://creativecommons.org/publicdomain/zero/1.0/',
    ],
    [
      'http://creativecommons.org/licenses/publicdomain/',
      'https://creativecommons.org/licenses/publicdomain/',
    ],
    ['https://creativecommons.org/licenses/by/4.0/?ref=x', 'https://creativecommons.org/licenses/by/4.0/'],
    ['https://creativecommons.org/licenses/?lang=ar/', undefined],
    ['https://creativecommons.org/about/licenses/', undefined],
    ['https://i.creativecommons.org/l/by/4.0/88x31.png', undefined],
    ['https://evil.example/creativecommons.org/licenses/by/4.0/', undefined],
    ['https://creativecommons.org.evil.example/licenses/by/4.0/', undefined],
  ])('%s', (url, license) => expect(canonicalLicense(url)).toBe(license));

  const a = (url: string, rel?: string) => ({ path: 'A@/href', url, rel });
  const by = 'https://creativecommons.org/licenses/by/4.0/';
  const sa = 'https://creativecommons.org/licenses/by-sa/4.0/';
  test.each([
    ['below the images', { Links: [img('x', 't'), a(by)] }, by],
    [
      'what is marked before what is linked',
      { Links: [a(by), img('x', 't'), a(sa, 'nofollow License')] },
      sa,
    ],
    [
      'a link element',
      { Head: { Link: [{ path: 'LINK@/href', url: sa, rel: 'license' }] }, Links: [a(by), img('x', 't')] },
      sa,
    ],
    [
      'a meta element',
      { Head: { Metas: [{ name: 'DC.rights', content: `see ${sa} .` }] }, Links: [a(by), img('x', 't')] },
      sa,
    ],
    ['the first of several', { Links: [a(by), a(sa), img('x', 't')] }, by],
    ['an image is no licence', { Links: [img(by, 't')] }, '?'],
    ['none', { Links: [img('x', 't')] }, '?'],
  ])('%s', async (_, html, license) => {
    expect((await run([wat('http://a/', html)])).pairs.map((p) => p.license)).toEqual([license]);
  });
});

test('bad records are dropped, one by one', async () => {
  const good = wat('http://a/', { Links: [img('x', 'text')] });
  const broken = gzipSync(good);
  broken[30] = (broken[30] ?? 0) ^ 0xff;
  const parts = [
    gzipSync(good),
    broken,
    gzipSync(record('{"no json')),
    gzipSync(record(`{"a":"${'x'.repeat(9000)}"}`)),
    gzipSync(record('[]')),
    gzipSync(good),
  ];
  const file = Buffer.concat(parts);
  const task = { wat: 'file:///x/y.wat.gz?z', index: 0, buckets: 1 };
  const { ledgers } = await extract(
    task,
    { ...EVERYTHING, maxRecordBytes: 8000 },
    () => inChunks(file, 777),
    context(),
  );
  expect(ledgers.record).toEqual({
    in: 6,
    out: 2,
    dropped: { record_corrupt: 1, record_json: 2, record_too_large: 1 },
  });
  expect((await collect(readPairs(storage, 'pairs/00000.parquet'))).map((p) => p.wat)).toEqual([
    'y.wat.gz#0',
    `y.wat.gz#${file.length - (parts[5]?.length ?? 0)}`,
  ]);
});

test('a file that is no WAT, or a run that is stopped, leaves nothing', async () => {
  const task = { wat: 'x.png', index: 0, buckets: 1 };
  const png = () => inChunks(Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1'));
  await expect(extract(task, EVERYTHING, png, context())).rejects.toThrow(
    'x.png: is not a WAT file (it begins with a PNG image)',
  );
  const good = () => inChunks(wat('http://a/', { Links: [img('x', 'text')] }));
  await expect(extract(task, EVERYTHING, good, context(AbortSignal.abort()))).rejects.toThrow();
  expect(await storage.list('.')).toEqual([]);
});

test('row groups are hash buckets, in order, and metadata says which', async () => {
  const links = Array.from({ length: 40 }, (_, i) => img(`${i}.png`, `text ${i}`));
  const { pairs } = await run([wat('http://a/', { Links: links })], {}, 64);
  const source = await storage.open('pairs/00007.parquet');
  const info = await parquetInfo(source);
  await source.close();
  const buckets = JSON.parse(info.kvMetadata.get('gleaner.buckets') ?? '') as number[];
  expect(info.kvMetadata.get('gleaner.bucket_count')).toBe('64');
  expect(buckets).toEqual([...new Set(buckets)].sort((x, y) => x - y));
  // Of 64 buckets, 6 bits of the uid: its first two digits without their last two bits.
  const held = info.rowGroups.flatMap((g, i) => Array<number>(g.rows).fill(buckets[i] ?? -1));
  expect(pairs.map((p) => Number.parseInt(p.uid.slice(0, 2), 16) >> 2)).toEqual(held);
  expect([
    bucketOf('00000000', 3),
    bucketOf('55555555', 3),
    bucketOf('55555556', 3),
    bucketOf('ffffffff', 3),
  ]).toEqual([0, 0, 1, 2]);
});

test('mojibake is mended only where the recipe says so', async () => {
  const links = [img('a.png', 'Das CafÃ© â€œZur Postâ€\u009d')];
  const records = [wat('http://a/', { Links: links })];
  expect((await run(records)).pairs.map(({ text }) => text)).toEqual(['Das CafÃ© â€œZur Postâ€\u009d']);
  expect((await run(records, { repairMojibake: true })).pairs.map(({ text }) => text)).toEqual([
    'Das Café “Zur Post”',
  ]);
});

test('where no language is to be told, none is, and none can be asked for', async () => {
  const records = [wat('http://a/', { Links: [img('a.png', 'a drawing of a red apple')] })];
  expect((await run(records)).pairs.map(({ language }) => language)).toEqual(['en']);
  expect((await run(records, { detectLanguage: false })).pairs.map(({ language }) => language)).toEqual([
    'und',
  ]);
});
