import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRecipe } from '../../src/config/index.ts';
import { localExecutor } from '../../src/executors/index.ts';
import { checkScoring } from '../../src/executors/run.ts';
import {
  type Executor,
  openInputs,
  type RunSpec,
  runStages,
  TaskRunner,
  verifyRun,
} from '../../src/pipeline/index.ts';
import { storeManifest } from '../../src/pipeline/manifest.ts';
import { openStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl } from '../support/crawl.ts';
import { type S3Server, startS3, useS3 } from '../support/s3-server.ts';
import { storedTree } from '../support/s3-tree.ts';

/** Runs each task in two places at once, as where a worker is taken for dead that is not. */
const twice: Executor = {
  async execute(tasks, environment, hooks, onDone) {
    await using one = new TaskRunner({ ...environment, share: 2 });
    await using other = new TaskRunner({ ...environment, share: 2 });
    for (const task of tasks) {
      const [mine, theirs] = await Promise.all([one.run(task, hooks), other.run(task, hooks)]);
      expect(mine).toEqual(theirs);
      onDone(mine);
    }
  },
};

describe('two attempts at one task', () => {
  let folder: string;
  let spec: RunSpec;
  let expected: Record<string, string>;
  let server: S3Server;
  let env: Disposable;

  beforeAll(async () => {
    server = await startS3();
    env = useS3(server);
    folder = await mkdtemp(join(tmpdir(), 'gleaner-race-'));
    const crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 2, pagesPerWat: 6 });
    const recipe = loadRecipe('everything', { harvest: { pairsPerTask: 20 }, release: { parts: 3 } });
    const images = { kind: 'archive', files: await openInputs([crawl.archive], 'WARC') } as const;
    const scoring = await checkScoring({}, recipe, images);
    const wats = await openInputs(crawl.wats, 'WAT');
    spec = { recipe, wats, images, ...scoring, blocklists: {}, seen: [] };
    const root = join(folder, 'once');
    await runStages({ root, spec, executor: localExecutor({ workers: 1 }) });
    expected = await storedTree(openStorage(root), 'release');
  });

  afterAll(async () => {
    env[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  const places = () => [
    ['a folder', join(folder, 'twice')] as const,
    ['S3', `s3://${server.bucket}/twice`] as const,
  ];

  it.each([0, 1])('leave one manifest and one set of files, in every stage of a run (%i)', async (i) => {
    const [, root] = places()[i] ?? ['', ''];
    const finished = await runStages({ root, spec, executor: twice });
    const storage = openStorage(root);
    expect(await storedTree(storage, 'release')).toEqual(expected);
    expect((await verifyRun(storage)).problems).toEqual([]);
    const tasks = finished.harvest?.length ?? 0;
    expect(tasks).toBeGreaterThan(1);
    const folders = new Set((await storage.list('harvest')).map((path) => path.split('/')[1]));
    expect(folders.size).toBe(tasks);
  });

  it.each([0, 1])('lose their files where they lose, before anything sweeps (%i)', async (i) => {
    const root = places()[i]?.[1] ?? '';
    const storage = openStorage(`${root}-manifests`);
    const attempt = async (name: string, before: string | undefined) => {
      const file = await storage.put(`harvest/${name}/rows.parquet`, name);
      if (!file) throw new Error('it is put');
      const result = { files: [file], ledgers: {}, facts: { rows: 1 } };
      return storeManifest(storage, 'tasks/x.json', { name: 'x', fingerprint: 'f', before }, result, 1);
    };
    const first = await Promise.all(['a', 'b', 'c', 'd'].map((name) => attempt(name, undefined)));
    expect(new Set(first.map(({ files }) => files[0]?.path)).size).toBe(1);
    expect(await storage.list('harvest')).toEqual([first[0]?.files[0]?.path]);
    // A retry replaces the manifest that it found; of two retries one does.
    const found = await storage.version('tasks/x.json');
    const again = await Promise.all(['e', 'f'].map((name) => attempt(name, found)));
    const [winner] = again[0]?.files ?? [];
    expect(again[1]?.files[0]).toEqual(winner);
    expect(['harvest/e/rows.parquet', 'harvest/f/rows.parquet']).toContain(winner?.path);
    expect(await storage.list('harvest')).toEqual([first[0]?.files[0]?.path, winner?.path].sort());
    // One that began before, and ends now, is late.
    expect((await attempt('late', found)).files).toEqual([winner]);
    // What another run left is no winner.
    await storeManifest(
      storage,
      'tasks/x.json',
      { name: 'x', fingerprint: 'older' },
      { files: [], ledgers: {} },
      1,
    );
    expect((await attempt('new', found)).files[0]?.path).toBe('harvest/new/rows.parquet');
  });
});
