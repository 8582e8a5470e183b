import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRecipe } from '../../src/config/index.ts';
import type { Bundle } from '../../src/executors/fleet/fleet-spec.ts';
import { BundleCache } from '../../src/executors/fleet/worker/bundle-cache.ts';
import { fetchOfFleet, roundedFleet } from '../../src/executors/fleet/worker/domain-share.ts';
import { blameFor } from '../../src/executors/fleet/worker/failure.ts';
import { residentBytes } from '../../src/executors/fleet/worker/memory.ts';
import { MemoryWatch } from '../../src/executors/fleet/worker/memory-watch.ts';
import { slotsFor } from '../../src/executors/fleet/worker/stage-needs.ts';
import { errorOf } from '../../src/executors/problem.ts';
import { GleanerError } from '../../src/schema/index.ts';
import { partOf } from '../../src/stages/intake.ts';
import { fileStorage } from '../../src/storage/index.ts';

const MIB = 1 << 20;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-parts-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('copies of what a run names', () => {
  const { signal } = new AbortController();
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

  /** A model of two files, as a submission leaves it. */
  async function submitted(name: string, weights: string) {
    const storage = fileStorage(join(folder, name));
    const files = { 'config.json': '{}', 'onnx/model.onnx': weights };
    for (const [path, text] of Object.entries(files)) await storage.put(`submitted/0123/clip/${path}`, text);
    const bundle: Bundle = {
      named: '/home/me/clip',
      stored: 'submitted/0123/clip',
      files: Object.entries(files).map(([path, text]) => ({
        path,
        bytes: text.length,
        sha256: sha256(text),
      })),
    };
    return { storage, bundle };
  }

  it('are made once, whole, by however many ask', async () => {
    const { storage, bundle } = await submitted('once', 'weights');
    const cache = join(folder, 'cache');
    const two = [new BundleCache(cache), new BundleCache(cache)];
    const paths = await Promise.all(
      two.flatMap((one) => [1, 2].map(() => one.bring(storage, bundle, signal))),
    );
    expect(new Set(paths).size).toBe(1);
    const [path = ''] = paths;
    expect(path.endsWith('/clip')).toBe(true);
    expect(await readFile(join(path, 'onnx/model.onnx'), 'utf8')).toBe('weights');
    expect(await readdir(cache)).toHaveLength(1);
    // Nothing is asked of the storage any more.
    await storage.remove('submitted');
    expect(await two[0]?.bring(storage, bundle, signal)).toBe(path);
  });

  it('of what is not what was submitted are refused, and not kept', async () => {
    const { storage, bundle } = await submitted('damaged', 'heavier');
    await storage.put('submitted/0123/clip/onnx/model.onnx', 'lighter');
    const cache = join(folder, 'damaged-cache');
    await expect(new BundleCache(cache).bring(storage, bundle, signal)).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringContaining('/home/me/clip'),
    });
    expect(await readdir(cache)).toEqual([]);
  });

  it('that were used the longest time ago go first, and what may be in use stays', async () => {
    const cache = join(folder, 'small-cache');
    const small = new BundleCache(cache, { maxBytes: 10 });
    const paths = [];
    for (const name of ['a', 'b', 'c']) {
      const { storage, bundle } = await submitted(name, `weights ${name}`);
      paths.push(await small.bring(storage, bundle, signal));
    }
    expect(await readdir(cache)).toHaveLength(3);
    const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000);
    for (const [i, path] of paths.entries()) await utimes(join(path, '..'), hoursAgo(4 - i), hoursAgo(4 - i));
    await utimes(join(paths[1] ?? '', '..'), new Date(), new Date());
    const { storage, bundle } = await submitted('d', 'weights d');
    const last = await small.bring(storage, bundle, signal);
    const there = await Promise.all(
      [...paths, last].map((path) =>
        stat(path).then(
          () => true,
          () => false,
        ),
      ),
    );
    expect(there).toEqual([false, true, false, true]);
  });
});

