import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createParquetWriter } from '../../src/formats/index.ts';
import { type Batch, type LoaderOptions, openLoader } from '../../src/loader/index.ts';
import { GleanerError } from '../../src/schema/index.ts';
import { writeFile as writeFileOf } from '../../src/stages/write-file.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { tarOf } from '../embed/datasets.ts';
import {
  ALL,
  ascending,
  batchesOf,
  empty,
  numbersOf,
  oddTar,
  plain,
  SAMPLES,
  SIZES,
  SMALL,
  sampleOf,
  serve,
  writeTars,
} from './datasets.ts';

let root: string;
let folder: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gleaner-resume-'));
  folder = join(root, 'tars');
  await mkdir(folder);
  await writeTars(folder, SIZES);
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('a state', () => {
  it('goes on behind its batch as if nothing had happened, whatever the order and its share', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          batchSize: fc.integer({ min: 1, max: 9 }),
          shuffle: fc.integer({ min: 0, max: 30 }),
          seed: fc.nat(1000),
          dropLast: fc.boolean(),
          count: fc.integer({ min: 1, max: 8 }),
        }),
        fc.nat(),
        async ({ count, ...given }, pick) => {
          const options: LoaderOptions = {
            ...{ ...SMALL, ...given, from: folder, epochs: 2 },
            shard: { index: pick % count, count },
          };
          const whole = await batchesOf(options).catch(empty);
          fc.pre(whole.length > 0);
          const at = pick % whole.length;
          const state: unknown = JSON.parse(JSON.stringify(whole[at]?.state));
          const rest = await batchesOf({ ...options, state: state as Batch['state'] });
          expect(plain(rest)).toEqual(plain(whole.slice(at + 1)));
        },
      ),
      { numRuns: 15 },
    );
  });

  it('goes on where shares are of samples, since there are fewer shards', async () => {
    for (const index of [0, 4, 8]) {
      const options = { ...SMALL, batchSize: 1, from: folder, shuffle: 0, shard: { index, count: 9 } };
      const whole = plain(await batchesOf(options));
      for (const [at, { state }] of whole.entries())
        expect(plain(await batchesOf({ ...options, state }))).toEqual(whole.slice(at + 1));
    }
  });

  it('of each step goes on, broken samples and counts included', async () => {
    const odd = join(root, 'odd.tar');
    // A sample then begins with the header of its name.
    await writeFile(odd, await oddTar('gnu'));
    const options = { ...SMALL, batchSize: 2, from: [folder, odd], shuffle: 6, dropLast: false };
    const whole = plain(await batchesOf(options));
    for (const [at, { state }] of whole.entries())
      expect(plain(await batchesOf({ ...options, state }))).toEqual(whole.slice(at + 1));
    expect(whole.at(-1)?.state.counts).toEqual({
      samples: 25,
      undecodable: 1,
      withoutImage: 1,
      withoutText: 1,
    });
  });

  it('does not decode what was passed, and takes no more room for a larger dataset', async () => {
    const decoded: string[] = [];
    const textOf: LoaderOptions['textOf'] = ({ key }) => {
      decoded.push(key);
      return key;
    };
    const options = { ...SMALL, from: folder, shuffle: 3, textOf };
    const [, , , fourth] = await batchesOf(options);
    expect(decoded).toHaveLength(SAMPLES);
    decoded.length = 0;
    await batchesOf({ ...options, state: fourth!.state });
    // 16 were given; the others are read, once, and nothing else.
    expect(new Set(decoded).size).toBe(decoded.length);
    expect(decoded.length).toBe(SAMPLES - 16);
    expect(fourth!.state.buffer.length).toBeLessThanOrEqual(3);
  });

  it.each([
    ['another seed', { seed: 2 }, /of other seed \(1, here 2\)/],
    ['another buffer', { shuffle: 9 }, /of other shuffle \(5, here 9\)/],
    ['another share', { shard: { index: 1, count: 2 } }, /of other shard \(0 of 1, here 1 of 2\)/],
    ['other tars', { from: 'fewer' }, /of other tars \(6 of \w+, here 1 of \w+\)/],
  ])('with %s is refused in one line', async (_, changed, line) => {
    const options = { ...SMALL, from: folder, shuffle: 5, seed: 1 };
    const [first] = await batchesOf(options);
    const from = 'from' in changed ? join(folder, '00000.tar') : folder;
    const failed = await openLoader({ ...options, ...changed, from, state: first!.state }).catch(
      (e: unknown) => e,
    );
    expect(failed).toBeInstanceOf(GleanerError);
    expect(failed).toMatchObject({ exitCode: 2, message: expect.stringMatching(line) });
  });

  it('of tars that have changed since is refused, not misread', async () => {
    const changing = join(root, 'changing');
    await mkdir(changing);
    await writeTars(changing, [8]);
    const server = await serve(changing);
    const options = { ...SMALL, from: `${server.url}/00000.tar`, shuffle: 5 };
    const [first] = await batchesOf(options);
    // Of a server nobody has asked for a size; the samples are elsewhere now.
    await writeFile(
      join(changing, '00000.tar'),
      tarOf([['x.txt', Buffer.alloc(700)], ...(await sampleOf(1))]),
    );
    await expect(batchesOf({ ...options, state: first!.state })).rejects.toMatchObject({ code: 'DAMAGED' });
    server.close();
  });
});

