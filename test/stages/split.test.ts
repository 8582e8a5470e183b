import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createParquetWriter } from '../../src/formats/index.ts';
import { dealGroups, parseShares } from '../../src/stages/split/deal.ts';
import { groupRows } from '../../src/stages/split/group-rows.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';

/** What a row is compared by. */
interface Alike {
  readonly url: string;
  readonly sha256: string;
  readonly text: string;
  readonly phash: string;
}

let folder: string;
let storage: Storage;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-split-'));
  storage = fileStorage(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Writes rows as the metadata of a release, in files of so many rows and row groups of three. */
async function writeMetadata(rows: readonly Alike[], perFile = 7): Promise<string[]> {
  const paths: string[] = [];
  for (let from = 0; from < rows.length; from += perFile) {
    const path = `metadata_${files++}.parquet`;
    const file = await storage.create(path);
    const table = createParquetWriter(
      file,
      ['URL', 'TEXT', 'sha256', 'phash'].map((name) => ({ name, type: 'string' }) as const),
      { codec: 'SNAPPY' },
    );
    const records = rows
      .slice(from, from + perFile)
      .map(({ url, text, sha256, phash }) => ({ URL: url, TEXT: text, sha256, phash }));
    for (let at = 0; at < records.length; at += 3) await table.writeRowGroup(records.slice(at, at + 3));
    await table.finish();
    await file.commit();
    paths.push(path);
  }
  return paths;
}

async function grouped(rows: readonly Alike[], distance = 4, perFile?: number) {
  const paths = await writeMetadata(rows, perFile);
  const signal = new AbortController().signal;
  return groupRows(storage, paths, { distance, signal, progress: () => undefined, scratch: folder });
}

let made = 0;
/** A row that is like no other, but for what is said. */
function row(facts: Partial<Alike> = {}): Alike {
  const n = made++;
  // Powers of three have nothing in common that a few bits could make good.
  const phash = BigInt.asUintN(64, 3n ** BigInt(n + 41))
    .toString(16)
    .padStart(16, '0');
  return {
    url: `http://a.example/${n}`,
    sha256: `${n}`.padStart(64, '0'),
    text: `caption ${n}`,
    phash,
    ...facts,
  };
}

/** With some bits of a hash turned over. */
function turned(phash: string, ...bits: readonly number[]): string {
  return bits
    .reduce((hash, bit) => hash ^ (1n << BigInt(bit)), BigInt(`0x${phash}`))
    .toString(16)
    .padStart(16, '0');
}

describe('groups', () => {
  it('are joined over any number of steps: by URL, then bytes, then caption, then picture', async () => {
    const [a, c, e] = [row(), row(), row()];
    const b = row({ url: a.url });
    const d = row({ sha256: b.sha256, text: c.text });
    const f = row({ phash: turned(c.phash, 0, 20, 40, 63) });
    const { groupOf, sizes, joined } = await grouped([a, e, f, b, c, d]);
    expect([...groupOf]).toEqual([0, 1, 0, 0, 0, 0]);
    expect([...sizes]).toEqual([5, 1]);
    expect(joined).toEqual({ url: 2, bytes: 2, caption: 2, picture: 2 });
  });

  it('are those of pictures as far apart as was said, and no farther', async () => {
    const one = row();
    const near = row({ phash: turned(one.phash, 1, 2, 3, 4) });
    const far = row({ phash: turned(one.phash, 60, 50, 40, 30, 20) });
    expect([...(await grouped([one, near, far])).groupOf]).toEqual([0, 0, 1]);
    expect([...(await grouped([one, near, far], 5)).groupOf]).toEqual([0, 0, 0]);
    expect([...(await grouped([one, near, far], 3)).groupOf]).toEqual([0, 1, 2]);
    expect([...(await grouped([one, row({ phash: one.phash })], 0)).groupOf]).toEqual([0, 0]);
  });

  it.each([
    ['case', 'A Red FRUIT', 'a red fruit'],
    ['white space', '  a red\n\tfruit ', 'a red fruit'],
    ['forms of one letter (NFKC)', 'ﬁne Ａ①', 'fine a1'],
    ['composed and decomposed letters', 'caf\u00e9', 'cafe\u0301'],
  ])('take captions for one that differ in %s alone', async (_, one, other) => {
    expect([...(await grouped([row({ text: one }), row({ text: other })])).groupOf]).toEqual([0, 0]);
  });

  it('are not joined by what rows lack', async () => {
    const nothing = { url: '', sha256: '', text: ' \u00a0', phash: '' };
    const { groupOf, joined } = await grouped([row(nothing), row(nothing)]);
    expect([...groupOf]).toEqual([0, 1]);
    expect(joined).toEqual({ url: 0, bytes: 0, caption: 0, picture: 0 });
  });

  it('take URLs and captions of any length', async () => {
    const long = 'x'.repeat(300_000);
    const rows = [
      row({ url: `${long}a`, text: `${long}1` }),
      row({ url: `${long}b` }),
      row({ text: `${long}1` }),
    ];
    expect([...(await grouped(rows)).groupOf]).toEqual([0, 1, 0]);
  });

  it('refuse a hash that is none, with its file and row', async () => {
    await expect(grouped([row(), row({ phash: 'xyz' })])).rejects.toThrow(
      /metadata_\d+\.parquet: column 'phash' of row 1 is no hash of 16 hexadecimal digits/,
    );
  });

  it('are those that looking at each pair gives', async () => {
    const few = fc.integer({ min: 0, max: 12 });
    // Hashes of few ones are often near each other.
    const bits = fc.uniqueArray(fc.integer({ min: 0, max: 63 }), { maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ url: few, sha256: few, text: few, bits }), { minLength: 1, maxLength: 24 }),
        fc.integer({ min: 0, max: 11 }),
        async (drawn, distance) => {
          const rows = drawn.map(({ url, sha256, text, bits }, n) => ({
            // Numbers above 8 are of their own: else all would be one group.
            url: url > 8 ? `u ${n}` : `${url}`,
            sha256: sha256 > 8 ? `s ${n}` : `${sha256}`,
            text: text > 8 ? `t ${n}` : `${text}`,
            phash: turned('0000000000000000', ...bits),
          }));
          const { groupOf, sizes } = await grouped(rows, distance);
          expect([...groupOf]).toEqual(byPairs(rows, distance));
          expect([...sizes].reduce((sum, size) => sum + size, 0)).toBe(rows.length);
        },
      ),
      { numRuns: 20 },
    );
  });
});

