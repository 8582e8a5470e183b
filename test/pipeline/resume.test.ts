import { once } from 'node:events';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';

const KILLS = 5;

describe('a run that is killed', () => {
  let folder: string;
  let crawl: SmallCrawl;
  let recipe: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-resume-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 4, pagesPerWat: 12 });
    recipe = join(folder, 'small.yaml');
    // Small tasks and several buckets: many moments to be killed between.
    await writeFile(
      recipe,
      'name: small\nharvest: { pairsPerTask: 20 }\ndedup: { watBytesPerBucket: 2000 }\nrelease: { parts: 8 }\n',
    );
  });

  const args = (out: string) => [
    'run',
    ...[
      '--recipe',
      recipe,
      '--wat',
      ...crawl.wats,
      '--images-from',
      crawl.archive,
      '--out',
      out,
      '--workers',
      '2',
    ],
  ];

  it(`at ${KILLS} random moments ends byte for byte as an undisturbed one`, {
    timeout: 240_000,
  }, async () => {
    const undisturbed = join(folder, 'undisturbed');
    const began = performance.now();
    expect(await gleaner(args(undisturbed))).toMatchObject({ code: 0 });
    const took = performance.now() - began;
    const expected = await treeOf(join(undisturbed, 'release'));
    expect(Object.keys(expected)).toContain('metadata/metadata_7.parquet');

    const killed = join(folder, 'killed');
    const moments: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const run = startGleaner(args(killed));
      const moment = Math.random() * took * 0.9;
      moments.push(Math.round(moment));
      const timer = setTimeout(() => run.kill('SIGKILL'), moment);
      await once(run, 'exit');
      clearTimeout(timer);
    }
    const context = `killed after ${moments.join(', ')} ms of ${Math.round(took)}`;
    const last = await gleaner(args(killed));
    expect(last, context).toMatchObject({ code: 0 });
    expect(await treeOf(join(killed, 'release')), context).toEqual(expected);
    expect((await verifyRun(fileStorage(killed))).problems, context).toEqual([]);
    // Nothing half-written is left anywhere, and one harvest a task.
    const left = await readdir(killed, { recursive: true });
    expect(
      left.filter((path) => /\.pending-|\.lock/.test(path)),
      context,
    ).toEqual([]);
    const harvests = (await readdir(join(killed, 'harvest'))).map((name) => name.slice(0, 5));
    expect(new Set(harvests).size, context).toBe(harvests.length);
  });

  it('does nothing again when it is whole', async () => {
    const out = join(folder, 'undisturbed');
    const before = await treeOf(out);
    expect(await gleaner(args(out))).toMatchObject({ code: 0 });
    expect(await treeOf(out)).toEqual(before);
  });

  it('redoes a task whose file is gone', async () => {
    const out = join(folder, 'undisturbed');
    const before = await treeOf(join(out, 'release'));
    await fileStorage(out).remove('release/metadata/metadata_3.parquet');
    expect(await gleaner(args(out))).toMatchObject({ code: 0 });
    expect(await treeOf(join(out, 'release'))).toEqual(before);
  });
});
