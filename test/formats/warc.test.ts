import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  gzipMember,
  readWarc,
  readWarcBatches,
  targetUri,
  type WarcDamage,
  type WarcRecord,
  warcRecord,
} from '../../src/formats/index.ts';
import { collect, hasShared, inChunks, sharedPath, text } from './support.ts';

const OPTIONS = { path: 'x.warc', fileKind: 'WARC', maxRecordBytes: 1 << 20 } as const;

async function read(bytes: Uint8Array, sizes: number[] = [], options: Partial<typeof OPTIONS> | object = {}) {
  const entries = await collect(readWarc(inChunks(bytes, ...sizes), { ...OPTIONS, ...options }));
  return {
    records: entries.filter((e): e is WarcRecord => e.kind === 'record'),
    damage: entries.filter((e): e is WarcDamage => e.kind === 'damage'),
  };
}

/** Written by hand, not by our writer. */
function plain(name: string, payload: string, eol = '\r\n'): string {
  const length = Buffer.byteLength(payload);
  const lines = [
    'WARC/1.0',
    'WARC-Type: metadata',
    `WARC-Target-URI: ${name}`,
    `Content-Length: ${length}`,
    '',
    '',
  ];
  return `${lines.join(eol)}${payload}${eol}${eol}`;
}

const A = plain('a', 'first');
const B = plain('b', 'second\r\n\r\nWARC/1.0 is in the text');
const C = plain('c', '');
const names = (records: readonly WarcRecord[]) => records.map(targetUri);
const bytes = (...parts: (string | Uint8Array)[]) =>
  Buffer.concat(parts.map((p) => (typeof p === 'string' ? Buffer.from(p) : p)));

