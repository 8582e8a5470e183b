import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { openStep } from '../../examples/autodiff/index.ts';
import { batchesOf } from '../../examples/train-clip/data.ts';
import { openModel } from '../../examples/train-clip/embedder.ts';
import { evaluate } from '../../examples/train-clip/evaluate.ts';
import { writeModelFolder } from '../../examples/train-clip/export.ts';
import { clip } from '../../examples/train-clip/model.ts';
import { readOptions } from '../../examples/train-clip/options.ts';
import { train } from '../../examples/train-clip/train.ts';
import { gzipMember, readNpyRows } from '../../src/formats/index.ts';
import { openFile } from '../../src/storage/index.ts';
import { checkpointOf } from '../support/checkpoint.ts';
import { imageResponse, watRecord } from '../support/crawl.ts';
import { gleaner, ROOT } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';
import { learnByHeart, TINY } from './made-model.ts';
import { madeCaption, madePairs, madePng } from './made-pictures.ts';

const COUNT = 30;
const SMALL = ['--size', 'tiny', '--steps', '40', '--batch', '8', '--threads', '1', '--memory', '0'];
const silent = () => undefined;

let folder: string;
let model: string;
let run: string;
/** A training that nothing disturbed. */
let whole: string;
let learnt: Awaited<ReturnType<typeof learnByHeart>>;
const pairs = madePairs(COUNT, TINY.side);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-train-clip-'));
  [model, run] = [join(folder, 'model'), join(folder, 'run')];
  const numbers = [...Array(COUNT).keys()];
  const url = (n: number) => `http://img.example/${n}.png`;
  const shown = numbers.map((n) => ({ url: url(n), alt: madeCaption(n) }));
  const images = await Promise.all(numbers.map(async (n) => imageResponse(url(n), await madePng(n))));
  const [wat, archive] = [join(folder, 'c.warc.wat.gz'), join(folder, 'i.warc.gz')];
  await writeFile(wat, gzipMember(watRecord('http://site.example/', shown)));
  await writeFile(archive, Buffer.concat(images));
  learnt = await learnByHeart(pairs);
  writeModelFolder(model, learnt);
  const args = ['--recipe', 'everything', '--wat', wat, '--images-from', archive, '--model', model];
  expect(await gleaner(['run', ...args, '--out', run])).toMatchObject({ code: 0 });
  whole = join(folder, 'whole');
  await train(optionsOf([run, ...SMALL, '--out', whole]), silent);
});

it('learns pairs by heart, and gleaner embeds them with what was exported as the training did', async () => {
  const { losses } = learnt;
  // It begins by knowing nothing: each picture may be of any of the captions.
  expect(losses[0]).toBeGreaterThan(Math.log(COUNT) - 0.7);
  expect(losses.at(-1)).toBeLessThan(0.1);
  const exported = await openModel(model, TINY.side);
  const step = await openStep(
    (graph) => {
      const { loss, images, texts } = clip(graph, COUNT, learnt.encoder.size, TINY);
      return { loss, outputs: { images, texts } };
    },
    learnt.parameters,
    { threads: 1 },
  );
  const { outputs } = await step.run(learnt.feeds);
  await step.close();
  const farthest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
    Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
  const [images, texts] = [await exported.images(pairs.images), await exported.texts(pairs.texts)];
  expect(images).toHaveLength(COUNT * TINY.dimension);
  expect(farthest(images, outputs.images as Float32Array)).toBeLessThan(1e-4);
  expect(farthest(texts, outputs.texts as Float32Array)).toBeLessThan(1e-4);
  const { retrieval } = await evaluate(exported, pairs);
  expect([retrieval.textToImage.at1, retrieval.imageToText.at1]).toEqual([100, 100]);
  await exported.close();
});

it('scores and indexes a release with what was trained', async () => {
  const read = async (kind: string) => {
    const folder = join(run, 'release', `${kind}_emb`);
    const parts = [];
    for (const name of (await readdir(folder)).sort()) {
      const source = await openFile(join(folder, name));
      parts.push(...(await readNpyRows(source)));
      await source.close();
    }
    return parts;
  };
  const [images, texts] = [await read('img'), await read('text')];
  const dims = TINY.dimension;
  expect([images.length, texts.length]).toEqual([COUNT * dims, COUNT * dims]);
  const similarity = (text: number, image: number) =>
    Array.from({ length: dims }, (_, i) => texts[text * dims + i]! * images[image * dims + i]!).reduce(
      (a, b) => a + b,
    );
  const rows = [...Array(COUNT).keys()];
  const found = rows.filter((row) => rows.every((other) => similarity(row, other) <= similarity(row, row)));
  expect(found.length).toBeGreaterThan(0.8 * COUNT); // by chance it would be one

  expect(await gleaner(['index', run])).toMatchObject({ code: 0 });
  const index = JSON.parse(await readFile(join(run, 'index', 'index.json'), 'utf8'));
  expect(index).toMatchObject({ rows: COUNT });
});

