import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/executors/fleet/database.ts';
import { jobId } from '../../src/executors/fleet/ids.ts';
import { FleetReader, readFleet } from '../../src/executors/fleet/status/index.ts';
import { Rates } from '../../src/executors/fleet/status/rates.ts';
import { type Postgres, startPostgres } from '../support/postgres.ts';
import { SmallFleet } from './small-fleet.ts';

let postgres: Postgres;
let database: Database;
let fleet: SmallFleet;

beforeAll(async () => {
  postgres = await startPostgres();
  // Nobody looks after what is silent: what a test puts there stays as it is.
  database = await Database.open(postgres.url, { supervise: false });
  fleet = new SmallFleet(database);
}, 60_000);
beforeEach(() => fleet.clear());
afterAll(async () => {
  await database[Symbol.asyncDispose]();
  await postgres[Symbol.asyncDispose]();
});

const EXTRACTED = {
  record: { in: 500, out: 400, dropped: { record_json: 100 } },
  link: { in: 1000, out: 600, dropped: { no_text: 400 } },
  pair: { in: 600, out: 500, dropped: { text_short: 90, language: 10 } },
};
const HARVESTED = {
  fetched: { in: 100, out: 80, dropped: { timeout: 20 } },
  matched: { in: 80, out: 30, dropped: { similarity: 50 } },
  safe: { in: 30, out: 30, dropped: {} },
};

/** The one run that there is. */
async function theRun() {
  const { runs } = await readFleet(database);
  expect(runs).toHaveLength(1);
  const [run] = runs;
  if (!run) throw new Error('no run');
  return run;
}

