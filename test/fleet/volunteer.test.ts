import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Worker } from '../../src/executors/fleet/worker/worker.ts';
import { runLocally } from '../../src/executors/index.ts';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage, openStorage } from '../../src/storage/index.ts';
import { ROOT } from '../support/gleaner.ts';
import { startS3, useS3 } from '../support/s3-server.ts';
import { storedTree } from '../support/s3-tree.ts';
import { treeOf } from '../support/tree.ts';
import { IMAGES, startVolunteerFleet, TASKS, type VolunteerFleet } from './volunteer-fleet.ts';

let fleet: VolunteerFleet;
let expected: Record<string, string>;

beforeAll(async () => {
  fleet = await startVolunteerFleet();
  const out = join(fleet.folder, 'local');
  await runLocally({ ...fleet.named, out, workers: 1 });
  expected = await treeOf(join(out, 'release'));
}, 120_000);
afterAll(() => fleet[Symbol.asyncDispose]());

async function expectWhole(out: string): Promise<void> {
  expect(await treeOf(join(out, 'release'))).toEqual(expected);
  expect((await verifyRun(fileStorage(out))).problems).toEqual([]);
}

describe('an honest volunteer', () => {
  it('harvests what a trusted worker would have, byte for byte', { timeout: 120_000 }, async () => {
    const out = join(fleet.folder, 'honest');
    const run = await fleet.submitted(out);
    const token = await fleet.volunteer('Anna');
    const events = await fleet.lend(token);
    expect(events.filter(({ event }) => event === 'sent')).toHaveLength(TASKS);
    // Nothing of it is in the run before it is audited.
    expect(await fileStorage(out).list('tasks/harvest')).toEqual([]);
    const audits = await fleet.audit();
    expect(audits.map(({ event, volunteer, problem }) => [event, volunteer, problem])).toEqual(
      Array.from({ length: TASKS }, () => ['accepted', 'Anna', undefined]),
    );
    await fleet.finish();
    await expectWhole(out);
    expect(fleet.errors).toEqual([]);
    // Nothing is left of the loans.
    for (const folder of ['lent', 'incoming', 'held'])
      expect(await fileStorage(out).list(folder), folder).toEqual([]);
    expect(await readdir(join(fleet.folder, 'cache', 'work'))).toEqual([]);
    const [tally] = await fleet.database.query(
      "SELECT t.tasks, t.ledgers->'fetched'->'in' AS pairs, w.kind, w.name FROM gleaner.tally t JOIN gleaner.worker w ON w.id = t.worker WHERE t.run = $1 AND t.stage = 'harvest'",
      [run],
    );
    expect(tally).toEqual({ tasks: String(TASKS), pairs: IMAGES, kind: 'volunteer', name: 'Anna' });
    const answer = await fetch(`${fleet.coordinator.url}v1/leaderboard`);
    expect(await answer.json()).toMatchObject({
      volunteers: [{ name: 'Anna', pairs: IMAGES, shards: TASKS }],
    });
  });
});

describe('a volunteer of a fleet whose runs lie in an object store', () => {
  it('has a token and presigned URLs, and nothing else', { timeout: 180_000 }, async () => {
    await using s3 = await startS3();
    using _env = useS3(s3);
    const out = `s3://${s3.bucket}/runs/one`;
    const run = await fleet.submitted(out);
    const token = await fleet.volunteer('Berta');
    const unsigned: string[] = [];
    s3.onRequest = ({ method, url, headers }) => {
      if (headers.authorization === undefined) unsigned.push(`${method} ${url}`);
    };
    // A process of its own, whose environment has neither database nor keys.
    const { stderr } = await promisify(execFile)(
      process.execPath,
      [
        join(ROOT, 'bin', 'gleaner.js'),
        ...['worker', '--coordinator', fleet.coordinator.url, '--workers', '2', '--exit-when-idle', '1'],
        ...['--cache', join(fleet.folder, 'berta'), '--log', 'text'],
        ...['--allow-host', fleet.origin.host, new URL(s3.endpoint).host],
      ],
      { env: { PATH: process.env.PATH, GLEANER_TOKEN: token } },
    );
    expect(stderr.match(/ sent index=/g), stderr).toHaveLength(TASKS);
    expect(stderr).not.toContain(token);
    // What it asked the store for is its own: one file at a time, each by a URL of its own.
    expect(unsigned.length).toBeGreaterThan(TASKS * 7);
    for (const request of unsigned)
      expect(request).toMatch(
        /^(?:GET .*\/(?:submitted|lent)\/|PUT .*\/incoming\/[0-9a-f]{32}\/[a-z_.]+\?).*X-Amz-Signature=/,
      );
    s3.onRequest = () => undefined;
    // A worker of the fleet audits it, and does the rest.
    await using worker = await Worker.open({
      database: fleet.postgres.url,
      ...{ workers: 2, cache: join(fleet.folder, 'trusted'), log: 'text' },
    });
    const stop = new AbortController();
    const working = worker.work(stop.signal);
    const state = async () =>
      (await fleet.database.query<{ state: string }>('SELECT state FROM gleaner.run WHERE id = $1', [run]))[0]
        ?.state;
    await expect.poll(state, { timeout: 120_000, interval: 500 }).toBe('done');
    stop.abort();
    await working;
    const storage = openStorage(out);
    expect(await storedTree(storage, 'release')).toEqual(expected);
    expect((await verifyRun(storage)).problems).toEqual([]);
    const states = await fleet.database.query(
      'SELECT state, count(*)::int AS n FROM gleaner.volunteer_lease WHERE run = $1 GROUP BY state',
      [run],
    );
    expect(states).toEqual([{ state: 'accepted', n: TASKS }]);
    expect(fleet.errors).toEqual([]);
  });
});
