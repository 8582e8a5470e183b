import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseWat, readWarc, type WatPage } from '../../src/formats/index.ts';
import { scanImages } from '../../src/formats/wat-scan.ts';
import { pageLicense } from '../../src/stages/license.ts';
import { collect, hasShared, inChunks, sharedPath } from './support.ts';

/** What of a page decides about its pairs. */
function essence(page: WatPage) {
  const images = page.links.filter(({ path }) => path === 'IMG@/src');
  // Nobody asks for the licence of a page without images.
  return { url: page.url, base: page.base, images, license: images.length > 0 ? pageLicense(page) : '?' };
}

/** The fast reader gives what the slow one (JSON.parse of the whole record) gives. */
function same(json: string | Buffer, decodeEntities = false): boolean {
  const payload = Buffer.from(json);
  const slow = parseWat(payload, { decodeEntities });
  const fast = parseWat(payload, { decodeEntities, imagesOnly: true });
  if (!slow.kept) throw new Error('the test wrote no legal JSON');
  expect(fast.kept && essence(fast.value)).toEqual(essence(slow.value));
  return scanImages(payload) !== undefined;
}

/** A JSON value whose objects may have a name twice. */
type Node =
  | string
  | number
  | boolean
  | null
  | readonly Node[]
  | { readonly members: readonly [string, Node][] };
const object = (...members: [string, Node][]): Node => ({ members });

interface Style {
  /** White space around tokens, escapes of characters: taken from these lists, in turn. */
  readonly spaces: readonly string[];
  readonly escapes: readonly boolean[];
}

function write(node: Node, { spaces, escapes }: Style): string {
  let turn = 0;
  const space = () => spaces[turn++ % spaces.length] ?? '';
  const string = (text: string): string =>
    `"${[...JSON.stringify(text).slice(1, -1)].join('').replace(/\\u[0-9a-f]{4}|\\.|[\s\S]/gu, (c) => {
      if (!escapes[turn++ % escapes.length]) return c;
      if (c === '/') return '\\/';
      return c.length === 1 ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c;
    })}"`;
  const value = (v: Node): string => {
    if (typeof v === 'string') return string(v);
    if (typeof v !== 'object' || v === null) return JSON.stringify(v);
    const items =
      'members' in v
        ? v.members.map(([name, member]) => `${string(name)}${space()}:${space()}${value(member)}`)
        : v.map(value);
    const text = items.map((item) => `${space()}${item}${space()}`).join(',');
    return 'members' in v ? `{${text}}` : `[${text}]`;
  };
  return value(node);
}

/** Strings that look like structure. */
const EVIL = [
  '}]',
  '}],"',
  '}]}',
  '}]}}}}}',
  '[{',
  ':[',
  '":[',
  ',[',
  '},{"path":"IMG@/src","url":"evil","alt":"evil"},{',
  '{"path":"IMG@/src"',
  'IMG@/src',
  '"path":"IMG@/src","alt":"',
  '\\',
  '\\"',
  'a\u0000\u001f\u007f\u0085',
  '\ud83d',
  '😀é\u2028',
  'https://creativecommons.org/licenses/by/4.0/',
  'http://CreativeCommons.org/licenses/by-sa/3.0/deed.de',
  'Tom &amp; Jerry &#46;',
  'http://creativecommons&#46;org/licenses/by/4.0/',
  '',
];
const text = fc.oneof(fc.constantFrom(...EVIL), fc.string({ unit: 'binary', maxLength: 12 }), fc.webUrl());
const NAMES = [
  'path',
  'url',
  'alt',
  'rel',
  'title',
  'Links',
  'Head',
  'Base',
  'HTML-Metadata',
  'Envelope',
  'x"',
  '}]',
];
const PATHS = ['IMG@/src', 'IMG@/src', 'A@/href', 'LINK@/href', 'IMG@/srcset', 'XIMG@/src', 'img@/src'];

const anything: fc.Arbitrary<Node> = fc.letrec<{ node: Node }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    text,
    fc.constantFrom<Node>(null, true, false, 0, -1.5e9),
    fc.array(tie('node'), { maxLength: 3 }),
    fc.array(fc.tuple(fc.constantFrom(...NAMES), tie('node')), { maxLength: 3 }).map((m) => object(...m)),
  ),
})).node;

