import { spawnSync } from 'node:child_process';
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner, ROOT, startGleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';

let folder: string;
let crawl: SmallCrawl;
let recipe: string;
/** A run that is whole. */
let good: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-refused-'));
  crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 2, pagesPerWat: 6 });
  recipe = join(folder, 'small.yaml');
  await writeFile(
    recipe,
    `${await readFile(join(ROOT, 'src/config/recipes/everything.yaml'), 'utf8')}\nharvest: { pairsPerTask: 20 }\nrelease: { parts: 3 }\n`,
  );
  good = join(folder, 'good');
  expect(await gleaner(args(good))).toMatchObject({ code: 0 });
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

function args(out: string): string[] {
  return [
    ...['run', '--recipe', recipe, '--images-from', crawl.archive, '--out', out, '--workers', '2'],
    ...['--wat', ...crawl.wats],
  ];
}

/** The run in a folder of its own, with a release of before in which each file is another: all of it is to be made again. */
async function copyToRelease(name: string): Promise<string> {
  const out = join(folder, name);
  await cp(good, out, { recursive: true });
  await rm(join(out, 'tasks/release'), { recursive: true });
  for (const path of Object.keys(await treeOf(join(out, 'release'))))
    await appendFile(join(out, 'release', path), 'before');
  return out;
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

async function pendingFiles(out: string): Promise<string[]> {
  return (await readdir(out, { recursive: true })).filter((path) => path.includes('.pending-'));
}

describe('a release that cannot be made', () => {
  it.each(['rows.parquet', 'images.tar', 'img_emb.npy', 'text_emb.npy'])(
    'of a shard whose %s has one other bit is refused, and the one before stays',
    async (name) => {
      const out = await copyToRelease(`flipped-${name}`);
      const [, shard = ''] = (await readdir(join(out, 'harvest'))).sort();
      await flip(join(out, 'harvest', shard, name));
      const before = await treeOf(join(out, 'release'));
      const { code, stderr } = await gleaner(args(out));
      expect(code).toBe(1);
      expect(stderr.trim().split('\n').at(-1)).toMatch(
        new RegExp(`release/0000\\d: .*${shard}/${name}: (its content has changed|.*cannot be read)`),
      );
      expect(stderr).not.toMatch(/^ +at /m);
      expect(await treeOf(join(out, 'release'))).toEqual(before);
      expect(await pendingFiles(out)).toEqual([]);
      // What it says is what helps.
      await rm(join(out, 'harvest', shard), { recursive: true });
      expect(await gleaner(args(out))).toMatchObject({ code: 0 });
      expect(await treeOf(join(out, 'release'))).toEqual(await treeOf(join(good, 'release')));
    },
    60_000,
  );

  it('of a shard that is gone or short is made after that shard was harvested again', async () => {
    const out = await copyToRelease('gone');
    const [first = '', second = ''] = (await readdir(join(out, 'harvest'))).sort();
    await rm(join(out, 'harvest', first), { recursive: true });
    await writeFile(join(out, 'harvest', second, 'images.tar'), 'short');
    expect(await gleaner(args(out))).toMatchObject({ code: 0 });
    expect(await treeOf(join(out, 'release'))).toEqual(await treeOf(join(good, 'release')));
  }, 60_000);

  it('on a disk that fills up leaves the one before whole, and goes on when there is room', async (test) => {
    const out = await copyToRelease('full');
    const mount = join(folder, 'tmpfs');
    await mkdir(mount);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', mount]).status !== 0)
      return test.skip('this system lets us mount no small disk');
    try {
      const run = join(mount, 'run');
      await cp(out, run, { recursive: true });
      const before = await treeOf(join(run, 'release'));
      const spare = join(mount, 'spare');
      // All but 40 kB: less than a part takes.
      const { status } = spawnSync('sh', [
        '-c',
        `head -c $(($(df --output=avail -B1 "${mount}" | tail -1) - 40960)) /dev/zero > "${spare}"`,
      ]);
      expect(status).toBe(0);
      const { code, stderr } = await gleaner(args(run));
      expect(code).toBe(1);
      expect(stderr.trim().split('\n').at(-1)).toMatch(
        /^gleaner: release\/0000\d: .*release\.new\/.*: there is no room left for it \(ENOSPC\)\. Make room/,
      );
      expect(await treeOf(join(run, 'release'))).toEqual(before);
      expect(await pendingFiles(run)).toEqual([]);
      await rm(spare);
      expect(await gleaner(args(run))).toMatchObject({ code: 0 });
      expect(await treeOf(join(run, 'release'))).toEqual(await treeOf(join(good, 'release')));
      expect((await verifyRun(fileStorage(run))).problems).toEqual([]);
    } finally {
      spawnSync('umount', [mount]);
    }
  }, 60_000);

  it('is told by verify, which calls the one before what it is', async () => {
    const out = await copyToRelease('begun');
    await mkdir(join(out, 'release.new/metadata'), { recursive: true });
    await writeFile(join(out, 'release.new/metadata/metadata_0.parquet'), 'begun');
    const { code, stdout } = await gleaner(['verify', out]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^release: is that of before; a new one was begun and is not whole/m);
  });
});

it('two runs into one folder: the second is refused, and the first ends well', async () => {
  const out = join(folder, 'two');
  const first = startGleaner(args(out));
  const ended = new Promise<number | null>((resolve) => first.once('exit', resolve));
  // From its first line on, which tells of its progress, it works in the folder.
  await new Promise((resolve) => first.stderr?.once('data', resolve));
  const { code, stderr } = await gleaner(args(out));
  expect(code).toBe(1);
  expect(stderr).toMatch(/^gleaner: .*two: another gleaner \(process \d+\) is working in this folder\.$/m);
  expect(await ended).toBe(0);
  expect(await treeOf(join(out, 'release'))).toEqual(await treeOf(join(good, 'release')));
}, 60_000);
