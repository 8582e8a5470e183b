import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTarWriter, readTar, readWebdataset, splitKey } from '../../src/formats/index.ts';
import { collect, inChunks, memorySink, text } from './support.ts';

/** Python 3.11, tarfile: 'd/' + 300 × 'n' + '.txt', 'äöü.jpg', 'plain.txt', compressed by zlib. */
const GNU = inflateSync(
  Buffer.from(
    'eNrt1lEKgjAAgOEdZSeYG6752gG8hBCEtZaUQQfqDD355sVShCBBrIf5kP/3MtnbmP82lahkm5/DPi/DUcShB1Ojti59fw/zWea0kLlYwO1aFxcpxUrtkoCvqfpes/+/6qN21k72350An/2nqen71/Qfne+OfoHVah/ts23UoYr4F8z3P7r/jXbG0f8iyz95Ilixyhdl7GfNfP9m/P7fWO7/ZfafBAAAAAAAAAAAAP7KC3oV7wU=',
    'base64',
  ),
);
const PAX = inflateSync(
  Buffer.from(
    'eNrt1z8OgjAYBfDOnIITlK+lgTgYHB29QhMIahCJ1oQDeQYnNy4mfxITMUQXqoH3W0pYGvLl9VHucW+10eU60XFyYqOgztBKKlTP5/a9ICklc0tmweVs9Knens2TLwK30Ga7jL0cvsZNaZwpzN/G2JtQB0oN5r8+AV7z7/tSEnMJ+R9ddsxTBrPF/6D/Sfpv/S8I/W+DWHT1X12rW3Xn+yJ1EIoZiaKoGfqoe3zu/17+KSSh0P9WPv+QIQQzVmR6195mfpp/0c9/QPj/tzN/RAAAAAAAAAAAAABgkh4ljwgl',
    'base64',
  ),
);
const LONG = `d/${'n'.repeat(300)}.txt`;

const utf8 = (s: string) => new TextEncoder().encode(s);

async function tar(members: readonly (readonly [string, Uint8Array])[]): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = createTarWriter(sink);
  for (const [name, bytes] of members) await writer.add(name, bytes);
  await writer.finish();
  return sink.bytes();
}

async function read(bytes: Uint8Array, ...chunks: number[]) {
  return (await collect(readTar(inChunks(bytes, ...chunks)))).map((e) => [e.name, e.bytes && text(e.bytes)]);
}

test("writes what Python's tarfile writes in USTAR, with mode 644, time 0 and no owner", async () => {
  const bytes = await tar([
    ['000000000.jpg', Uint8Array.of(0xff, 0xd8, 0xff)],
    ['000000000.txt', utf8('ä red apple')],
    ['000000000.json', utf8('{}')],
    ['empty', new Uint8Array()],
    [`${'a/'.repeat(60)}b.txt`, utf8('x'.repeat(513))],
  ]);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(
    'f0b7730a34d163e8c6b3ea677e881806821842ebf8f14afa289d5e7167022fe9',
  );
});

test('says where the bytes of each member lie', async () => {
  const sink = memorySink();
  const writer = createTarWriter(sink);
  const members = [
    await writer.add('a.txt', utf8('first')),
    await writer.add(LONG, utf8('x'.repeat(1000))),
    await writer.add('e', utf8('')),
  ];
  await writer.finish();
  const found = members.map(({ offset, length }) => text(sink.bytes().subarray(offset, offset + length)));
  expect(found).toEqual(['first', 'x'.repeat(1000), '']);
  const read = await collect(readTar(inChunks(sink.bytes())));
  expect(read.map(({ name, offset, length }) => ({ name, offset, length }))).toEqual(members);
  await expect(writer.add('', utf8(''))).rejects.toThrow(RangeError);
  await expect(writer.add('a\0b', utf8(''))).rejects.toThrow(RangeError);
});

test.each([
  ['GNU', GNU],
  ['pax', PAX],
])('reads names of %s archives', async (_, bytes) => {
  for (const chunk of [1, 511, 100_000])
    expect(await read(bytes, chunk)).toEqual([
      [LONG, 'long'],
      ['äöü.jpg', 'uml'],
      ['plain.txt', 'p'],
    ]);
});