const path = fc.constantFrom(...PATHS).map((p): [string, Node] => ['path', p]);
const member: fc.Arbitrary<[string, Node]> = fc.tuple(
  fc.constantFrom('url', 'alt', 'rel', 'title', 'x"', 'path'),
  text as fc.Arbitrary<Node>,
);
const plainLink = fc
  .tuple(path, fc.uniqueArray(member, { maxLength: 3, selector: ([name]) => name }), fc.nat())
  .map(([p, others, at]) => {
    const members = others.filter(([name]) => name !== 'path');
    members.splice(at % (members.length + 1), 0, p);
    return object(...members);
  });
const oddLink = fc
  .array(fc.oneof(path, member, fc.tuple(fc.constantFrom(...NAMES), anything)), { maxLength: 4 })
  .map((members) => object(...members));

/** A member under its own name, sometimes odd, sometimes twice, among others. */
const named = (name: string, value: fc.Arbitrary<Node>, odd: number) =>
  fc
    .tuple(
      value,
      fc.array(fc.tuple(fc.constantFrom(...NAMES, 'Entity-Length'), anything), { maxLength: 2 }),
      fc.nat(),
      fc.integer({ min: 0, max: odd }),
      anything,
    )
    .map(([v, others, at, oddity, other]) => {
      const members: [string, Node][] =
        odd === ODD ? [...others] : others.filter(([n]) => !NAMES.includes(n));
      members.splice(at % (members.length + 1), 0, [name, v]);
      if (odd === ODD && oddity === 0) members.push([name, other]);
      return members;
    });
const ODD = 8;
const NEVER = 0;

const record = (odd: number): fc.Arbitrary<Node> => {
  const nest = (name: string, members: fc.Arbitrary<[string, Node][]>) =>
    named(
      name,
      members.map((m) => object(...m)),
      odd,
    );
  const links = fc.array(
    odd === ODD ? fc.oneof({ weight: 5, arbitrary: plainLink }, oddLink, anything) : plainLink,
    {
      maxLength: 8,
    },
  );
  const head = nest(
    'Head',
    fc
      .tuple(named('Base', text as fc.Arbitrary<Node>, odd), fc.array(plainLink, { maxLength: 2 }))
      .map(([m, link]) => [...m, ['Link', link]]),
  );
  const html = nest(
    'HTML-Metadata',
    fc
      .tuple(head, named('Links', links, odd), fc.boolean())
      .map(([h, l, first]) => (first ? [...h, ...l] : [...l, ...h])),
  );
  const payload = nest('Payload-Metadata', nest('HTTP-Response-Metadata', html));
  const uri = nest('WARC-Header-Metadata', named('WARC-Target-URI', text as fc.Arbitrary<Node>, odd));
  return nest(
    'Envelope',
    fc.tuple(uri, payload).map(([u, p]) => [...u, ...p]),
  ).map((m) => object(...m));
};

const COMPACT: Style = { spaces: [''], escapes: [false] };
const style = fc.record({
  spaces: fc.array(fc.constantFrom('', '', '', ' ', '\n', '\t', '\r\n '), { minLength: 1, maxLength: 7 }),
  escapes: fc.array(fc.constantFrom(false, false, false, true), { minLength: 1, maxLength: 7 }),
});