describe('layouts', () => {
  test('plain, CRLF: offsets are those of the records', async () => {
    const { records, damage } = await read(bytes(A, B, C));
    expect(damage).toEqual([]);
    expect(records.map((r) => [targetUri(r), r.type, r.offset, text(r.payload)])).toEqual([
      ['a', 'metadata', 0, 'first'],
      ['b', 'metadata', A.length, 'second\r\n\r\nWARC/1.0 is in the text'],
      ['c', 'metadata', A.length + B.length, ''],
    ]);
  });

  test('plain, bare LF', async () => {
    const { records, damage } = await read(bytes(plain('a', 'x\ny', '\n'), plain('b', 'z', '\n')));
    expect([damage, names(records), text(records[0]?.payload ?? bytes())]).toEqual([[], ['a', 'b'], 'x\ny']);
  });

  test('gzip by member: offsets are those of the members', async () => {
    const members = [A, B, C].map((r) => gzipSync(r));
    const { records } = await read(bytes(...members));
    expect(records.map((r) => [r.offset, r.skip])).toEqual([
      [0, 0],
      [members[0]?.length, 0],
      [(members[0]?.length ?? 0) + (members[1]?.length ?? 0), 0],
    ]);
  });

  test('gzip as one stream: offset of the member, and how much of it comes before', async () => {
    const { records, damage } = await read(gzipSync(A + B + C));
    expect(damage).toEqual([]);
    expect(records.map((r) => [targetUri(r), r.offset, r.skip])).toEqual([
      ['a', 0, 0],
      ['b', 0, A.length],
      ['c', 0, A.length + B.length],
    ]);
  });

  test('a record can go over several members, with zeros between them', async () => {
    const whole = A + B + C;
    const first = gzipSync(whole.slice(0, A.length + 60));
    const { records, damage } = await read(
      bytes(first, Buffer.alloc(7), gzipSync(whole.slice(A.length + 60))),
    );
    expect([names(records), damage]).toEqual([['a', 'b', 'c'], []]);
    expect(text(records[1]?.payload ?? bytes())).toBe('second\r\n\r\nWARC/1.0 is in the text');
    expect(records[2]?.offset).toBe(first.length + 7);
  });

  test('members of more than 1 MB compressed and 16 MB decompressed', async () => {
    const noise = randomBytes(3 << 20);
    const zeros = Buffer.alloc(20 << 20);
    const record = (name: string, payload: Buffer) =>
      bytes(
        `WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: ${name}\r\nContent-Length: ${payload.length}\r\n\r\n`,
        payload,
        '\r\n\r\n',
      );
    const file = bytes(
      gzipSync(A),
      gzipSync(record('noise', noise)),
      gzipSync(record('zeros', zeros)),
      gzipSync(C),
    );
    const { records, damage } = await read(file, [70_000], { maxRecordBytes: 32 << 20 });
    expect([names(records), damage]).toEqual([['a', 'noise', 'zeros', 'c'], []]);
    expect(noise.equals(records[1]?.payload ?? bytes())).toBe(true);
    expect(records[2]?.payload.length).toBe(zeros.length);
    const again = await read(file.subarray(records[3]?.offset), [], { start: records[3]?.offset });
    expect(again.records[0]?.offset).toBe(records[3]?.offset);
  });

  test('folded and repeated fields, names in any case, wget URIs in angle brackets', async () => {
    const file =
      'WARC/1.1\r\nwarc-TYPE: Response\r\nX-Long: one\r\n  two\r\nX-Long: three\r\nWARC-Target-URI: <http://a/>\r\nCONTENT-LENGTH:  2\r\n\r\nab\r\n\r\n';
    const [record] = (await read(bytes(file))).records;
    expect([record?.type, record?.headers.get('x-long'), record && targetUri(record)]).toEqual([
      'response',
      'one two',
      'http://a/',
    ]);
  });

  test('any cutting into records, members and chunks gives the same records', async () => {
    const payload = fc
      .uint8Array({ maxLength: 300 })
      .map((b) => Buffer.from(b).toString('latin1').replaceAll('WARC', 'warc'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(payload, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(400), { minLength: 1, maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('plain', 'members', 'pieces'),
        async (payloads, cuts, chunks, layout) => {
          const parts = payloads.map((p, i) => Buffer.from(plain(String(i), p)));
          let file = bytes(...parts);
          if (layout === 'members') file = bytes(...parts.map((p) => gzipSync(p)));
          if (layout === 'pieces') {
            const whole = file;
            const edges = [
              0,
              ...cuts.map((c) => Math.min(c, whole.length)).sort((a, b) => a - b),
              whole.length,
            ];
            file = bytes(...edges.slice(1).map((to, i) => gzipSync(whole.subarray(edges[i], to))));
          }
          const { records, damage } = await read(file, chunks);
          expect(damage).toEqual([]);
          expect(records.map((r) => text(r.payload))).toEqual(payloads.map((p) => text(Buffer.from(p))));
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('damage costs the record, not the file', () => {
  const members = [A, B, C, plain('d', 'last')].map((r) => gzipSync(r));

  test.each(['data', 'checksum', 'length'])('a flipped byte in the %s of a member', async (where) => {
    const broken = members.map((m) => Buffer.from(m));
    const second = broken[1] ?? Buffer.alloc(0);
    const at = where === 'data' ? 25 : where === 'checksum' ? second.length - 8 : second.length - 2;
    second[at] = (second[at] ?? 0) ^ 0xff;
    for (const chunk of [1, 50, 100_000]) {
      const { records, damage } = await read(bytes(...broken), [chunk]);
      expect(names(records)).toEqual(['a', 'c', 'd']);
      expect(damage).toMatchObject([{ offset: broken[0]?.length, reason: 'record_corrupt' }]);
    }
  });

  test('the first member is damaged: the file is still one', async () => {
    const broken = Buffer.from(members[0] ?? []);
    broken[20] = (broken[20] ?? 0) ^ 0xff;
    const { records, damage } = await read(bytes(broken, ...members.slice(1)));
    expect([names(records), damage.length]).toEqual([['b', 'c', 'd'], 1]);
  });

  test('garbage between members, and a file that is cut off', async () => {
    const noise = Buffer.from('\x1f\x8b\x08\x00 this only looks like gzip');
    const garbage = await read(bytes(...members.slice(0, 2), noise, ...members.slice(2)));
    expect([names(garbage.records), garbage.damage.length]).toEqual([['a', 'b', 'c', 'd'], 1]);
    const cut = await read(bytes(...members).subarray(0, -9));
    expect([names(cut.records), cut.damage.length]).toEqual([['a', 'b', 'c'], 1]);
  });

  test('a single stream that is cut off gives what is whole', async () => {
    const { records, damage } = await read(
      gzipSync(A + B + C + plain('d', randomBytes(999).toString('hex'))).subarray(0, -300),
    );
    expect([names(records), damage.length]).toEqual([['a', 'b', 'c'], 1]);
  });

  test('a large member that breaks off: what came before it and after it is there', async () => {
    const big = gzipSync(plain('big', randomBytes(1_500_000).toString('base64')));
    big.fill(0xff, 1_200_000, 1_200_100);
    const { records, damage } = await read(bytes(members[0] ?? '', big, ...members.slice(1)), [65_536], {
      maxRecordBytes: 4 << 20,
    });
    expect(names(records)).toEqual(['a', 'b', 'c', 'd']);
    expect(damage).toMatchObject([{ offset: members[0]?.length, reason: 'record_corrupt' }]);
  });

  test.each([
    ['too long', (n: number) => n + 40],
    ['far too long', (n: number) => n + 4000],
    ['too short', (n: number) => n - 2],
  ])('a length that is %s', async (_, change) => {
    const wrong = B.replace(/Content-Length: (\d+)/, (_m, n) => `Content-Length: ${change(Number(n))}`)
      .replace('WARC/', 'warc/')
      .replace('warc/1.0\r\n', 'WARC/1.0\r\n');
    for (const file of [bytes(A, wrong, C), bytes(...[A, wrong, C].map((r) => gzipSync(r)))]) {
      const { records, damage } = await read(file, [64]);
      expect([names(records), damage.length]).toEqual([['a', 'c'], 1]);
    }
  });

  test.each([
    ['no length', A.replace(/Content-Length.*\r\n/, '')],
    ['a length that is none', A.replace(/Content-Length: \d+/, 'Content-Length: -5')],
    ['no version', A.replace('WARC/1.0', 'WARC/x')],
    ['a line without a colon', A.replace('WARC-Type:', 'WARC-Type')],
    ['no end', `WARC/1.0\r\nX: ${'y'.repeat(70_000)}`],
  ])('a header with %s', async (_, header) => {
    const { records, damage } = await read(bytes(B, header, '\r\n', C), [1000]);
    expect(names(records)).toEqual(['b', 'c']);
    expect(damage).toMatchObject([{ offset: B.length, reason: 'record_corrupt' }]);
  });

  test('any one flipped byte costs one record at most, and is reported', async () => {
    const file = bytes(...members);
    for (let at = 3; at < file.length; at++)
      for (const mask of [0x01, 0x10, 0xff]) {
        const broken = Buffer.from(file);
        broken[at] = (broken[at] ?? 0) ^ mask;
        const { records, damage } = await read(broken, [300]);
        const lost = 4 - records.length;
        // Time, operating system and such in a member's header say nothing that could be wrong.
        expect([at, mask, lost === damage.length, lost <= 1]).toEqual([at, mask, true, true]);
      }
  });

  test('no bytes do anything but give entries or NOT_WARC', async () => {
    const file = bytes(A, B, C, plain('d', 'last'));
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.uint8Array({ minLength: 1, maxLength: 20 })), {
          maxLength: 4,
        }),
        fc.boolean(),
        fc.integer({ min: 1, max: 100 }),
        async (edits, zipped, chunk) => {
          const broken = Buffer.from(file);
          for (const [at, patch] of edits) broken.set(patch.subarray(0, broken.length - at), at);
          const entries = read(zipped ? gzipSync(broken) : broken, [chunk], { maxRecordBytes: 1000 });
          await entries.then(
            ({ records, damage }) => expect(records.length + damage.length).toBeGreaterThan(0),
            (error: unknown) => expect(error).toMatchObject({ code: 'NOT_WARC' }),
          );
        },
      ),
    );
  });

  test('a record above the limit is passed over', async () => {
    const large = plain('large', 'x'.repeat(1001));
    for (const pack of [(s: string) => Buffer.from(s), (s: string) => gzipSync(s)]) {
      const { records, damage } = await read(bytes(pack(A), pack(large), pack(C)), [77], {
        maxRecordBytes: 1000,
      });
      expect(names(records)).toEqual(['a', 'c']);
      expect(damage).toMatchObject([
        { reason: 'record_too_large', detail: '1001 bytes', offset: pack(A).length },
      ]);
    }
  });
});

describe('what is no WARC', () => {
  test.each([
    ['a PNG image', Buffer.from('\x89PNG\r\n\x1a\n0000', 'latin1')],
    ['a JPEG image', Buffer.from('\xff\xd8\xff\xe0', 'latin1')],
    ['an HTML page', Buffer.from('<!doctype html><p>')],
    ['nothing', Buffer.alloc(0)],
    ['gzip of JSON', gzipSync('{"Envelope": {}}')],
    ['the text "hello', Buffer.from('hello, world, hello')],
    ['an ARC file', Buffer.from('filedesc://x.arc 0.0.0.0 20080430 text/plain 5\n')],
  ])('%s', async (found, file) => {
    await expect(read(file, [5])).rejects.toMatchObject({
      code: 'NOT_WARC',
      message: expect.stringContaining(`x.warc: is not a WARC file (it begins with ${found}`),
    });
  });
});

describe('writing', () => {
  test('a record as the specification has it, in a member without time or name', () => {
    const record = warcRecord({
      headers: { 'WARC-Type': 'metadata', 'WARC-Target-URI': 'a' },
      payload: 'first',
    });
    expect(text(record)).toBe(A);
    const member = gzipMember(record);
    expect([...member.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, member[8], 0xff]);
    expect(() => warcRecord({ headers: { X: 'a\r\nY: b' }, payload: '' })).toThrow(RangeError);
  });

  test('what is written is read', async () => {
    const payload = randomBytes(1000);
    const record = warcRecord({
      headers: { 'WARC-Type': 'response', 'WARC-Target-URI': 'http://ä/' },
      payload,
      version: '1.1',
    });
    const { records } = await read(bytes(gzipMember(record), gzipMember(record)));
    expect(records.map((r) => [targetUri(r), payload.equals(r.payload)])).toEqual([
      ['http://ä/', true],
      ['http://ä/', true],
    ]);
  });
});

interface Expected {
  readonly records: number;
  readonly metadata_records: number;
}

describe.skipIf(!hasShared)('real files (skipped without ../shared/data)', () => {
  const expected: Record<string, Expected> = hasShared
    ? JSON.parse(readFileSync(sharedPath('peers/extract/expected-counts.json'), 'utf8')).files
    : {};
  test.each(Object.entries(expected))('%s', async (name, { records: all, metadata_records }) => {
    const { records, damage } = await read(readFileSync(sharedPath(`data/wat/${name}`)), [65_536], {
      maxRecordBytes: 64 << 20,
    });
    expect(damage).toEqual([]);
    expect(records.length).toBe(all);
    expect(records.filter((r) => r.type === 'metadata').length).toBe(metadata_records);
  });

  // Counted with warcio 1.8 (Python).
  test.each([
    ['bad-redirections.warc.gz', { warcinfo: 2, response: 42, request: 42, resource: 5 }, 0],
    ['clueweb-quirk.warc.gz', { warcinfo: 1, response: 29 }, 0],
    [
      'example-wget-bad-target-uri.warc.gz',
      { warcinfo: 1, request: 1, response: 1, metadata: 1, resource: 2 },
      0,
    ],
    ['example.warc.gz', { warcinfo: 1, response: 299, request: 261, metadata: 261 }, 0],
    ['http-return-codes.warc.gz', { warcinfo: 1, response: 31, request: 31, resource: 35 }, 0],
    ['kiwix-with-redirects.warc.gz', { response: 51, request: 51, resource: 3 }, 0],
    ['single-page-test.warc', { warcinfo: 2, response: 52, request: 53, revisit: 1 }, 0],
    // Broken on purpose; the response whose length is wrong, or that is cut off, is the one that is lost.
    ['clipped.warc.gz', {}, 1],
    ['example-bad-length.warc', { warcinfo: 2, request: 2, revisit: 1 }, 1],
    ['example-trunc.warc', { warcinfo: 2, request: 1 }, 1],
  ])('%s', async (name, counts, damaged) => {
    const { records, damage } = await read(readFileSync(sharedPath(`data/warc/${name}`)), [65_536], {
      maxRecordBytes: 64 << 20,
    });
    const found: Record<string, number> = {};
    for (const { type } of records) found[type] = (found[type] ?? 0) + 1;
    expect(found).toEqual(counts);
    expect(damage.length).toBe(damaged);
  });
});

describe('passing: memory is used again', () => {
  const records = Array.from({ length: 60 }, (_, i) =>
    plain(`http://host/${i}`, `${i} `.repeat(1 + ((i * 7919) % 9000)), i % 9 === 0 ? '\n' : '\r\n'),
  );
  // One member a record, then one of three records, then a record in two members: its beginning has to be kept.
  const split = Buffer.from(plain('http://split/', 'x'.repeat(600_000)));
  const gzip = Buffer.concat([
    ...records.map((record) => gzipSync(record)),
    gzipSync(records.slice(0, 3).join('')),
    gzipSync(split.subarray(0, 300_000)),
    gzipSync(split.subarray(300_000)),
    ...records.slice(0, 20).map((record) => gzipSync(record)),
  ]);
  const whole = Buffer.from(records.join(''));

  /** Chunks in one buffer, as a file is read. */
  async function* inOneBuffer(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
    const buffer = new Uint8Array(size);
    for (let at = 0; at < bytes.length; at += size) {
      const chunk = bytes.subarray(at, at + size);
      buffer.fill(0xee);
      buffer.set(chunk);
      yield buffer.subarray(0, chunk.length);
    }
  }

  const essence = (entry: WarcRecord | WarcDamage) =>
    entry.kind === 'damage'
      ? `${entry.reason} at ${entry.offset}`
      : `${entry.offset} ${targetUri(entry)} ${text(entry.payload)}`;

  test.each([
    ['gzip', gzip, 4096],
    ['gzip', gzip, 1 << 20],
    ['gzip, cut off', gzip.subarray(0, gzip.length - 500), 10_000],
    ['plain', whole, 5],
    ['plain', whole, 70_000],
  ])('%s in chunks (%#)', async (_name, bytes, size) => {
    const expected = (await collect(readWarc(inChunks(bytes, size), OPTIONS))).map(essence);
    const found: string[] = [];
    for await (const batch of readWarcBatches(inOneBuffer(bytes, size), { ...OPTIONS, passing: true }))
      found.push(...batch.map(essence));
    expect(found).toEqual(expected);
    expect(found.length).toBeGreaterThan(59);
  });
});