const optionsOf = (args: readonly string[]) => {
  const options = readOptions(args);
  if (!options) throw new Error('no help was asked for');
  return options;
};
const checkpointIn = (out: string) => checkpointOf(join(out, 'checkpoint.safetensors'));
const measuresOf = async (out: string) =>
  JSON.parse(await readFile(join(out, 'metrics.json'), 'utf8')).measures;

/** Starts a training that writes a checkpoint behind each step, and stops it by a signal as soon as there is one. */
async function stopAtFirstCheckpoint(args: readonly string[], out: string, signal: 'SIGINT' | 'SIGKILL') {
  await mkdir(out, { recursive: true });
  const watcher = watch(out);
  const child: ChildProcess = spawn(process.execPath, [join(ROOT, 'examples/train-clip/train.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout?.on('data', (chunk) => {
    printed += chunk;
  });
  watcher.on('change', (_, name) => {
    if (name !== 'checkpoint.safetensors') return;
    watcher.close();
    child.kill(signal);
  });
  const [code] = await once(child, 'exit');
  return { code, printed };
}

it('goes on to the same weights and figures after Ctrl-C and after kill -9, streamed', async () => {
  const broken = join(folder, 'broken');
  const args = [run, ...SMALL, '--checkpoint-every', '0', '--out', broken];
  const asked = await stopAtFirstCheckpoint(args, broken, 'SIGINT');
  expect(asked.printed).toMatch(/stopped at step \d+; the same command goes on/);
  expect(asked.code).toBe(130);
  const { code } = await stopAtFirstCheckpoint(args, broken, 'SIGKILL');
  expect([code, existsSync(join(broken, 'metrics.json'))]).toEqual([null, false]);
  await train(optionsOf(args), silent);
  expect(checkpointIn(broken)).toEqual(checkpointIn(whole));
  expect(await measuresOf(broken)).toEqual(await measuresOf(whole));
});

it('deals batches out of memory: each pair once in an epoch, in another order in the next, from any step on', async () => {
  const pairs = madePairs(7, 4);
  const options = { dir: run, file: '', side: 4, workers: 0, batchSize: 3, seed: 1 };
  const take = async (count: number, state?: unknown) => {
    const keys: string[] = [];
    for await (const batch of batchesOf(pairs, true, { ...options, ...(state !== undefined && { state }) })) {
      const row = Number(batch.keys[0]) * 48;
      expect(batch.images.subarray(0, 48)).toEqual(pairs.images.subarray(row, row + 48));
      keys.push(batch.keys.join());
      if (keys.length === count) return { keys, state: batch.state };
    }
    throw new Error('batches do not end');
  };
  const { keys } = await take(4);
  expect(new Set([keys[0], keys[1]].join().split(',')).size).toBe(6);
  expect(keys.slice(2)).not.toEqual(keys.slice(0, 2));
  const { state } = await take(1);
  expect((await take(3, state)).keys).toEqual(keys.slice(1));
  const many = batchesOf(pairs, true, { ...options, batchSize: 8 })[Symbol.asyncIterator]();
  await expect(many.next()).rejects.toThrow('7 pairs, fewer than a batch of 8: make it smaller (--batch)');
});

it('stops with one line at what it cannot go on with, and keeps the checkpoint', async () => {
  const start = (...args: string[]) => train(optionsOf([run, ...SMALL, '--out', whole, ...args]), silent);
  const kept = async () => (await treeOf(whole))['checkpoint.safetensors'];
  const before = await kept();
  await expect(start('--seed', '2')).rejects.toMatchObject({ code: 'RUN_MISMATCH' });
  await expect(start('--memory', '1')).rejects.toMatchObject({ code: 'RUN_MISMATCH' });
  await expect(start('--split', join(folder, 'none.parquet'))).rejects.toMatchObject({
    code: 'FILE_NOT_FOUND',
  });
  await expect(start('--out', join(folder, 'exploded'), '--rate', '1e30')).rejects.toThrow(
    /^step \d+: the (loss|gradient) is (NaN|-?Infinity)/,
  );
  const tars = join(run, 'release', 'images');
  for (const name of await readdir(tars)) await truncate(join(tars, name), 600);
  await expect(start()).rejects.toMatchObject({ code: 'DAMAGED' });
  expect(before).toBeDefined();
  expect(await kept()).toBe(before);
});
