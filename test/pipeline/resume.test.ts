import { once } from 'node:events';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';

/** GLEANER_KILLS=50 for more of them. */
const KILLS = Number(process.env.GLEANER_KILLS ?? 5);
/** Of a run that is fetched apart. */
const KILLS_APART = Number(process.env.GLEANER_KILLS ?? 4);

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

  let expected: Record<string, string>;

  async function endsAsUndisturbed(killed: string, context: string, more: readonly string[] = []) {
    const last = await gleaner([...args(killed), ...more]);
    expect(last, context).toMatchObject({ code: 0 });
    expect(await treeOf(join(killed, 'release')), context).toEqual(expected);
    expect((await verifyRun(fileStorage(killed))).problems, context).toEqual([]);
    // Nothing half-written is left anywhere, and one harvest a task.
    const left = await readdir(killed, { recursive: true });
    expect(
      left.filter((path) => /\.pending-|\.lock|^fetched/.test(path)),
      context,
    ).toEqual([]);
    const harvests = (await readdir(join(killed, 'harvest'))).map((name) => name.slice(0, 5));
    expect(new Set(harvests).size, context).toBe(harvests.length);
  }

  it(`at ${KILLS} random moments ends byte for byte as an undisturbed one`, {
    timeout: 60_000 + KILLS * 36_000,
  }, async () => {
    const undisturbed = join(folder, 'undisturbed');
    const began = performance.now();
    expect(await gleaner(args(undisturbed))).toMatchObject({ code: 0 });
    const took = performance.now() - began;
    expected = await treeOf(join(undisturbed, 'release'));
    expect(Object.keys(expected)).toContain('metadata/metadata_7.parquet');
    const killed = join(folder, 'killed');
    const moments: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const run = startGleaner(args(killed));
      const moment = Math.random() * took * 0.9;
      moments.push(Math.round(moment));
      const timer = globalThis.setTimeout(() => run.kill('SIGKILL'), moment);
      await once(run, 'exit');
      clearTimeout(timer);
    }
    await endsAsUndisturbed(killed, `killed after ${moments.join(', ')} ms of ${Math.round(took)}`);
  });

  it(`and so at ${KILLS_APART} of them where it is fetched apart, half of them in either stage`, {
    timeout: 60_000 + KILLS_APART * 36_000,
  }, async () => {
    const killed = join(folder, 'killed apart');
    const tasks = (await readdir(join(folder, 'undisturbed/tasks/harvest'))).length;
    expect(tasks).toBeGreaterThan(8);
    const moments: string[] = [];
    for (const stage of ['fetch', 'harvest']) {
      const kills = KILLS_APART / 2;
      for (let i = 0; i < kills; i++) {
        const run = startGleaner([...args(killed), '--fetch-apart']);
        const ended = once(run, 'exit');
        const [done, ms] = [Math.floor((tasks * (i + Math.random())) / kills), Math.random() * 100];
        moments.push(`${ms.toFixed(0)} ms after ${done} of ${stage}`);
        while (run.exitCode === null && (await tasksDone(killed, stage)) < done) await setTimeout(2);
        await setTimeout(ms);
        run.kill('SIGKILL');
        await ended;
      }
    }
    await endsAsUndisturbed(killed, `killed ${moments.join(', ')}`, ['--fetch-apart']);
  });

  async function tasksDone(run: string, stage: string): Promise<number> {
    const names = await readdir(join(run, 'tasks', stage)).catch(() => []);
    return names.filter((name) => name.endsWith('.json')).length;
  }

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
