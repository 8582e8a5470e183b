import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  carriesEntities,
  parseWat,
  readWarc,
  type WarcRecord,
  type WatPage,
  warcRecord,
} from '../../src/formats/index.ts';
import { collect, hasShared, inChunks, sharedPath } from './support.ts';

function page(value: unknown, decodeEntities = false): WatPage {
  const outcome = parseWat(Buffer.from(JSON.stringify(value)), { decodeEntities });
  if (!outcome.kept) throw new Error(outcome.reason);
  return outcome.value;
}

const envelope = (
  html: unknown,
  header: object = { 'WARC-Header-Metadata': { 'WARC-Target-URI': 'http://a/p' } },
) => ({
  Container: {},
  Envelope: { ...header, 'Payload-Metadata': { 'HTTP-Response-Metadata': { 'HTML-Metadata': html } } },
});

test('page, base, links and metas', () => {
  const found = page(
    envelope({
      Head: {
        Base: '../x/',
        Metas: [
          { name: 'Rights', content: 'CC' },
          { property: 'og:title', content: 't' },
          { 'http-equiv': 'x', content: 'y' },
        ],
        Link: [{ path: 'LINK@/href', url: 'style.css', rel: 'stylesheet' }],
      },
      Links: [
        { path: 'IMG@/src', url: 'a.png', alt: ' An apple ' },
        { path: 'A@/href', url: '/b', rel: 'license' },
      ],
    }),
  );
  expect(found).toEqual({
    url: 'http://a/p',
    base: '../x/',
    links: [
      { path: 'IMG@/src', url: 'a.png', alt: ' An apple ', rel: undefined },
      { path: 'A@/href', url: '/b', alt: undefined, rel: 'license' },
    ],
    headLinks: [{ path: 'LINK@/href', url: 'style.css', alt: undefined, rel: 'stylesheet' }],
    metas: [
      { name: 'rights', content: 'CC' },
      { name: 'og:title', content: 't' },
    ],
    mayNameLicense: true,
  });
});

test('records made from ARC files', () => {
  expect(page(envelope({}, { 'ARC-Header-Metadata': { 'Target-URI': 'http://arc/' } })).url).toBe(
    'http://arc/',
  );
});

test('odd shapes cost that link or that field', () => {
  const none = { links: [], headLinks: [], metas: [], base: undefined };
  for (const html of [
    null,
    7,
    [],
    { Links: null },
    { Links: { path: 'IMG@/src' } },
    { Head: 'x' },
    { Head: { Base: 5, Metas: {} } },
  ])
    expect(page(envelope(html))).toMatchObject(none);
  expect(page({})).toMatchObject({ url: '', ...none });
  const odd = [
    null,
    5,
    'x',
    {},
    { path: 3 },
    { path: 'IMG@/src', url: 1, alt: null },
    { path: 'IMG@/src', url: 'u', alt: 9 },
  ];
  expect(page(envelope({ Links: odd })).links).toEqual([
    { path: 'IMG@/src', url: undefined, alt: undefined, rel: undefined },
    { path: 'IMG@/src', url: 'u', alt: undefined, rel: undefined },
  ]);
  expect(page({ __proto__: null, Envelope: { constructor: 1 } }).url).toBe('');
});

test('what is no JSON object is dropped', () => {
  for (const bad of ['', '{', '[]', 'null', '"x"', '{"a":1}}'])
    expect(parseWat(Buffer.from(bad))).toMatchObject({ kept: false, reason: 'record_json' });
});

test('no JSON value makes it throw', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => void page(envelope(value))));
});

describe('character references', () => {
  // Decoded as html.unescape of Python 3.11 does.
  test.each([
    ['Tom &amp; Jerry', 'Tom & Jerry'],
    ['II&#8217; &#x27;x&#X27;', "II’ 'x'"],
    [
      '&quot;Caf&eacute;&nbsp;&Uuml;ber&quot; &hellip; &euro; &alpha;&Omega;&yuml;&sigmaf;',
      '"Café\u00a0Über" … € αΩÿς',
    ],
    ['&#146;&#150;', '’–'],
    ['&#0;&#xD800;&#x110000;', '\ufffd\ufffd\ufffd'],
    ['&amp;lt;', '&lt;'],
    ['a=1&copy=2 &unknown; &; & AT&T', 'a=1&copy=2 &unknown; &; & AT&T'],
  ])('%s', (raw, decoded) => {
    const html = { Head: { Base: raw }, Links: [{ path: 'IMG@/src', url: raw, alt: raw }] };
    expect(page(envelope(html), true)).toMatchObject({
      base: decoded,
      links: [{ url: decoded, alt: decoded }],
    });
    expect(page(envelope(html))).toMatchObject({ base: raw, links: [{ url: raw, alt: raw }] });
  });

  test.each([
    ['ia-web-commons.1.0-SNAPSHOT-20150415075912', true],
    ['ia-web-commons.1.1.9-SNAPSHOT-20190630000000', true],
    ['ia-web-commons.1.1.9-SNAPSHOT-20190901000000', false],
    ['ia-web-commons.1.1.10-SNAPSHOT-20240513074037', false],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: so it stands in real files
    ['ia-web-commons.${pom.version}-${build.time}', false],
    ['another tool', false],
  ])('are in the WATs of %s: %s', async (software, carries) => {
    const file = warcRecord({
      headers: { 'WARC-Type': 'warcinfo' },
      payload: `Software-Info: ${software}\r\nExtracted-Date: Thu\r\n`,
    });
    const [record] = await collect(
      readWarc(inChunks(file), { path: 'x', fileKind: 'WAT', maxRecordBytes: 9999 }),
    );
    expect(carriesEntities(record as WarcRecord)).toBe(carries);
  });
});

describe.skipIf(!hasShared)('image links of every file in ../shared/data/wat (skipped without it)', () => {
  type Expected = { readonly img_links: number; readonly img_with_alt: number; readonly unique_raw: number };
  const files: Record<string, Expected> = hasShared
    ? JSON.parse(readFileSync(sharedPath('peers/extract/expected-counts.json'), 'utf8')).files
    : {};
  test.each(Object.entries(files))('%s', async (name, expected) => {
    const bytes = readFileSync(sharedPath(`data/wat/${name}`));
    let links = 0;
    let alts = 0;
    const unique = new Set<string>();
    for await (const record of readWarc(inChunks(bytes, 1 << 20), {
      path: name,
      fileKind: 'WAT',
      maxRecordBytes: 1 << 26,
    })) {
      if (record.kind !== 'record' || record.type !== 'metadata') continue;
      const parsed = parseWat(record.payload);
      if (!parsed.kept) throw new Error(parsed.detail);
      for (const { path, url, alt } of parsed.value.links) {
        if (path !== 'IMG@/src' || url === undefined) continue;
        links++;
        if (alt) {
          alts++;
          unique.add(`${url}\0${alt}`);
        }
      }
    }
    expect([links, alts, unique.size]).toEqual([
      expected.img_links,
      expected.img_with_alt,
      expected.unique_raw,
    ]);
  });
});
