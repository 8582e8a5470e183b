import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bloomInfo,
  bloomShape,
  keyFileInfo,
  readBloomSlice,
  readKeys,
  writeBloom,
  writeKeyFile,
} from '../../src/formats/index.ts';
import { collect, memorySink, memorySource } from './support.ts';

const KEY = fc.tuple(...Array.from({ length: 4 }, () => fc.integer({ min: 0, max: 2 ** 32 - 1 })));
const LEAD = fc.integer({ min: 0, max: 2 ** 32 });

const hex = (key: ArrayLike<number>) =>
  Array.from(key, (word) => word.toString(16).padStart(8, '0')).join('');
const sortedKeys = (keys: readonly (readonly number[])[]) => {
  const unique = new Map(keys.map((key) => [hex(key), key]));
  return [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key);
};
const wordsOf = (keys: readonly (readonly number[])[]) => Uint32Array.from(keys.flat());

async function keyFile(keys: readonly (readonly number[])[]): Promise<Uint8Array> {
  const sink = memorySink();
  await writeKeyFile(
    sink,
    { bucket: 1, buckets: 3 },
    wordsOf(keys),
    Uint32Array.from(keys, (_, i) => i),
  );
  return sink.bytes();
}

async function readAll(bytes: Uint8Array, range: { from?: number; to?: number } = {}): Promise<string[]> {
  const pieces = await collect(readKeys(memorySource(bytes), { path: 'x.keys', ...range }));
  return pieces.flatMap((words) =>
    Array.from({ length: words.length / 4 }, (_, i) => hex(words.slice(4 * i, 4 * i + 4))),
  );
}

describe('key files', () => {
  test('are what docs/formats.md says, byte for byte', async () => {
    const bytes = await keyFile([[0x01020304, 5, 6, 0xfffefdfc]]);
    expect(Buffer.from(bytes).toString('hex')).toBe(
      [
        Buffer.from('GLNRKEYS').toString('hex'),
        '01000000', // version
        '01000000', // bucket
        '03000000', // buckets
        '00000000',
        '0100000000000000', // keys
        '01020304000000050000000' + '6fffefdfc',
      ].join(''),
    );
    expect(await keyFileInfo(memorySource(bytes), 'x.keys')).toEqual({ bucket: 1, buckets: 3, keys: 1 });
  });

  test('give the keys of any range', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(KEY, { maxLength: 60 }), LEAD, LEAD, async (some, from, to) => {
        const keys = sortedKeys(some);
        const expected = keys.filter(([lead = 0]) => lead >= from && lead < to).map(hex);
        expect(await readAll(await keyFile(keys), { from, to })).toEqual(expected);
      }),
      { numRuns: 100 },
    );
  });

  test('of many keys: a range is found without reading what lies before it', async () => {
    const keys = Array.from({ length: 200_000 }, (_, i) => [i * 20_000, 0, 0, i]);
    const source = memorySource(await keyFile(keys));
    const pieces = await collect(
      readKeys(source, { path: 'x.keys', from: 150_000 * 20_000, to: 150_010 * 20_000 }),
    );
    expect(pieces.map((words) => [words[0], words.length / 4])).toEqual([[150_000 * 20_000, 10]]);
    expect(source.reads.reduce((sum, [from, to]) => sum + to - from, 0)).toBeLessThan(source.byteLength / 2);
  });

  test.each([
    ['something else', (bytes: Buffer) => bytes.fill(0x20, 0, 8), 'is no key file'],
    ['another version', (bytes: Buffer) => bytes.fill(2, 8, 9), 'of version 2, not 1'],
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -1), 'not whole'],
    ['out of order', (bytes: Buffer) => bytes.fill(0, 48, 64), 'key 1 does not ascend'],
  ])('%s is damage', async (_, damage, problem) => {
    const bytes = Buffer.from(
      await keyFile([
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ]),
    );
    await expect(readAll(damage(bytes))).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringContaining(problem),
    });
  });
});

/** A filter with one slice for each quarter of the keys' range. */
async function filterOf(keys: readonly (readonly number[])[], rate: number) {
  const slices = [0, 1, 2, 3].map((s) => keys.filter(([lead = 0]) => lead >>> 30 === s));
  const sink = memorySink();
  await writeBloom(
    sink,
    rate,
    slices.map((slice) => slice.length),
    async function* (s) {
      yield wordsOf(slices[s] ?? []);
    },
  );
  const source = memorySource(sink.bytes());
  const info = await bloomInfo(source, 'x.bloom');
  const parts = await Promise.all(info.slices.map((_, s) => readBloomSlice(source, info, s)));
  return {
    info,
    source,
    mayHave: (key: readonly number[]) => parts[(key[0] ?? 0) >>> 30]?.mayHave(Uint32Array.from(key), 0),
  };
}

describe('Bloom filters', () => {
  test('never miss a key', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(KEY, { maxLength: 200 }),
        fc.double({ min: 1e-6, max: 0.5, noNaN: true }),
        async (keys, rate) => {
          const filter = await filterOf(keys, rate);
          expect(keys.filter((key) => !filter.mayHave(key))).toEqual([]);
          expect(filter.info).toMatchObject({ falsePositiveRate: rate, keys: keys.length });
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each([0.1, 0.01, 0.001])('keep the rate of false positives that they state: %f', async (rate) => {
    const random = (seed: number) => (i: number) =>
      [0, 1, 2, 3]
        .map((w) => Math.imul(i * 4 + w + seed, 0x9e3779b1) ^ Math.imul(i + 7 * w + seed, 0x85ebca6b))
        .map((word) => Math.imul(word ^ (word >>> 15), 0x2c1b3c6d))
        .map((word) => (word ^ (word >>> 13)) >>> 0);
    const keys = Array.from({ length: 20_000 }, (_, i) => random(1)(i));
    const others = Array.from({ length: 100_000 }, (_, i) => random(1 << 24)(i));
    const filter = await filterOf(keys, rate);
    const wrong = others.filter((key) => filter.mayHave(key)).length / others.length;
    // Four standard deviations of a count of rare events.
    const margin = 4 * Math.sqrt(rate / others.length);
    expect(wrong).toBeGreaterThan(rate * 0.8 - margin);
    expect(wrong).toBeLessThan(rate * 1.1 + margin);
  });

  test('have the size of the theory: 9.585 bits a key for 1 %, 14.378 for 0.1 %', () => {
    expect(bloomShape(1_000_000, 0.01).bits / 1e6).toBeCloseTo(9.585, 0);
    expect(bloomShape(1_000_000, 0.001)).toMatchObject({ hashes: 10 });
    expect(bloomShape(1_000_000, 0.001).bits / 1e6).toBeLessThan(14.378 * 1.03);
  });

  test.each([
    ['something else', (bytes: Buffer) => bytes.fill(0x20, 0, 8), 'is no Bloom filter'],
    ['another version', (bytes: Buffer) => bytes.fill(9, 8, 9), 'of version 9, not 1'],
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -1), 'not whole'],
    ['cut off in its table', (bytes: Buffer) => bytes.subarray(0, 50), 'not whole'],
  ])('%s is damage', async (_, damage, problem) => {
    const { source } = await filterOf([[1, 2, 3, 4]], 0.01);
    const bytes = Buffer.from(await source.slice(0));
    await expect(bloomInfo(memorySource(damage(bytes)), 'x.bloom')).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringContaining(problem),
    });
  });
});
