import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createParquetWriter } from '../../src/formats/index.ts';
import { type Batch, type LoaderOptions, openLoader } from '../../src/loader/index.ts';
import { GleanerError } from '../../src/schema/index.ts';
import { writeFile as writeFileOf } from '../../src/stages/write-file.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { type Names, tarOf } from '../embed/datasets.ts';
import {
  batchesOf,
  captionOf,
  colourOf,
  keyOf,
  numbersOf,
  pictureOf,
  SMALL,
  sampleOf,
  writeTars,
} from './datasets.ts';

/** Samples of each tar: together 23. */
const SIZES = [5, 1, 7, 0, 6, 4];
const SAMPLES = 23;

let root: string;
let folder: string;
let tars: Buffer[];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'gleaner-loader-'));
  folder = join(root, 'tars');
  await mkdir(folder);
  await mkdir(join(root, 'bare'));
  tars = await writeTars(folder, SIZES);
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Batches as they can be compared, with their states. */
const plain = (batches: readonly Batch[]) =>
  batches.map((batch) => ({ ...batch, images: [...batch.images] }));
const ascending = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b);
const ALL = Array.from({ length: SAMPLES }, (_, n) => n);

describe('batches', () => {
  it('hold pictures as planes, texts and keys of the same samples', async () => {
    const batches = await batchesOf({ ...SMALL, from: folder, dropLast: false });
    expect(batches.map(({ step, epoch, keys }) => [step, epoch, keys.length])).toEqual(
      [4, 4, 4, 4, 4, 3].map((size, step) => [step, 0, size]),
    );
    for (const { images, texts, keys } of batches) {
      const numbers = keys.map(Number);
      expect(keys).toEqual(numbers.map(keyOf));
      expect(texts).toEqual(numbers.map(captionOf));
      expect([...images]).toEqual(
        numbers.flatMap((n) => colourOf(n).flatMap((level) => [level, level, level, level])),
      );
    }
  });

  it('are the same whatever the number of threads', async () => {
    const options = { ...SMALL, from: folder, epochs: 2, dropLast: false };
    const alone = plain(await batchesOf(options));
    for (const workers of [1, 2, 4]) expect(plain(await batchesOf({ ...options, workers }))).toEqual(alone);
  });

  it('have every sample of an epoch once, in another order in each epoch and with each seed', async () => {
    const run = async (seed: number) => {
      const batches = await batchesOf({
        ...SMALL,
        from: folder,
        seed,
        shuffle: 8,
        epochs: 3,
        dropLast: false,
      });
      return [0, 1, 2].map((epoch) => numbersOf(batches.filter((batch) => batch.epoch === epoch)));
    };
    const orders = [...(await run(1)), ...(await run(2))];
    for (const order of orders) expect(ascending(order)).toEqual(ALL);
    expect(new Set(orders.map(String)).size).toBe(orders.length);
    expect(await run(1)).toEqual(orders.slice(0, 3));
  });

  it('come in order without a shuffle', async () => {
    const batches = await batchesOf({ ...SMALL, from: folder, shuffle: 0, epochs: 2, dropLast: false });
    expect(numbersOf(batches)).toEqual([...ALL, ...ALL]);
  });

  it('leave out what does not fill the last one of an epoch, unless they are asked not to', async () => {
    const batches = await batchesOf({ ...SMALL, from: folder, epochs: 2 });
    expect(batches.map(({ step, epoch, keys }) => [step, epoch, keys.length])).toEqual(
      Array.from({ length: 10 }, (_, step) => [step, Math.floor(step / 5), 4]),
    );
  });

  it('go on without end where nobody says how often', async () => {
    const { epochs: _, ...endless } = SMALL;
    await using loader = await openLoader({ ...endless, from: folder });
    let last = 0;
    for await (const { step, epoch } of loader) {
      last = epoch;
      if (step === 51) break;
    }
    expect(last).toBe(10);
  });
});

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

