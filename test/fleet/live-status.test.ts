import { describe, expect, it } from 'vitest';
import type { FleetStatus, RunStatus, StageStatus } from '../../src/executors/fleet/status/index.ts';
import { GleanerError } from '../../src/schema/index.ts';
import { createFleetApp } from '../../src/service/fleet/fleet-app.ts';
import { FleetMetrics } from '../../src/service/fleet/fleet-metrics.ts';
import { LiveStatus } from '../../src/service/fleet/live-status.ts';
import { RateHistory } from '../../src/service/fleet/rate-history.ts';

const START = Date.parse('2026-11-22T00:00:00Z');

/** A fleet with one run in its harvest, so many seconds after the start. */
function fleetAt(
  seconds: number,
  stage: Partial<StageStatus> = {},
  run: Partial<RunStatus> = {},
): FleetStatus {
  const harvest: StageStatus = {
    ...{
      stage: 'harvest',
      unit: 'pairs',
      tasks: 10,
      done: 1,
      doneBefore: 0,
      active: 2,
      queued: 7,
      blocked: 0,
    },
    ...{ waiting: 0, dead: 0, in: 100, out: 10, perSecond: 5, share: 0.1, etaSeconds: null },
    ...{ taskSeconds: 10, cpuSeconds: 10, finishedAt: null },
    ...stage,
  };
  const one: RunStatus = {
    ...{
      id: 'r',
      name: 'r',
      location: null,
      condition: 'going',
      priority: 0,
      submittedAt: '',
      finishedAt: null,
    },
    ...{
      seconds: 0,
      stages: [harvest],
      allPlanned: false,
      etaSeconds: null,
      dropped: [],
      dead: [],
      retrying: [],
    },
    cost: { cpuHours: 0, gpuHours: 0, soFar: null, cpuHoursLeft: null, left: null },
    ...run,
  };
  return {
    at: new Date(START + seconds * 1000).toISOString(),
    runs: [one],
    ...{
      workers: [],
      workerCounts: { working: 0, idle: 0, draining: 0, lost: 0 },
      volunteers: [],
      warnings: [],
    },
  };
}

describe('what a fleet does, as of a second ago', () => {
  it('is one look, however many ask at once', async () => {
    let looks = 0;
    using live = new LiveStatus({
      async read() {
        looks++;
        return fleetAt(looks);
      },
    });
    expect(live.works).toBe(false);
    const all = await Promise.all(Array.from({ length: 50 }, () => live.read()));
    expect(new Set(all).size).toBe(1);
    await live.read();
    expect(looks).toBe(1);
    expect(live.works).toBe(true);
  });

  it('is told to be away where the database is, without where that lies to strangers', async () => {
    using live = new LiveStatus({
      async read() {
        throw new GleanerError('DATABASE_UNREACHABLE', {
          where: 'postgres://db.internal/gleaner',
          problem: 'x',
        });
      },
    });
    for (const [isPublic, said] of [
      [true, { error: "the fleet's database does not answer" }],
      [false, { error: expect.stringContaining('db.internal') }],
    ] as const) {
      const app = await createFleetApp({ live, metrics: new FleetMetrics(), host: '127.0.0.1', isPublic });
      const answer = await app.request('http://127.0.0.1/api/status', { headers: { host: '127.0.0.1' } });
      expect(answer.status).toBe(503);
      expect(answer.headers.get('Retry-After')).toBe('5');
      expect(await answer.json()).toEqual(said);
      const headers = { host: '127.0.0.1' };
      expect((await app.request('http://127.0.0.1/readyz', { headers })).status).toBe(503);
      expect((await app.request('http://127.0.0.1/healthz', { headers })).status).toBe(200);
    }
  });
});

describe('rates of the last hour', () => {
  it('are kept every ten seconds, by stage, and no longer', () => {
    const history = new RateHistory();
    for (let seconds = 0; seconds <= 5000; seconds += 2)
      history.add(fleetAt(seconds, { perSecond: seconds }));
    const { r: samples = [] } = history.toJSON();
    expect(samples).toHaveLength(360);
    expect(samples.at(-1)).toEqual({ at: START + 5_000_000, stage: 'harvest', perSecond: 5000 });
    expect(samples[0]?.at).toBe(START + 1_410_000);
  });

  it('are of what goes on: a run that is over leaves after an hour', () => {
    const history = new RateHistory();
    history.add(fleetAt(0));
    history.add(fleetAt(10, { done: 10 }));
    expect(history.toJSON().r).toHaveLength(1);
    history.add(fleetAt(3601, { done: 10 }));
    expect(history.toJSON()).toEqual({});
  });
});

describe('metrics of a fleet', () => {
  const lines = async (metrics: FleetMetrics) => (await metrics.registry.metrics()).split('\n');

  it('count from when the service began, and never down', async () => {
    const metrics = new FleetMetrics();
    metrics.take(fleetAt(0, { in: 1000, done: 10 }));
    expect(await lines(metrics)).toContain('gleaner_fleet_pairs_total{stage="harvest",result="in"} 0');
    metrics.take(fleetAt(2, { in: 1500, done: 15 }));
    // A run that was not there before counts whole; one that is forgotten takes nothing back.
    metrics.take(fleetAt(4, { in: 40, done: 4 }, { id: 'other' }));
    metrics.take(fleetAt(6, { in: 41, done: 5 }, { id: 'other' }));
    const now = await lines(metrics);
    expect(now).toContain('gleaner_fleet_pairs_total{stage="harvest",result="in"} 541');
    expect(now).toContain('gleaner_fleet_tasks_total{stage="harvest"} 10');
  });

  it('tell tasks of runs under way alone', async () => {
    const metrics = new FleetMetrics();
    metrics.take(fleetAt(0));
    expect(await lines(metrics)).toContain('gleaner_queue_tasks{stage="harvest",state="queued"} 7');
    metrics.take(fleetAt(2, {}, { condition: 'cancelled' }));
    const now = await lines(metrics);
    expect(now.filter((line) => line.startsWith('gleaner_queue_tasks{'))).toEqual([]);
    expect(now).toContain('gleaner_runs{condition="cancelled"} 1');
  });
});
