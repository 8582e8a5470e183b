import { once } from 'node:events';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLoader } from '../../src/loader/index.ts';
import { verifyRun } from '../../src/pipeline/index.ts';
import { openStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner, ROOT, startGleaner } from '../support/gleaner.ts';
import { type S3Server, startS3, useS3 } from '../support/s3-server.ts';
import { storedTree } from '../support/s3-tree.ts';
import { treeOf } from '../support/tree.ts';

describe('a run on S3', () => {
  let folder: string;
  let crawl: SmallCrawl;
  let server: S3Server;
  let env: Disposable;
  let recipe: string;
  let local: string;
  let remote: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-s3-run-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 3, pagesPerWat: 10 });
    recipe = join(folder, 'small.yaml');
    await writeFile(
      recipe,
      'name: small\nharvest: { pairsPerTask: 50 }\nscore: { minSimilarity: 0.1 }\nrelease: { parts: 3 }\n',
    );
    server = await startS3();
    env = useS3(server);
    local = join(folder, 'local');
    remote = `s3://${server.bucket}/runs/remote`;
    const inputs = openStorage(`s3://${server.bucket}/crawl`);
    for (const path of [...crawl.wats, crawl.archive]) await inputs.put(basename(path), await readFile(path));
  });

  afterAll(async () => {
    env[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  const run = (out: string, at = (path: string) => path) => {
    const inputs = ['--wat', ...crawl.wats.map(at), '--images-from', at(crawl.archive)];
    return gleaner(['run', '--recipe', recipe, ...inputs, '--out', out, '--workers', '2']);
  };
  /** Pairs, embeddings and images of a release, by the digests of their files. */
  const dataOf = async (out: string) => {
    const tree = await storedTree(openStorage(out), 'release');
    return Object.entries(tree).filter(([path]) => /\.(parquet|npy|tar)$/.test(path));
  };
  const onS3 = (path: string) => `s3://${server.bucket}/crawl/${basename(path)}`;

  it('with its inputs there, leaves byte for byte what one in a folder leaves', async () => {
    expect(await run(local)).toMatchObject({ code: 0 });
    expect(await run(remote, onS3)).toMatchObject({ code: 0, stderr: expect.any(String) });
    const storage = openStorage(remote);
    expect(await storedTree(storage, 'release')).toEqual(await treeOf(join(local, 'release')));
    expect(await server.uploads()).toEqual([]);
    const names = await storage.list('');
    expect(names.filter((name) => /lock|pending/.test(name))).toEqual([]);
  }, 120_000);

  it('is verified, explained, counted, carded, retried and taken down from as one in a folder', async () => {
    for (const args of [
      ['verify'],
      ['explain', 'http://img.example/3.png'],
      ['stats', '--sweep'],
      ['stats', '--json'],
    ]) {
      const [command = '', ...rest] = args;
      const there = await gleaner([command, remote, ...rest]);
      const here = await gleaner([command, local, ...rest]);
      expect(there).toMatchObject({ code: 0 });
      if (rest[0] !== '--json') expect(there.stdout).toBe(here.stdout);
      else
        expect({ ...JSON.parse(there.stdout), costs: 0 }).toEqual({ ...JSON.parse(here.stdout), costs: 0 });
    }
    const change = async (...args: string[]) => {
      const [command = '', ...rest] = args;
      for (const root of [local, remote])
        expect(await gleaner([command, root, ...rest]), `${args} ${root}`).toMatchObject({ code: 0 });
      expect(await storedTree(openStorage(remote), 'release'), `${args}`).toEqual(
        await treeOf(join(local, 'release')),
      );
    };
    await change('card', '--contact', 'x@example.com');
    await change('retry', '--reason', 'not_archived', '--workers', '1');
    await change('remove', '--url', 'http://img.example/3.png', '--reason', 'asked for');
    const { stdout } = await gleaner(['explain', remote, 'http://img.example/3.png']);
    expect(stdout).toMatch(/taken down on .* asked for/);
    expect(await gleaner(['verify', remote])).toMatchObject({ code: 0 });
  }, 240_000);

  it('is parted for training, read by the loader and made a subset of by a split as one in a folder', async () => {
    const shares = ['--shares', 'train=0.7,test=0.3', '--distance', '0', '--seed', '3'];
    const read = async (out: string) => {
      const split = { file: `${out}/split/split.parquet`, name: 'test' };
      const options = { batchSize: 4, imageSize: 8, epochs: 1, dropLast: false, workers: 1 };
      await using loader = await openLoader({ from: out, split, ...options });
      const keys: string[] = [];
      for await (const batch of loader) keys.push(...batch.keys);
      return keys;
    };
    const subset = async (out: string) => {
      const options = ['--split', 'test', '--workers', '1', '--out', `${out}-test`];
      expect(await gleaner(['subset', out, ...options])).toMatchObject({ code: 0 });
      return dataOf(`${out}-test`);
    };
    const all = [];
    for (const out of [local, remote]) {
      const made = await gleaner(['split', out, ...shares]);
      expect(made.code, made.stderr).toBe(0);
      all.push([await storedTree(openStorage(out), 'split'), await read(out), await subset(out)]);
    }
    expect(all[1]).toEqual(all[0]);
    expect(all[0]?.[1]).not.toHaveLength(0);
  }, 120_000);

  it('is what a subset is made of, and earlier runs are seen there', async () => {
    const subset = `s3://${server.bucket}/subset`;
    const where = ['--where', 'similarity > 0.2', '--workers', '1'];
    expect(await gleaner(['subset', remote, ...where, '--out', subset])).toMatchObject({ code: 0 });
    expect(await gleaner(['subset', local, ...where, '--out', join(folder, 'subset')])).toMatchObject({
      code: 0,
    });
    expect(await dataOf(subset)).toEqual(await dataOf(join(folder, 'subset')));
    expect((await gleaner(['subset', remote, ...where, '--out', `${remote}/x`])).stderr).toMatch(/is inside/);
    const wats = ['--wat', ...crawl.wats.map(onS3)];
    const pairs = `s3://${server.bucket}/pairs`;
    expect(await gleaner(['extract', ...wats, '--out', pairs])).toMatchObject({ code: 0 });
    const seen = await gleaner(['dedup', '--pairs', pairs, '--out', pairs, '--seen', remote]);
    expect(seen).toMatchObject({ code: 0, stdout: expect.stringMatching(/→ 0 unique pairs/) });
  }, 120_000);

  it('says in one line what needs a disk of this machine, and leaves none in its place', async () => {
    for (const args of [
      ['index', remote],
      ['serve', remote],
      ['review', remote],
      ['embed', folder, '--out', remote],
      ['download', '--urls', crawl.wats[0] ?? '', '--input-format', 'txt', '--out', remote],
    ]) {
      const { code, stderr } = await gleaner(args);
      expect(code, stderr).toBe(2);
      expect(stderr.trim().split('\n'), args.join(' ')).toEqual([
        expect.stringMatching(/s3:\/\/.*this needs a folder of this machine/),
      ]);
    }
    expect(await readdir(ROOT)).not.toContain('s3:');
  }, 60_000);

  it('killed at random moments, on a store that drops connections and says SlowDown, ends as one in a folder', async () => {
    const out = `s3://${server.bucket}/killed`;
    const expected = join(folder, 'undisturbed');
    expect(await run(expected)).toMatchObject({ code: 0 });
    const args = ['--images-from', crawl.archive, '--out', out, '--workers', '2'];
    for (const moment of [1200, 2500, 4000, 6000]) {
      server.fault(moment % 1000 === 0 ? 'drop' : 'slow-down', 0.02);
      const child = startGleaner(['run', '--recipe', recipe, '--wat', ...crawl.wats, ...args]);
      const timer = setTimeout(() => child.kill('SIGKILL'), moment);
      await once(child, 'exit');
      clearTimeout(timer);
    }
    server.fault('drop', 0.02);
    expect(await run(out)).toMatchObject({ code: 0 });
    server.fault(undefined);
    const storage = openStorage(out);
    expect(await storedTree(storage, 'release')).toEqual(await treeOf(join(expected, 'release')));
    expect((await verifyRun(storage)).problems).toEqual([]);
    expect(await server.uploads()).toEqual([]);
    expect((await storage.list('')).filter((name) => /lock|pending|release\.new/.test(name))).toEqual([]);
    const harvests = (await storage.list('harvest')).map((path) => path.split('/')[1]);
    expect(new Set(harvests).size).toBe((await storage.list('tasks/harvest')).length);
  }, 240_000);
});