describe('shares of several processes', () => {
  it.each([2, 6, 9])('of %i are parts of the whole, each sample in one', async (count) => {
    const parts: number[][] = [];
    for (let index = 0; index < count; index++) {
      const options = { ...SMALL, batchSize: 1, from: folder, shard: { index, count }, dropLast: false };
      parts.push(numbersOf(await batchesOf(options).catch(empty)));
    }
    expect(ascending(parts.flat())).toEqual(ALL);
    // With more shares than shards samples are dealt, evenly.
    const sizes = parts.map(({ length }) => length);
    if (count > SIZES.length) expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
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

describe('samples', () => {
  it('that are broken, without a picture or a text are left out and counted', async () => {
    const odd = join(root, 'left-out.tar');
    await writeFile(odd, await oddTar('pax'));
    await using loader = await openLoader({ ...SMALL, batchSize: 2, from: odd });
    const batches = await Array.fromAsync(loader);
    const pairs = batches.flatMap(({ keys, texts }) => keys.map((key, i) => [key, texts[i]]));
    expect(pairs.toSorted()).toEqual([
      ['caption', 'from the JSON'],
      ['good', 'a good one'],
    ]);
    expect(loader.counts).toEqual({ samples: 2, undecodable: 1, withoutImage: 1, withoutText: 1 });
  });

  it('of which none is any good end it in one line, endless or not', async () => {
    const none = join(root, 'none.tar');
    await writeFile(none, tarOf([['a.txt', Buffer.from('no picture')]]));
    const { epochs: _, ...endless } = SMALL;
    await expect(batchesOf({ ...endless, from: none })).rejects.toMatchObject({
      code: 'DATASET_EMPTY',
      message: expect.stringMatching(
        /none\.tar: there is nothing to train on: no sample .*1 have no picture/,
      ),
    });
    await writeFile(none, tarOf([]));
    await expect(batchesOf({ ...endless, from: none })).rejects.toThrow(/there is no sample in it\.$/);
    await expect(batchesOf({ ...endless, batchSize: 24, from: folder })).rejects.toThrow(
      /an epoch has 23 samples, fewer than a batch of 24/,
    );
  });

  it.each([
    [
      'cut off',
      (tar: Buffer) => tar.subarray(0, 3000),
      /00000\.tar: the archive is cut off \(at byte \d+\)\. Get the shard again/,
    ],
    [
      'damaged',
      (tar: Buffer) => {
        const at = tar.indexOf(`${keyOf(2)}.png`);
        return Buffer.concat([tar.subarray(0, at), Buffer.alloc(20, 0xff), tar.subarray(at + 20)]);
      },
      /00000\.tar: is not a tar, or a header is damaged \(at byte \d+\)\. Get/,
    ],
    ['no tar', () => Buffer.from('<html>'.repeat(200)), /00000\.tar: is not a tar.*\(at byte 0\)/],
  ])('of a shard that is %s end it in one line with the byte', async (_, spoil, line) => {
    const spoiled = await mkdtemp(join(root, 'spoiled-'));
    await writeFile(join(spoiled, '00000.tar'), spoil(tars[0]!));
    await writeFile(join(spoiled, '00001.tar'), tars[2]!);
    const failed = await batchesOf({ ...SMALL, from: spoiled, workers: 2 }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(GleanerError);
    expect(failed).toMatchObject({ code: 'DAMAGED', exitCode: 1, message: expect.stringMatching(line) });
    expect(String(failed)).not.toContain('\n');
  });
});

describe('tars', () => {
  it('are those of a run, of a release, of a folder, by pattern, with braces and by HTTP', async () => {
    const run = join(root, 'run');
    await mkdir(join(run, 'release', 'images'), { recursive: true });
    await writeTars(join(run, 'release', 'images'), [2, 3]);
    const server = await serve(join(run, 'release', 'images'));
    const inOrder = { ...SMALL, batchSize: 1, shuffle: 0 };
    for (const from of [
      run,
      join(run, 'release'),
      join(run, 'release', 'images'),
      join(run, 'release', 'images', '*.tar'),
      join(run, 'release', 'images', '{00000..00001}.tar'),
      join(run, 'release', 'images', '0000{0,1}.tar'),
      `${server.url}/{00000..00001}.tar`,
      [`${server.url}/00000.tar`, join(run, 'release', 'images', '00001.tar')],
    ])
      expect(numbersOf(await batchesOf({ ...inOrder, from }))).toEqual([0, 1, 2, 3, 4]);
    const [, , third] = await batchesOf({ ...inOrder, shuffle: 2, from: `${server.url}/0000{0..1}.tar` });
    const rest = await batchesOf({
      ...inOrder,
      shuffle: 2,
      from: `${server.url}/0000{0..1}.tar`,
      state: third!.state,
    });
    expect(rest).toHaveLength(2);
    server.close();
  });

  it.each([
    ['nothing', 'nowhere', 'FILE_NOT_FOUND'],
    ['a folder without tars', 'bare', 'FILE_NOT_FOUND'],
    ['a range that lacks one', 'tars/{00000..00009}.tar', 'FILE_NOT_FOUND'],
  ])('that are %s are refused', async (_, name, code) => {
    await expect(openLoader({ ...SMALL, from: join(root, name) })).rejects.toMatchObject({ code });
  });
});

describe('a loader', () => {
  it.each([
    ['batchSize', { batchSize: 0 }],
    ['imageSize', { imageSize: 1.5 }],
    ['shard.index', { shard: { index: 2, count: 2 } }],
    ['workers', { workers: -1 }],
  ])('names the option that is wrong: %s', async (name, wrong) => {
    await expect(openLoader({ ...SMALL, from: folder, ...wrong })).rejects.toThrow(
      `loader: ${name} is a whole number`,
    );
  });

  it('ends with the reason of its signal', async () => {
    const stop = new AbortController();
    const { epochs: _, ...endless } = SMALL;
    await using loader = await openLoader({ ...endless, from: folder, signal: stop.signal });
    const why = new Error('enough');
    await expect(
      (async () => {
        for await (const { step } of loader) if (step === 3) stop.abort(why);
      })(),
    ).rejects.toBe(why);
  });

  it('brings pictures to a square by its middle, or on white', async () => {
    const wide = join(root, 'wide.tar');
    const sharp = (await import('sharp')).default;
    // Red, green, green, blue: 4 × 2 pixels.
    const row = [255, 0, 0, 0, 255, 0, 0, 255, 0, 0, 0, 255];
    const png = await sharp(Uint8Array.from([...row, ...row]), { raw: { width: 4, height: 2, channels: 3 } })
      .png()
      .toBuffer();
    await writeFile(
      wide,
      tarOf([
        ['a.png', png],
        ['a.txt', Buffer.from('a')],
      ]),
    );
    const one = { ...SMALL, batchSize: 1, from: wide };
    const [crop] = await batchesOf({ ...one, imageSize: 2 });
    expect([...crop!.images]).toEqual([0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]);
    const [border] = await batchesOf({ ...one, imageSize: 4, fit: 'border' });
    const red = [255, 0, 0, 0];
    const white = [255, 255, 255, 255];
    expect([...border!.images].slice(0, 16)).toEqual([...white, ...red, ...red, ...white]);
  });
});

/** What a shard is that has no batch: nothing. */
function empty(error: unknown): Batch[] {
  if (error instanceof GleanerError && error.code === 'DATASET_EMPTY') return [];
  throw error;
}

/** Two samples that are good, one of them with its caption in JSON, and three that are not. */
async function oddTar(names: Names): Promise<Buffer> {
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  return tarOf(
    [
      ['good.png', await pictureOf(1)],
      ['good.txt', Buffer.from('a good one')],
      ['broken.jpg', Buffer.from('no JPEG at all')],
      ['broken.txt', Buffer.from('its picture is broken')],
      ['silent.png', await pictureOf(2)],
      ['silent.json', json({ caption: 7 })],
      ['blind.txt', Buffer.from('no picture')],
      ['caption.png', await pictureOf(3)],
      ['caption.json', json({ caption: 'from the JSON' })],
    ],
    names,
  );
}

/** A server of the files of a folder, with ranges. */
async function serve(folder: string) {
  const { readFile } = await import('node:fs/promises');
  const server = createServer((request, response) => {
    void readFile(join(folder, request.url ?? '')).then((bytes) => {
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      const start = Number(from ?? 0);
      const end = to ? Number(to) + 1 : bytes.length;
      const part = bytes.subarray(start, end);
      response.writeHead(from === undefined ? 200 : 206, {
        'content-length': part.length,
        ...(from !== undefined && {
          'content-range': `bytes ${start}-${start + part.length - 1}/${bytes.length}`,
        }),
      });
      response.end(request.method === 'HEAD' ? undefined : part);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
