import type { LeasedTask } from '../../src/executors/fleet/task-queue.ts';
import type { SmallFleet } from './small-fleet.ts';

const scaled = (n: number) => ({
  record: { in: 900 * n, out: 890 * n, dropped: { record_json: 10 * n } },
  link: { in: 4000 * n, out: 2400 * n, dropped: { no_text: 1500 * n, url_scheme: 100 * n } },
  pair: { in: 2400 * n, out: 1200 * n, dropped: { text_short: 400 * n, language: 800 * n } },
});

/** A fleet in the middle of a crawl: a run in its harvest, one that nobody serves, one that is done and one that is cancelled. */
export async function fillLargeFleet(fleet: SmallFleet): Promise<void> {
  await fleet.run('0a1b2c3d4e5f6071', {
    name: 'laion-2026',
    location: 's3://crawls/laion-2026',
    priority: 5,
  });
  await fleet.stage('0a1b2c3d4e5f6071', 'extract', 64, { secondsAgo: 9000 });
  await fleet.complete('extract', 64, scaled(1000), 'w1');
  await fleet.finishStage('0a1b2c3d4e5f6071', 'extract');
  await fleet.stage('0a1b2c3d4e5f6071', 'dedup', 8, { secondsAgo: 4000 });
  await fleet.complete(
    'dedup',
    8,
    { unique: { in: 9_600_000, out: 8_100_000, dropped: { duplicate: 1_500_000 } } },
    'w1',
  );
  await fleet.finishStage('0a1b2c3d4e5f6071', 'dedup');
  await fleet.stage('0a1b2c3d4e5f6071', 'harvest', 312, { doneBefore: 20, secondsAgo: 3000 });
  for (const worker of ['w1', 'w2', 'v1', 'v2']) await fleet.complete('harvest', 25, harvested, worker);
  const tasks = await fleet.take('harvest', 40);
  const [one, other, third, later, ...rest] = tasks as [
    LeasedTask,
    LeasedTask,
    LeasedTask,
    LeasedTask,
    ...LeasedTask[],
  ];
  await fleet.kill(one, 'unique/00003.parquet: is not what its manifest says (sha256). Run dedup again.');
  await fleet.kill(other, 'unique/00005.parquet: is not what its manifest says (sha256). Run dedup again.');
  await fleet.kill(third, 'the worker was silent');
  await fleet.queue.fail(later, 's3://crawls: SlowDown, asked 8 times');
  await fleet.database.query(
    "UPDATE pgboss.job SET start_after = now() + interval '3 minutes' WHERE id = $1",
    [later.id],
  );
  await fleet.queue.giveBack(rest.slice(32));
  await fleet.run('1111222233334444', { name: 'datacomp-basic', location: '/shared/datacomp' });
  await fleet.stage('1111222233334444', 'release', 32);
  await fleet.run('5555', { name: 'small-test', location: '/shared/small' });
  await fleet.run('6666', { name: 'emoji', location: '/shared/emoji' });
  await fleet.database.query(
    `UPDATE gleaner.run SET submitted_at = now() - interval '2 hours 34 minutes' WHERE state = 'running'`,
  );
  await fleet.database.query("UPDATE gleaner.run SET state = 'cancelled' WHERE id = '5555'");
  await fleet.database.query(
    `UPDATE gleaner.run SET state = 'done', finished_at = now() - interval '80 minutes' WHERE id = '6666'`,
  );
  const doing = (per_second: number) => ({ harvest: { tasks: 8, done: 8000, per_second } });
  const harvest = ['harvest'];
  await fleet.worker('w1', { name: 'node-a', state: 'working', busy: 8, slots: 8, doing: doing(61.2) });
  await fleet.worker('w2', {
    ...{
      name: 'node-b',
      host: 'machine-2',
      state: 'working',
      busy: 8,
      slots: 8,
      doing: doing(58.7),
      stages: harvest,
    },
    memory: 6.4e9,
  });
  await fleet.worker('w3', {
    name: 'node-c',
    host: 'machine-3',
    silent: 312,
    stages: harvest,
    busy: 8,
    slots: 8,
  });
  await fleet.worker('w4', {
    name: 'node-d',
    host: 'machine-4',
    state: 'draining',
    stages: harvest,
    busy: 1,
  });
  await fleet.worker('w5', { name: 'node-e', host: 'machine-5', stages: ['extract', 'dedup'], limit: 0 });
  for (const [i, name] of ['anna', 'Bürgernetz e. V.', 'ben', 'مرصد الويب'].entries())
    await fleet.worker(`v${i + 1}`, {
      ...{ name, host: 'elsewhere', kind: 'volunteer', stages: harvest, slots: 2 },
      ...(i < 2 && {
        state: 'working',
        busy: 2,
        doing: { harvest: { tasks: 2, done: 900, per_second: 8.4 } },
      }),
    });
}

const harvested = {
  fetched: { in: 10_000, out: 7_900, dropped: { dns: 500, timeout: 700, http_status: 800, robots: 100 } },
  image: { in: 7_900, out: 7_200, dropped: { body_small: 600, undecodable: 100 } },
  matched: { in: 7_200, out: 700, dropped: { similarity: 6_500 } },
  safe: { in: 700, out: 695, dropped: { animal: 5 } },
};
