import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLoader } from '../../src/loader/index.ts';
import { GleanerError } from '../../src/schema/index.ts';
import { openStorage } from '../../src/storage/index.ts';
import { tarOf } from '../embed/datasets.ts';
import { startS3, useS3 } from '../support/s3-server.ts';
import {
  ALL,
  ascending,
  batchesOf,
  captionOf,
  colourOf,
  empty,
  keyOf,
  numbersOf,
  oddTar,
  plain,
  SIZES,
  SMALL,
  serve,
  writeTars,
} from './datasets.ts';

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

  it('are those below a prefix of an S3, whole or from a state on', async () => {
    await using server = await startS3();
    using _asked = useS3(server);
    const storage = openStorage(`s3://${server.bucket}/run`);
    for (const [i, tar] of tars.entries()) await storage.put(`release/images/0000${i}.tar`, tar);
    const local = { ...SMALL, from: folder, shuffle: 5, dropLast: false };
    const whole = await batchesOf({ ...local, from: `s3://${server.bucket}/run` });
    expect(numbersOf(whole)).toEqual(numbersOf(await batchesOf(local)));
    const state = whole[2]!.state;
    const rest = await batchesOf({ ...local, from: `s3://${server.bucket}/run`, state });
    expect(plain(rest)).toEqual(plain(whole.slice(3)));
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