describe('tasks of a stage', () => {
  it('are done, under way, free, waiting or dead, and those of an earlier start are done', async () => {
    await fleet.run('r', { name: 'crawl', location: 's3://bucket/crawl' });
    await fleet.stage('r', 'extract', 20, { doneBefore: 3 });
    await fleet.complete('extract', 5, EXTRACTED);
    const [later, again, dead, ...active] = await fleet.take('extract', 6);
    if (!later || !again || !dead) throw new Error('six tasks');
    await fleet.queue.fail(later, 'the disk is full');
    await fleet.queue.fail(again, 'the disk is full');
    await database.query("UPDATE pgboss.job SET start_after = now() + interval '1 hour' WHERE id = $1", [
      later.id,
    ]);
    await database.query("UPDATE pgboss.job SET start_after = now() - interval '1 second' WHERE id = $1", [
      again.id,
    ]);
    await fleet.kill(dead, 'the disk is full');
    expect(active).toHaveLength(3);
    const run = await theRun();
    expect(run).toMatchObject({ name: 'crawl', condition: 'going', allPlanned: false });
    // 20 planned: 3 + 5 done, 3 under way, one of the six waits, one is dead, and one of them is free again beside 6.
    expect(run.stages).toMatchObject([
      {
        stage: 'extract',
        unit: 'links',
        tasks: 20,
        done: 8,
        doneBefore: 3,
        active: 3,
        queued: 7,
        waiting: 1,
        dead: 1,
      },
    ]);
    // Five tasks: 1,000 links and 500 pairs each; records are no pairs.
    expect(run.stages[0]).toMatchObject({
      in: 5000,
      out: 2500,
      taskSeconds: 50,
      cpuSeconds: 180,
      share: 0.4,
    });
    expect(run.dropped.map(({ reason, count }) => [reason, count])).toEqual([
      ['no_text', 2000],
      ['record_json', 500],
      ['text_short', 450],
      ['language', 50],
    ]);
    expect(run.dead).toEqual([
      { problem: 'the disk is full', tasks: 1, example: `extract/${String(dead.index).padStart(5, '0')}` },
    ]);
    expect(run.retrying).toMatchObject([{ problem: 'the disk is full', tasks: 2 }]);
  });

  it('of two runs in one queue are told apart, those of a higher priority first', async () => {
    await fleet.run('low');
    await fleet.run('high', { priority: 5 });
    await fleet.stage('low', 'dedup', 4);
    await fleet.take('dedup', 1);
    await fleet.stage('high', 'dedup', 6);
    const { runs } = await readFleet(database);
    expect(runs.map(({ id, stages }) => [id, stages[0]?.active, stages[0]?.queued])).toEqual([
      ['high', 0, 6],
      ['low', 1, 3],
    ]);
    expect((await readFleet(database, { run: 'low' })).runs.map(({ id }) => id)).toEqual(['low']);
  });

  it('with problems that differ only by numbers are one group', async () => {
    await fleet.run('r');
    await fleet.stage('r', 'harvest', 5);
    for (const task of await fleet.take('harvest', 4))
      await fleet.kill(
        task,
        task.index === 0
          ? 'postgres://user:s@cret@db/gleaner?password=secret: no answer'
          : `unique/0000${task.index}.parquet: is damaged at byte ${task.index * 77}`,
      );
    const { dead, condition } = await theRun();
    expect(dead).toEqual([
      { problem: 'unique/00001.parquet: is damaged at byte 77', tasks: 3, example: 'harvest/00001' },
      { problem: 'postgres://db/gleaner no answer', tasks: 1, example: 'harvest/00000' },
    ]);
    expect(condition).toBe('going');
    for (const task of await fleet.take('harvest', 1)) await fleet.kill(task, 'x');
    expect((await theRun()).condition).toBe('stuck');
  });

  it('that a worker left without a word have the reason that the queue gives', async () => {
    await fleet.run('r');
    await fleet.stage('r', 'extract', 1);
    await fleet.take('extract', 1);
    await database.query(
      "UPDATE pgboss.job SET heartbeat_on = now() - interval '1 hour' WHERE state = 'active'",
    );
    await database.boss.supervise();
    expect((await theRun()).retrying).toMatchObject([{ problem: 'job heartbeat timeout', tasks: 1 }]);
  });

  it('that wait for what is fetched apart are not free, nor do they need a worker', async () => {
    await fleet.run('r');
    await fleet.stage('r', 'fetch', 10, { doneBefore: 2, secondsAgo: 100 });
    await fleet.stage('r', 'harvest', 10, { doneBefore: 2, queue: 'harvest-gpu' });
    await fleet.complete('fetch', 3, {});
    await fleet.take('fetch', 2);
    await fleet.worker('w', { stages: ['fetch'] });
    const { runs, warnings } = await readFleet(database);
    expect(runs[0]?.stages).toMatchObject([
      { stage: 'fetch', done: 5, active: 2, queued: 3, blocked: 0, in: null },
      { stage: 'harvest', done: 2, active: 0, queued: 3, blocked: 5 },
    ]);
    expect(warnings).toEqual([
      'harvest: 3 tasks wait for a GPU and no worker has one; start one with --stages harvest --gpu',
    ]);
    // Three in 100 s; five are left, two of them half done.
    expect(runs[0]?.stages[0]?.etaSeconds).toBeCloseTo(133, -1);
  });

  it('between stages count too: a plan that fails stops a run', async () => {
    await fleet.run('r');
    await fleet.stage('r', 'extract', 1);
    await fleet.complete('extract', 1, EXTRACTED);
    await fleet.finishStage('r', 'extract');
    expect((await theRun()).condition).toBe('planning');
    await database.boss.send(
      'plan',
      { run: 'r', stage: 'dedup', index: 0, task: null },
      { id: jobId('r', 'plan', 'dedup') },
    );
    const [plan] = await fleet.take('plan', 1);
    if (!plan) throw new Error('one');
    await fleet.kill(plan, 'tasks/extract/00000.json: is no manifest');
    expect(await theRun()).toMatchObject({
      condition: 'stuck',
      dead: [{ example: 'plan of dedup', problem: 'tasks/extract/00000.json: is no manifest' }],
    });
  });
});

