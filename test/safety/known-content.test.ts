import { createHash } from 'node:crypto';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadRecipe } from '../../src/config/index.ts';
import { parseMatch, readKnownContent } from '../../src/safety/index.ts';
import { NearHashes } from '../../src/safety/near-hashes.ts';
import { streamFile } from '../../src/storage/index.ts';

const folder = await mkdtemp(join(tmpdir(), 'gleaner-known-'));
const digest = (kind: string, text: string) => createHash(kind).update(text).digest('hex');

/** Reads lists that are given as they would stand in a recipe, with the content of their files. */
async function read(
  ...lists: readonly { name: string; file: string; content: string | Buffer; [key: string]: unknown }[]
) {
  const named = [];
  for (const { file, content, ...list } of lists) {
    const path = join(folder, file);
    await writeFile(path, content);
    named.push({ ...list, path });
  }
  const recipe = loadRecipe('everything', { safety: { knownContent: named as never } });
  return readKnownContent(recipe.safety.knownContent, streamFile);
}

const found = (drop: { readonly reason: string; readonly detail: string } | undefined) => {
  if (drop) expect(drop.reason).toBe('known_content');
  return drop && parseMatch(drop.detail);
};

describe('lists of hashes of bytes', () => {
  // Of 'abc': RFC 1321, A.5, and FIPS 180-4's examples.
  const ABC = {
    md5: '900150983cd24fb0d6963f7d28e17f72',
    sha1: 'a9993e364706816aba3e25717850c26c9cd0d89d',
    sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  };
  it.each(Object.entries(ABC))('%s', async (kind, hash) => {
    const known = await read({
      name: 'a list',
      kind,
      file: `${kind}.txt`,
      content: `# comment\n\n${digest(kind, 'x')}\r\n${hash.toUpperCase()} # why\n`,
    });
    expect(found(known.refuseBytes(Buffer.from('abc')))).toEqual({ list: 'a list', kind, hash });
    expect(known.refuseBytes(Buffer.from('abd'))).toBeUndefined();
    expect(known.refuseUrl('http://abc/')).toBeUndefined();
    expect(known.refusePicture('0000000000000000')).toBeUndefined();
  });

  it('as CSV with a header, gzip, and by the name of a column', async () => {
    const csv = `# from somebody\nid,"MD5",note\n1,${ABC.md5},"a, b"\n2,,nothing\n`;
    const plain = await read({ name: 'csv', kind: 'md5', file: 'a.csv.gz', content: gzipSync(csv) });
    expect(found(plain.refuseBytes(Buffer.from('abc')))?.list).toBe('csv');
    const tsv = `hash of file\tx\n${ABC.sha1}\t1\n`;
    const named = await read({
      name: 'tsv',
      kind: 'sha1',
      column: 'Hash of File',
      file: 'a.tsv',
      content: tsv,
    });
    expect(found(named.refuseBytes(Buffer.from('abc')))?.list).toBe('tsv');
    await expect(read({ name: 'x', kind: 'sha1', file: 'b.csv', content: csv })).rejects.toThrow(
      /b\.csv: cannot be read \(its header names no column 'sha1'\)/,
    );
  });

  it('the first list that has it is named', async () => {
    const known = await read(
      { name: 'none', kind: 'sha1', file: '1', content: digest('sha1', 'other') },
      { name: 'second', kind: 'md5', file: '2', content: ABC.md5 },
      { name: 'third', kind: 'sha256', file: '3', content: ABC.sha256 },
    );
    expect(found(known.refuseBytes(Buffer.from('abc')))?.list).toBe('second');
  });

  it.each([
    ['md5', 'abc'],
    ['md5', ABC.sha1],
    ['sha256', `${ABC.sha256}0`],
    ['phash', ABC.md5],
    ['url', 'secret.example/x'],
    ['url', 'ftp://secret.example/x'],
    ['domain', 'https://secret.example/'],
    ['domain', 'secret.example/x'],
    ['domain', 'a b'],
  ])('of %s: %s is no entry, and is not repeated', async (kind, entry) => {
    const error = await read({ name: 'x', kind, file: 'bad', content: `# one\n${entry}\n` }).catch(
      (e: Error) => e,
    );
    expect(error).toMatchObject({ code: 'FILE_UNREADABLE' });
    expect(String(error)).toContain(`line 2 is no entry of a list of kind ${kind}`);
    expect(String(error)).not.toContain(entry);
  });
});