describe('the reader that jumps from image to image gives what a JSON parser gives', () => {
  test('records as generators write them, with strings that look like structure', () => {
    let fast = 0;
    let all = 0;
    fc.assert(
      fc.property(record(NEVER), fc.boolean(), (node, decode) => {
        all++;
        if (same(write(node, COMPACT), decode)) fast++;
      }),
      { numRuns: 400 },
    );
    expect(fast / all).toBeGreaterThan(0.3); // That it is the fast reader which is compared.
  });

  test('names twice, nested objects with the same names, odd values', () => {
    fc.assert(
      fc.property(record(ODD), fc.boolean(), (node, decode) => void same(write(node, COMPACT), decode)),
      { numRuns: 400 },
    );
  });

  test('odd white space, escapes anywhere', () => {
    fc.assert(
      fc.property(record(ODD), style, (node, how) => void same(write(node, how))),
      { numRuns: 400 },
    );
  });

  const wrap = (links: string, after = '') =>
    `{"Envelope":{"Payload-Metadata":{"HTTP-Response-Metadata":{"HTML-Metadata":{"Links":${links}${after}}}}}}`;
  test.each([
    wrap('[]'),
    wrap('[{"path":"IMG@/src","url":"a"}]', ',"Links":[]'),
    wrap('[{"path":"IMG@/src","url":"a"}]', ',"Links":null'),
    wrap('[{"path":"IMG@/src","url":"a"}]', ',"\\u004cinks":[{"path":"IMG@/src","url":"b"}]'),
    wrap('[{"path":"A@/href","x":{"path":"IMG@/src","url":"a"}}]'),
    wrap('[{"path":"A@/href","x":[{"path":"A"},{"path":"IMG@/src","url":"a"}]}]'),
    wrap('[{"path":"A@/href"}],"Other":[{"path":"IMG@/src","url":"a"}]'),
    wrap('[{"path":"A@/href"} ],"Other":[{"path":"A"},{"path":"IMG@/src","url":"a"}]'),
    wrap('[{"path":"A@/href","path":"IMG@/src","url":"a"},{"path":"IMG@/src","path":"A@/href","url":"b"}]'),
    wrap('[{"p\\u0061th":"IMG@/src","url":"a"},{"path":"IMG@\\/src","url":"b"},{"path":"\\u0049MG@/src"}]'),
    wrap('[{"path":"IMG@/src","u\\u0072l":"a","url":"b","\\u0061lt":"c"}]'),
    wrap('[{"path":"A@/href","text":"}]}}}}}"},{"path":"IMG@/src","url":"a"}]'),
    wrap('[{"path":"A@/href","text":"}],"},{"path":"IMG@/src","url":":1,","alt":"}]}}}}}"}]'),
    wrap('[[{"path":"A"},{"path":"IMG@/src","url":"a"}]]'),
    wrap('[{"url":"{","x":"{","path":"IMG@/src","alt":null}]'),
    wrap('{"path":"IMG@/src","url":"a"}'),
    '{"Envelope":[{"Payload-Metadata":{}}],"Links":[{"path":"IMG@/src","url":"a"}]}',
    `\n ${wrap('[{"path":"IMG@/src","url":"a"}]')}\r\n`,
    `{"a":${'['.repeat(50)}${']'.repeat(50)}}`,
  ])('%s', (json) => {
    same(json);
  });

  test('bytes that are no UTF-8', () => {
    const json = Buffer.from(wrap('[{"path":"IMG@/src","url":"a\u00ff","alt":"\u00e9\u00e9 x"}]'), 'latin1');
    expect(same(json)).toBe(true);
  });

  test('a record that is cut anywhere is dropped', () => {
    const whole = Buffer.from(
      wrap('[{"path":"IMG@/src","url":"a","alt":"b ]} c"},{"path":"A@/href"}]', ',"Head":{}'),
    );
    for (let length = 0; length < whole.length; length++)
      expect(parseWat(whole.subarray(0, length), { imagesOnly: true })).toMatchObject({
        reason: 'record_json',
      });
  });
});

test.skipIf(!hasShared)(
  'all records of ../shared/data/wat go the fast way (skipped without it)',
  async () => {
    const files: Record<string, object> = JSON.parse(
      readFileSync(sharedPath('peers/extract/expected-counts.json'), 'utf8'),
    ).files;
    for (const name of Object.keys(files)) {
      const bytes = readFileSync(sharedPath(`data/wat/${name}`));
      const options = { path: name, fileKind: 'WAT', maxRecordBytes: 1 << 26 } as const;
      for (const entry of await collect(readWarc(inChunks(bytes, 1 << 20), options)))
        if (entry.kind === 'record' && entry.type === 'metadata')
          expect([name, entry.offset, same(Buffer.from(entry.payload))]).toEqual([name, entry.offset, true]);
    }
  },
);
