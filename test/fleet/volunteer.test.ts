import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runLocally } from '../../src/executors/index.ts';
import { verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
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