describe('memory', () => {
  /** A process that holds so many bytes, all of them written to. */
  async function holding(bytes: number) {
    const file = join(folder, `holding-${bytes}.mjs`);
    await writeFile(
      file,
      `globalThis.held = Buffer.alloc(${bytes}, 1); process.send('ready'); process.on('disconnect', () => process.exit());`,
    );
    const child = fork(file);
    await once(child, 'message');
    return { child, pid: child.pid ?? 0, end: () => child.kill('SIGKILL') };
  }

  it('of processes is what they hold, and of one that is gone nothing', async () => {
    const [small, large] = await Promise.all([holding(MIB), holding(200 * MIB)]);
    const sizes = await residentBytes([small.pid, large.pid, 2 ** 30]);
    const more = (sizes.get(large.pid) ?? 0) - (sizes.get(small.pid) ?? 0);
    expect(more).toBeGreaterThan(150 * MIB);
    expect(more).toBeLessThan(250 * MIB);
    expect(sizes.size).toBe(2);
    small.end();
    large.end();
    await Promise.all([once(small.child, 'exit'), once(large.child, 'exit')]);
    expect((await residentBytes([small.pid, large.pid])).size).toBe(0);
  });

  it('that is short is made by ending the process that has most of it', { timeout: 30_000 }, async () => {
    const [small, large] = await Promise.all([holding(MIB), holding(400 * MIB)]);
    const ended: unknown[] = [];
    let room = 0;
    using watch = new MemoryWatch({
      limitBytes: process.memoryUsage.rss() + 350 * MIB,
      onOver: (grown) => ended.push(grown?.pid),
      onRoom: () => room++,
    });
    for (const { pid, end } of [small, large]) watch.add({ pid, end });
    await watch.look();
    expect({ ended, tight: watch.tight }).toEqual({ ended: [large.pid], tight: true });
    large.end();
    await once(large.child, 'exit');
    await watch.look();
    expect({ ended, tight: watch.tight, room }).toEqual({ ended: [large.pid], tight: false, room: 1 });
    small.end();
  });

  it('says how many tasks go side by side: one at least, no more than asked for', () => {
    expect(slotsFor(['extract', 'dedup'], 16, 64 * 1024 * MIB)).toBe(16);
    expect(slotsFor(['extract'], 16, 1024 * MIB)).toBeLessThan(16);
    expect(slotsFor(['extract', 'harvest'], 16, 8192 * MIB)).toBeLessThan(
      slotsFor(['extract'], 16, 8192 * MIB),
    );
    expect(slotsFor(['harvest'], 16, 100 * MIB)).toBe(1);
  });
});

describe('the limits of a domain', () => {
  const { fetch } = loadRecipe('laion400m');

  it('hold for all machines together, but for one request a process', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 0, max: 10_000 }),
        (slots, machines, perDomainConcurrency, perDomainIntervalMs) => {
          const everywhere = slots * machines;
          const mine = fetchOfFleet(
            { ...fetch, perDomainConcurrency, perDomainIntervalMs },
            slots,
            everywhere,
          );
          const atOnce = everywhere * partOf(mine.perDomainConcurrency, slots);
          expect(atOnce).toBeLessThanOrEqual(Math.max(perDomainConcurrency, everywhere));
          // A machine's interval is parted among its processes by openWeb: each waits `slots` times as long.
          const aSecond = everywhere * (1_000 / (mine.perDomainIntervalMs * slots));
          expect(aSecond).toBeLessThanOrEqual((1_000 / perDomainIntervalMs) * 1.000_001);
        },
      ),
    );
  });

  it('change with a fleet that doubles, not with each worker', () => {
    const seen = new Set<number>();
    let fleet = 1;
    for (let slots = 1; slots <= 1_000; slots++) {
      fleet = roundedFleet(slots, fleet);
      expect(fleet).toBeGreaterThanOrEqual(slots);
      seen.add(fleet);
    }
    expect([...seen]).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
    expect(roundedFleet(513, 1024)).toBe(1024);
    expect(roundedFleet(257, 1024)).toBe(1024);
    expect(roundedFleet(256, 1024)).toBe(256);
  });
});

describe('whose an error is', () => {
  const own = 's3://ours/run';
  const refused = (path: string) =>
    new GleanerError('STORAGE_REFUSED', { path, problem: 'these credentials may not do that', hint: '' });
  const failed = (problem: string) => new GleanerError('FILE_FAILED', { path: '/x', problem });

  it.each([
    ['a full disk', new GleanerError('DISK_FULL', { path: '/x', problem: 'ENOSPC' }), 'machine'],
    [
      'told by a process',
      errorOf({ told: failed('(EROFS)').toPlain(), problem: 'x' }, 'harvest/1'),
      'machine',
    ],
    ["the run's own bucket", refused('s3://ours/run/pairs/00000.parquet'), 'machine'],
    ["somebody else's bucket", refused('s3://theirs/a.warc.wat.gz'), 'task'],
    ['a folder that may not be written', failed('permission denied (EACCES)'), 'machine'],
    ['a connection that broke', failed('read (ECONNRESET)'), 'task'],
    ['a model that is none', new GleanerError('MODEL_INVALID', { path: '/x', problem: 'none' }), 'run'],
    ['damaged input', new GleanerError('DAMAGED', { path: '/x', problem: 'ends early' }), 'task'],
    ['a defect', new TypeError('undefined is no function'), 'task'],
  ])('%s', (_, error, blame) => {
    expect(blameFor(error, own)).toBe(blame);
  });
});