test('what is written is read, whatever the names and chunks', async () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 300 })
    .filter((s) => s.isWellFormed() && !s.includes('\0'));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(name, fc.uint8Array({ maxLength: 1500 })), { maxLength: 6 }),
      fc.integer({ min: 1, max: 2000 }),
      async (members, chunk) => {
        const found = await collect(readTar(inChunks(await tar(members), chunk)));
        expect(found.map((e) => [e.name, e.bytes && [...e.bytes]])).toEqual(
          members.map(([n, b]) => [n, [...b]]),
        );
      },
    ),
    { numRuns: 40 },
  );
});

describe('hostile archives', () => {
  const damaged = (problem: string) => ({ code: 'DAMAGED', message: expect.stringContaining(problem) });
  const whole = () =>
    tar([
      ['a.txt', utf8('a'.repeat(600))],
      ['b.txt', utf8('b')],
    ]);

  test('a member above the limit is passed over, without its bytes', async () => {
    const entries = await collect(readTar(inChunks(await whole(), 100), { maxMemberBytes: 599 }));
    expect(entries.map((e) => [e.name, e.length, e.bytes === null])).toEqual([
      ['a.txt', 600, true],
      ['b.txt', 1, false],
    ]);
  });

  test('no tar, a damaged header, cut off', async () => {
    await expect(read(utf8('this is no tar'.repeat(100)))).rejects.toMatchObject(damaged('is not a tar'));
    const bytes = await whole();
    bytes[3] = 0x58;
    await expect(read(bytes)).rejects.toMatchObject(damaged('a header is damaged (at byte 0)'));
    await expect(read((await whole()).subarray(0, 1000))).rejects.toMatchObject(damaged('cut off'));
    await expect(read((await whole()).subarray(0, 1536 + 100))).rejects.toMatchObject(damaged('cut off'));
  });

  test('without an end mark, or empty', async () => {
    expect((await read((await whole()).subarray(0, 2560))).map(([n]) => n)).toEqual(['a.txt', 'b.txt']);
    expect(await read(new Uint8Array(0))).toEqual([]);
    expect(await read(await tar([]))).toEqual([]);
  });

  test('no bytes do anything but give entries or a GleanerError', async () => {
    const base = await whole();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 8 }),
        fc.boolean(),
        async (edits, fix) => {
          const bytes = base.slice();
          for (const [at, value] of edits) bytes[at] = value;
          if (fix) {
            // With a right checksum the reader looks at the fields themselves.
            bytes.set(utf8('        '), 148);
            const sum = bytes.subarray(0, 512).reduce((a, b) => a + b, 0);
            bytes.set(utf8(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
          }
          await collect(readTar(inChunks(bytes, 300))).catch((error: unknown) =>
            expect(error).toMatchObject({ name: 'GleanerError' }),
          );
        },
      ),
    );
  });
});

describe('webdataset', () => {
  // As webdataset's base_plus_ext splits them.
  test.each([
    ['000.jpg', '000', 'jpg'],
    ['a/b/000.seg.PNG', 'a/b/000', 'seg.png'],
    ['a.b/c.txt', 'a.b/c', 'txt'],
    ['noextension', undefined, undefined],
    ['a.b/noextension', undefined, undefined],
  ])('%s', (name, key, extension) => {
    expect(splitKey(name)).toEqual(key === undefined ? undefined : { key, extension });
  });

  test('samples are members that follow each other and have one key', async () => {
    const names = ['0.jpg', '0.txt', '0.json', 'README', '1.txt', '1.jpg', '1.jpg', '0.txt'];
    const samples = await collect(readWebdataset(inChunks(await tar(names.map((n) => [n, utf8(n)])), 700)));
    expect(samples.map((s) => [s.key, [...s.files.keys()]])).toEqual([
      ['0', ['jpg', 'txt', 'json']],
      ['1', ['txt', 'jpg']],
      ['1', ['jpg']],
      ['0', ['txt']],
    ]);
  });
});