describe('rates, and what is left', () => {
  it('come from what live workers say', async () => {
    await fleet.run('r');
    await fleet.stage('r', 'harvest', 10);
    await fleet.complete('harvest', 4, HARVESTED);
    await fleet.take('harvest', 2);
    const doing = { harvest: { tasks: 1, done: 50, per_second: 5 } };
    await fleet.worker('a', { state: 'working', busy: 1, doing });
    await fleet.worker('b', { state: 'working', busy: 1, doing });
    await fleet.worker('silent', { state: 'working', doing, silent: 61 });
    await fleet.worker('gone', { state: 'gone', doing });
    const { runs, workers, workerCounts } = await readFleet(database);
    // 100 pairs a task, 6 tasks left, two of them half done: 500 pairs at 10 a second.
    expect(runs[0]?.stages[0]).toMatchObject({
      perSecond: 10,
      share: 0.4,
      etaSeconds: 50,
      in: 400,
      out: 120,
    });
    expect(runs[0]?.etaSeconds).toBe(50);
    expect(workers.map(({ name, state, doing: work }) => [name, state, work.harvest])).toEqual([
      ['silent', 'lost', undefined],
      ['a', 'working', 5],
      ['b', 'working', 5],
    ]);
    expect(workerCounts).toEqual({ working: 2, idle: 0, draining: 0, lost: 1 });
  });

  it('are shared among runs in the same stage by their tasks under way', async () => {
    for (const run of ['one', 'two']) {
      await fleet.run(run);
      await fleet.stage(run, 'harvest', 10);
    }
    await fleet.complete('harvest', 1, HARVESTED);
    // The rest of the first run's, and three of the second's.
    expect((await fleet.take('harvest', 12)).filter(({ run }) => run === 'one')).toHaveLength(9);
    await fleet.worker('a', { state: 'working', doing: { harvest: { tasks: 12, done: 0, per_second: 24 } } });
    const { runs } = await readFleet(database);
    expect(new Map(runs.map(({ id, stages }) => [id, stages[0]?.perSecond]))).toEqual(
      new Map([
        ['one', 18],
        ['two', 6],
      ]),
    );
  });

  it('come from what was counted since the stage was planned, where workers are there and say nothing', async () => {
    await fleet.run('r');
    await fleet.stage('r', 'harvest', 10, { secondsAgo: 100 });
    await fleet.complete('harvest', 5, HARVESTED);
    expect((await theRun()).stages[0]).toMatchObject({ perSecond: null, etaSeconds: null });
    await fleet.worker('w');
    const [stage] = (await theRun()).stages;
    expect(stage?.perSecond).toBeCloseTo(5, 0);
    expect(stage?.etaSeconds).toBeCloseTo(100, -1);
  });

  it('are not read again of a stage that is done', async () => {
    const reader = new FleetReader(database);
    await fleet.run('r');
    await fleet.stage('r', 'extract', 2);
    await fleet.complete('extract', 1, EXTRACTED);
    expect((await reader.read()).runs[0]?.stages[0]?.cpuSeconds).toBe(36);
    await fleet.complete('extract', 1, EXTRACTED);
    await fleet.finishStage('r', 'extract');
    expect((await reader.read()).runs[0]?.stages[0]?.cpuSeconds).toBe(72);
    await database.query('UPDATE gleaner.tally SET cpu_seconds = 1');
    expect((await reader.read()).runs[0]?.stages[0]?.cpuSeconds).toBe(72);
  });

  it('are those of the last minute, of looks that lie apart', () => {
    const rates = new Rates();
    const look = (seconds: number, n: number) => rates.look(seconds, new Map([['pairs', n]]));
    look(1000, 50_000);
    expect(rates.perSecond('pairs')).toBeNull();
    look(1004, 50_400);
    expect(rates.perSecond('pairs')).toBeNull();
    look(1010, 51_000);
    expect(rates.perSecond('pairs')).toBe(100);
    expect(rates.perSecond('rows')).toBeNull();
    // 5 a second from here: after a minute nothing of what was before counts.
    for (let seconds = 1020; seconds <= 1080; seconds += 10) look(seconds, 51_000 + 5 * (seconds - 1010));
    expect(rates.perSecond('pairs')).toBe(5);
    // Counted anew, as after a stage was planned again: nothing is undone.
    look(1090, 0);
    expect(rates.perSecond('pairs')).toBe(0);
  });

  it('are priced by CPU time, and by the time that workers with a GPU were there', async () => {
    await fleet.run('r');
    await fleet.run('other');
    await fleet.stage('r', 'harvest', 400);
    await fleet.complete('harvest', 100, HARVESTED, 'g');
    await database.query(
      "INSERT INTO gleaner.tally (run, stage, worker, seconds) VALUES ('other', 'harvest', 'g', 1000)",
    );
    await fleet.worker('g', { gpu: true, there: 7200 });
    const { runs } = await readFleet(database, { prices: { cpuHour: 0.5, gpuHour: 2 } });
    const cost = runs.find(({ id }) => id === 'r')?.cost;
    // 100 tasks of 36 s are a CPU-hour, 300 more are three; the GPU was there for two hours, half of its work was for this run.
    expect(cost).toMatchObject({ cpuHours: 1, cpuHoursLeft: 3 });
    expect(cost?.gpuHours).toBeCloseTo(1, 2);
    expect(cost?.soFar).toBeCloseTo(0.5 + 2, 2);
    expect(cost?.left).toBeCloseTo(3 * (0.5 + 2), 1);
    expect((await readFleet(database)).runs[0]?.cost.soFar).toBeNull();
  });
});