/** Numbers of groups by looking at every pair, again and again until nothing changes. */
function byPairs(rows: readonly Alike[], distance: number): number[] {
  const apart = (a: string, b: string) =>
    [...(BigInt(`0x${a}`) ^ BigInt(`0x${b}`)).toString(2)].filter((bit) => bit === '1').length;
  const alike = (a: Alike, b: Alike) =>
    a.url === b.url || a.sha256 === b.sha256 || a.text === b.text || apart(a.phash, b.phash) <= distance;
  const first = rows.map((_, n) => n);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [i, a] of rows.entries())
      for (const [j, b] of rows.entries())
        if (alike(a, b) && first[i] !== first[j]) {
          const least = Math.min(first[i] ?? 0, first[j] ?? 0);
          [first[i], first[j]] = [least, least];
          changed = true;
        }
  }
  const numbers = [...new Set(first)];
  return first.map((of) => numbers.indexOf(of));
}

describe('dealing', () => {
  it('gives each split its share, to within the largest group, and the same with one seed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 300 }),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 }),
        fc.nat(),
        (groups, weights, seed) => {
          const sizes = Uint32Array.from(groups);
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const shares = weights.map((weight, i) => ({ name: `s${i}`, share: weight / total }));
          const splitOf = dealGroups(sizes, shares, seed);
          const rows = groups.reduce((sum, size) => sum + size, 0);
          const largest = Math.max(...groups);
          for (const [split, { share }] of shares.entries()) {
            const got = groups.reduce((sum, size, group) => sum + (splitOf[group] === split ? size : 0), 0);
            expect(Math.abs(got - share * rows)).toBeLessThanOrEqual(largest);
          }
          expect(dealGroups(sizes, shares, seed)).toEqual(splitOf);
        },
      ),
    );
  });

  it('deals single rows evenly, whichever come first, and otherwise with another seed', () => {
    const sizes = new Uint32Array(10_000).fill(1);
    const shares = parseShares('train=0.9,validation=0.05,test=0.05');
    const splitOf = dealGroups(sizes, shares, 1);
    expect([0, 1, 2].map((split) => splitOf.filter((one) => one === split).length)).toEqual([9000, 500, 500]);
    // Of the first half some 250 are of the second split: 5 standard deviations of a draw without replacement are 56.
    const early = splitOf.slice(0, 5000).filter((one) => one === 1).length;
    expect(Math.abs(early - 250)).toBeLessThan(56);
    expect(dealGroups(sizes, shares, 2)).not.toEqual(splitOf);
  });

  it.each([
    ['train', /give names with shares above 0/],
    ['train=1,train=0', /give names with shares above 0/],
    ['train=0.5,train=0.5', /a name stands there twice/],
    ['train=0.9,test=0.2', /the shares are 1\.1 together, and have to be 1/],
    ['../x=1', /give names/],
  ])('refuses --shares %s', (text, line) => {
    expect(() => parseShares(text)).toThrow(line);
  });
});
