import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDelimited, readLines } from '../../src/formats/index.ts';

/** The bytes of a text in pieces of `size`. */
async function* pieces(text: string, size = 3): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const lines = (text: string, size?: number) => Array.fromAsync(readLines(pieces(text, size)));
const records = async (text: string, delimiter: ',' | '\t' = ',') =>
  (await Array.fromAsync(readDelimited(pieces(text), { delimiter }))).map(({ fields }) => fields);

describe('lines', () => {
  it('end in LF or CRLF, the last one maybe in neither', async () => {
    expect(await lines('a\nb\r\n\nc')).toEqual(['a', 'b', '', 'c']);
    expect(await lines('a\n')).toEqual(['a']);
    expect(await lines('\ufeffa\r\nb\r')).toEqual(['a', 'b']);
    expect(await lines('')).toEqual([]);
  });

  it('are the same whatever pieces they come in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: 'grapheme' })),
        fc.integer({ min: 1, max: 9 }),
        async (texts, size) => {
          const clean = texts.map((text) => text.replace(/[\r\n\ufeff]/g, ''));
          expect(await lines(clean.map((text) => `${text}\n`).join(''), size)).toEqual(clean);
        },
      ),
    );
  });
});

describe('delimited records', () => {
  // The examples of RFC 4180, section 2.
  it('are those of RFC 4180', async () => {
    expect(await records('aaa,bbb,ccc\r\nzzz,yyy,xxx')).toEqual([
      ['aaa', 'bbb', 'ccc'],
      ['zzz', 'yyy', 'xxx'],
    ]);
    expect(await records('"aaa","b\r\nbb","ccc"\r\nzzz,yyy,xxx')).toEqual([
      ['aaa', 'b\nbb', 'ccc'],
      ['zzz', 'yyy', 'xxx'],
    ]);
    expect(await records('"aaa","b""bb","ccc"')).toEqual([['aaa', 'b"bb', 'ccc']]);
  });

  // What Python's csv module gives for these.
  it('are read as Python reads them where the RFC is silent', async () => {
    expect(await records('a,\n\n,b\n"",""\n"x"y,z\na"b,c\n')).toEqual([
      ['a', ''],
      ['', 'b'],
      ['', ''],
      ['xy', 'z'],
      ['a"b', 'c'],
    ]);
    expect(await records('a\t"b\tc"\td,e\n', '\t')).toEqual([['a', 'b\tc', 'd,e']]);
  });

  it('say at which line a quoted field does not end', async () => {
    await expect(records('a,b\nc,"d\ne\nf')).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringMatching(/line 2: a quoted field does not end/),
    });
  });

  it('come back as they were written', async () => {
    const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', 'é', '\t') });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(field, { minLength: 2, maxLength: 4 })), async (rows) => {
        const text = rows
          .map((row) => row.map((value) => `"${value.replaceAll('"', '""')}"`).join(','))
          .join('\n');
        expect(await records(text)).toEqual(rows);
      }),
    );
  });
});