describe('lists of URLs and domains', () => {
  it('a URL as browsers write it, or its SHA-256, of the image or its page', async () => {
    const known = await read({
      name: 'urls',
      kind: 'url',
      file: 'urls',
      content: `HTTP://Example.com:80/a/../b.jpg#x\n${digest('sha256', 'https://example.org/c')}\n`,
    });
    const hash = digest('sha256', 'http://example.com/b.jpg');
    expect(found(known.refuseUrl('http://example.com/b.jpg'))).toEqual({ list: 'urls', kind: 'url', hash });
    expect(found(known.refuseUrl('http://x/', 'http://example.com/b.jpg#frag'))?.hash).toBe(hash);
    expect(known.refuseUrl('https://example.org/c')).toBeDefined();
    for (const other of [
      'http://example.com/b.jpg?',
      'https://example.com/b.jpg',
      'http://example.com/B.jpg',
      '',
      'no URL',
    ])
      expect(known.refuseUrl(other), other).toBeUndefined();
  });

  it('a domain with all below it, any port and scheme', async () => {
    const known = await read({
      name: 'd',
      kind: 'domain',
      file: 'd',
      content: 'Bad.example\n*.müll.example.\n',
    });
    const hash = digest('sha256', 'bad.example');
    for (const url of ['http://bad.example/', 'https://bad.example:8443/x', 'http://a.b.bad.example./x'])
      expect(found(known.refuseUrl(url)), url).toEqual({ list: 'd', kind: 'domain', hash });
    expect(known.refuseUrl('https://www.xn--mll-hoa.example/'), 'punycode').toBeDefined();
    for (const url of ['http://notbad.example/', 'http://bad.example.org/', 'http://example/'])
      expect(known.refuseUrl(url), url).toBeUndefined();
  });
});

describe('perceptual hashes', () => {
  const distance = (a: bigint, b: bigint) => (a ^ b).toString(2).replaceAll('0', '').length;
  const hex = (n: bigint) => n.toString(16).padStart(16, '0');

  it('match up to the distance, at equality, and not one bit farther', async () => {
    const listed = 'f0f0f0f0f0f0f0f0';
    const content = `${listed}\n0000000000000001\n`;
    for (const maxDistance of [0, 1, 3, 4, 8, 15]) {
      const known = await read({ name: 'p', kind: 'phash', maxDistance, file: 'p', content });
      expect(known.looksAtPictures).toBe(true);
      const off = (bits: number) => hex(BigInt(`0x${listed}`) ^ ((1n << BigInt(bits)) - 1n));
      expect(found(known.refusePicture(off(maxDistance)))).toEqual({
        list: 'p',
        kind: 'phash',
        hash: listed,
      });
      expect(known.refusePicture(off(maxDistance + 1))).toBeUndefined();
    }
  });

  it('are found as by looking at all of them', () => {
    const word = fc.bigInt(0n, 2n ** 64n - 1n);
    const flips = fc.array(fc.bigInt(0n, 63n), { maxLength: 20 });
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 30 }),
        fc.nat(29),
        flips,
        fc.nat(15),
        (all, i, bits, max) => {
          const near = new NearHashes();
          for (const one of all) near.add(hex(one));
          const asked = bits.reduce((n, bit) => n ^ (1n << bit), all[i % all.length] ?? 0n);
          const [best] = all
            .map((one) => ({ one, d: distance(one, asked) }))
            .filter(({ d }) => d <= max)
            .sort((a, b) => a.d - b.d || (a.one < b.one ? -1 : 1));
          expect(near.nearest(hex(asked), max)).toBe(best && hex(best.one));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('grow beyond what is first held', () => {
    const near = new NearHashes();
    for (let n = 0n; n < 5000n; n++) near.add(hex((n * 0x9e3779b97f4a7c15n) & (2n ** 64n - 1n)));
    for (const n of [0n, 1023n, 1024n, 4999n]) {
      const hash = hex((n * 0x9e3779b97f4a7c15n) & (2n ** 64n - 1n));
      expect(near.nearest(hash, 0)).toBe(hash);
    }
  });

  it('a distance is refused for other kinds, and beyond 15', async () => {
    const list = { name: 'x', file: 'x', content: '' };
    await expect(read({ ...list, kind: 'md5', maxDistance: 1 })).rejects.toThrow(
      /maxDistance: is for the kind phash/,
    );
    await expect(read({ ...list, kind: 'phash', maxDistance: 16 })).rejects.toThrow(/maxDistance/);
  });
});