describe('warnings', () => {
  const warnings = async () => (await readFleet(database)).warnings;

  it('name a stage for which nobody is there', async () => {
    await fleet.run('r');
    await fleet.stage('r', 'release', 32);
    expect(await warnings()).toEqual([
      "no worker of the fleet's own is there; start one with: gleaner worker",
    ]);
    await fleet.worker('cpu', { stages: ['extract', 'dedup'] });
    await fleet.worker('draining', { stages: ['release'], state: 'draining' });
    await fleet.worker('lost', { stages: ['release'], silent: 61 });
    expect(await warnings()).toEqual([
      'release: 32 tasks wait and no worker takes this stage; start one with --stages release',
    ]);
    await fleet.worker('late', { stages: ['release'] });
    expect(await warnings()).toEqual([]);
  });

  it('know that some harvest needs a GPU', async () => {
    await fleet.run('r');
    await fleet.stage('r', 'harvest', 7, { queue: 'harvest-gpu' });
    await fleet.worker('cpu', { stages: ['harvest'] });
    expect(await warnings()).toEqual([
      'harvest: 7 tasks wait for a GPU and no worker has one; start one with --stages harvest --gpu',
    ]);
    await fleet.worker('gpu', { stages: ['harvest'], gpu: true });
    expect(await warnings()).toEqual([]);
  });

  it('say what a dead task does', async () => {
    await fleet.run('r', { name: 'crawl' });
    await fleet.worker('w');
    await fleet.stage('r', 'extract', 2);
    const [one, other] = await fleet.take('extract', 2);
    if (!one || !other) throw new Error('two');
    await fleet.kill(one, 'x');
    expect(await warnings()).toEqual([
      'crawl: 1 task failed too often: it cannot end; mend what they say, then submit the run again',
    ]);
    await fleet.kill(other, 'x');
    expect(await warnings()).toEqual([
      'crawl: 2 tasks failed too often: it cannot go on; mend what they say, then submit the run again',
    ]);
  });
});

it('volunteers are told by what they did, most first', async () => {
  await fleet.run('r');
  await fleet.worker('v1', { name: 'anna', kind: 'volunteer' });
  await fleet.worker('v2', { name: 'anna', kind: 'volunteer' });
  await fleet.worker('v3', { name: 'ben', kind: 'volunteer' });
  await fleet.worker('own');
  await fleet.stage('r', 'harvest', 10);
  await fleet.complete('harvest', 2, HARVESTED, 'v1');
  await fleet.complete('harvest', 1, HARVESTED, 'v2');
  await fleet.complete('harvest', 4, HARVESTED, 'v3');
  await fleet.complete('harvest', 3, HARVESTED, 'own');
  const { volunteers } = await readFleet(database);
  expect(volunteers).toMatchObject([
    { name: 'ben', tasks: 4, pairs: 400 },
    { name: 'anna', tasks: 3, pairs: 300 },
  ]);
});

it('an empty database is no error', async () => {
  expect(await readFleet(database)).toMatchObject({ runs: [], workers: [], volunteers: [], warnings: [] });
});

it('free and done tasks are found by counts: the index holds only what is under way', async () => {
  await fleet.run('r');
  await fleet.stage('r', 'extract', 300);
  await fleet.complete('extract', 100, EXTRACTED);
  await fleet.take('extract', 7);
  await database.query('ANALYZE pgboss.job');
  const plan = await database.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN (ANALYZE, TIMING off, COSTS off) SELECT count(*) FROM pgboss.job
     WHERE name = 'extract' AND state IN ('retry', 'active', 'failed') AND data->>'run' = ANY('{r}')`,
  );
  const text = plan.map((line) => line['QUERY PLAN']).join('\n');
  expect(text).toMatch(/Scan.*(expr|under_way|text)/);
  expect(text).toMatch(/rows=7(\.00)? /);
  expect(text).not.toMatch(/Rows Removed by Filter/);
});