describe('a split', () => {
  /** A split.parquet of all samples: those whose number is a multiple of three are of 'third'. */
  async function writeSplit(name: string, uid: string): Promise<string> {
    await writeFileOf(fileStorage(root), name, async (sink) => {
      const table = createParquetWriter(sink, [
        { name: 'SAMPLE_ID', type: 'int64' },
        { name: 'uid', type: 'string' },
        { name: 'split', type: 'string' },
      ] as const);
      const rows = ALL.map((n) => ({ SAMPLE_ID: BigInt(n), uid, split: n % 3 === 0 ? 'third' : 'rest' }));
      await table.writeRowGroup(rows.slice(0, 9));
      await table.writeRowGroup(rows.slice(9));
      await table.finish();
    });
    return join(root, name);
  }

  it('is all that is read where one is named, and goes on from a state', async () => {
    const file = await writeSplit('split.parquet', 'ab');
    const options = { ...SMALL, batchSize: 2, from: folder, shuffle: 3, dropLast: false };
    const third = await batchesOf({ ...options, split: { file, name: 'third' } });
    const rest = await batchesOf({ ...options, split: { file, name: 'rest' } });
    expect(ascending(numbersOf(third))).toEqual(ALL.filter((n) => n % 3 === 0));
    expect(ascending([...numbersOf(third), ...numbersOf(rest)])).toEqual(ALL);
    const state = third[1]!.state;
    expect(plain(await batchesOf({ ...options, split: { file, name: 'third' }, state }))).toEqual(
      plain(third.slice(2)),
    );
    await expect(openLoader({ ...options, split: { file, name: 'rest' }, state })).rejects.toThrow(
      /of other split/,
    );
  });

  it('that is of another release, or has no such name, ends it in one line', async () => {
    const file = await writeSplit('other.parquet', 'cd');
    await expect(batchesOf({ ...SMALL, from: folder, split: { file, name: 'third' } })).rejects.toThrow(
      /other\.parquet: is the split of another release: it has no row \d+ with uid .*Make it anew with 'gleaner split'\.$/,
    );
    await expect(openLoader({ ...SMALL, from: folder, split: { file, name: 'half' } })).rejects.toMatchObject(
      {
        code: 'SPLIT_EMPTY',
        exitCode: 1,
        message: expect.stringMatching(
          /other\.parquet: split 'half' is empty: no row is of it; there are third, rest\.$/,
        ),
      },
    );
  });
});
