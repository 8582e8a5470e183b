import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeManifest } from '../../src/pipeline/manifest.ts';
import { taskFingerprint } from '../../src/pipeline/task.ts';
import { verifyRun } from '../../src/pipeline/verify.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';
import { DIMENSION, planShards, releaseParts } from '../support/made-release.ts';
import { madeRow, writeMadeShard } from '../support/made-shard.ts';

let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-release-'));
  storage = fileStorage(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

it('is another task where other rows are left out', () => {
  const leftOut = (sha256: string) => ({ path: 'near/0.parquet', bytes: 1, sha256 });
  const task = (of?: ReturnType<typeof leftOut>) =>
    taskFingerprint('run', {
      ...{ stage: 'release', index: 0, parts: 1, rowStart: 0, rowEnd: 1 },
      shards: [{ firstRow: 0, rows: 1, folder: 'f', sha256: ['a'], ...(of && { leftOut: of }) }],
    });
  expect(new Set([task(), task(leftOut('b')), task(leftOut('c'))]).size).toBe(3);
});

describe('verify', () => {
  /** A run that has nothing but a harvest, a release in two parts, and an empty trail. */
  async function run(removed: ReadonlySet<string>) {
    const numbers = [1, 2, 3, 4, 5, 6];
    const shards = await planShards(storage, [{ numbers }]);
    const results = await releaseParts(storage, shards, 2, removed);
    const safe = { in: numbers.length, out: numbers.length, dropped: {} };
    const files = await writeMadeShard(storage, 'harvest/0', numbers, { dimension: DIMENSION });
    await writeManifest(
      storage,
      { stage: 'harvest', index: 0, fingerprint: 'f' },
      { files, ledgers: { safe } },
      1,
    );
    for (const [index, result] of results.entries())
      await writeManifest(storage, { stage: 'release', index, fingerprint: 'f' }, result, 1);
    return results;
  }

  it('accepts gaps where rows were taken down', async () => {
    await run(new Set([2, 3, 6].map((n) => madeRow(n).uid)));
    expect(await verifyRun(storage)).toMatchObject({ rows: 3, removed: 3, problems: [] });
  });

  it.each([
    [
      'a row more than was taken down',
      { rows: 1, removed: 1 },
      /6 pairs were kept, but 4 are released and 1 taken down/,
    ],
    [
      'a row that is there and said to be taken down',
      { rows: 1, removed: 2 },
      /metadata_0.parquet has 2 rows/,
    ],
    ['a gap that nobody said', { rows: 2, removed: 0 }, /SAMPLE_ID 2 stands where 1 should/],
  ])('refuses %s', async (_, facts, problem) => {
    const [first] = await run(new Set([madeRow(2).uid]));
    if (!first) throw new Error('no part');
    await writeManifest(storage, { stage: 'release', index: 0, fingerprint: 'f' }, { ...first, facts }, 1);
    expect((await verifyRun(storage)).problems.join('\n')).toMatch(problem);
  });
});
