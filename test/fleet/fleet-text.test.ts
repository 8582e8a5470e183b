import { describe, expect, it } from 'vitest';
import { formatFleet } from '../../src/cli/fleet-text.ts';
import type {
  FleetStatus,
  RunStatus,
  StageStatus,
  WorkerStatus,
} from '../../src/executors/fleet/status/index.ts';

const STAGE: StageStatus = {
  ...{ stage: 'extract', unit: 'links', tasks: 64, done: 64, doneBefore: 0 },
  ...{
    active: 0,
    queued: 0,
    blocked: 0,
    waiting: 0,
    dead: 0,
    in: 256_000,
    out: 76_800,
    perSecond: null,
    share: 1,
  },
  ...{ etaSeconds: null, taskSeconds: 640, cpuSeconds: 600, finishedAt: '2026-11-22T01:00:00.000Z' },
};
const HARVEST: StageStatus = {
  ...STAGE,
  ...{ stage: 'harvest', unit: 'pairs', tasks: 8_500_000, done: 2_125_000, finishedAt: null },
  ...{ active: 512, queued: 6_374_000, waiting: 3, dead: 2, in: 21_250_000_000, out: 1_487_500_000 },
  ...{ perSecond: 61_234.5, share: 0.25, etaSeconds: 1_041_000 },
};
const RUN: RunStatus = {
  ...{ id: '0a1b', name: 'laion-2026', location: 's3://crawls/laion-2026', condition: 'going', priority: 0 },
  ...{ submittedAt: '2026-11-22T00:00:00.000Z', finishedAt: null, seconds: 9250, allPlanned: false },
  ...{ stages: [STAGE, HARVEST], etaSeconds: 1_041_000, retrying: [] },
  dropped: [
    { reason: 'similarity', title: 'text does not match the image', count: 18_000_000 },
    { reason: 'dns', title: 'host name does not resolve', count: 1_000 },
    { reason: 'timeout', title: 'took too long', count: 900 },
    { reason: 'tls', title: 'TLS failed', count: 800 },
    { reason: 'format', title: 'format not accepted', count: 7 },
    { reason: 'aspect', title: 'too elongated', count: 6 },
  ],
  dead: [{ problem: 'unique/00003.parquet: is damaged', tasks: 2, example: 'harvest/00003' }],
  cost: { cpuHours: 12_345.6, gpuHours: 0, soFar: 493.82, cpuHoursLeft: 37_000, left: 1480 },
};
const WORKER: WorkerStatus = {
  ...{
    name: 'node-a',
    host: 'machine-1',
    kind: 'trusted',
    state: 'working',
    stages: ['harvest'],
    gpu: false,
  },
  ...{
    slots: 8,
    busy: 8,
    memoryBytes: 2e9,
    memoryLimitBytes: 8e9,
    doing: { harvest: 61.23 },
    seenSecondsAgo: 2,
  },
};
const FLEET: FleetStatus = {
  at: '2026-11-22T02:34:10.000Z',
  runs: [RUN],
  workers: [
    {
      ...WORKER,
      name: 'node-b',
      host: null,
      state: 'lost',
      busy: 0,
      doing: {},
      seenSecondsAgo: 185,
      memoryLimitBytes: 0,
    },
    WORKER,
  ],
  workerCounts: { working: 1, idle: 0, draining: 0, lost: 1 },
  volunteers: [],
  warnings: ['release: 32 tasks wait and no worker takes this stage; start one with --stages release'],
};

describe('a fleet in the terminal', () => {
  it('is told in lines that 80 columns take, whatever a terminal does in its last one', () => {
    expect(`${formatFleet(FLEET).join('\n')}\n`).toBe(`\
laion-2026                             running  2:34:10  ETA at least 289:10:00
  s3://crawls/laion-2026
  extract  ━━━━━━━━━━━━━━               64/64        256,000 links  30.0 % kept
  harvest  ━━━╌╌╌╌╌╌╌╌╌╌╌ 2,125,000/8,500,000 21,250,000,000 pairs   7.0 % kept
           61,235 pairs/s, ETA 289:10:00, 512 under way, 6,374,000 free,
           3 to be tried again, 2 failed too often
  what comes after harvest is planned when it is done
  dropped  text does not match the image 18,000,000;
           host name does not resolve 1,000; took too long 900; TLS failed 800;
           2 more reasons 13
  failed too often: 2 tasks, as harvest/00003: unique/00003.parquet: is damaged
  cost     12,300 CPU-hours so far, 493.82; at least 37,000 CPU-hours to go,
           1,480

workers: 1 working, 1 lost
  node-b                        lost       0/8        2.0 GB  silent for 3:05
  node-a           machine-1    working    8/8    2.0/8.0 GB  harvest 61.2/s

! release: 32 tasks wait and no worker takes this stage; start one with
  --stages release
`);
  });

  it('has runs that ended in a line each, and all of one that is asked for', () => {
    const done: RunStatus = {
      ...RUN,
      ...{
        condition: 'done',
        finishedAt: '2026-11-22T02:00:00.000Z',
        etaSeconds: null,
        dead: [],
        allPlanned: true,
      },
      stages: [STAGE],
      cost: { ...RUN.cost, soFar: null, cpuHoursLeft: 0, left: null },
    };
    const fleet = {
      ...FLEET,
      runs: [done, { ...done, name: 'other', condition: 'cancelled' as const }],
      warnings: [],
    };
    expect(
      formatFleet({ ...fleet, workers: [], workerCounts: { ...FLEET.workerCounts, working: 0, lost: 0 } }),
    ).toEqual([
      'laion-2026                                      done  2026-11-22 02:00  2:34:10',
      'other                                                                 cancelled',
      '',
      'workers: none',
    ]);
    expect(formatFleet({ ...fleet, runs: [done] }, { whole: () => true }).slice(1, 3)).toEqual([
      '  s3://crawls/laion-2026',
      '  extract  ━━━━━━━━━━━━━━               64/64        256,000 links  30.0 % kept',
    ]);
  });

  it('shows what strangers wrote, and obeys none of it', () => {
    const evil = '\x1b[2J\u202e\r\nevil';
    const lines = formatFleet({
      ...FLEET,
      runs: [
        { ...RUN, name: evil, location: evil, dead: [{ problem: evil, tasks: 1, example: 'harvest/00000' }] },
      ],
      workers: [{ ...WORKER, name: evil, host: evil, doing: { [evil]: 1 } }],
      warnings: [evil],
    });
    for (const line of lines) {
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(line.length).toBeLessThan(80);
    }
  });

  it('never shows a stage as done that is not', () => {
    const almost = { ...HARVEST, done: 8_499_999, share: 8_499_999 / 8_500_000 };
    const line = formatFleet({ ...FLEET, runs: [{ ...RUN, stages: [almost] }] }).find((text) =>
      /harvest {2}/.test(text),
    );
    expect(line).toContain('━━━━━━━━━━━━━╌ ');
  });

  it('says how to begin where nothing is', () => {
    expect(formatFleet({ ...FLEET, runs: [] })).toEqual([
      "No run was submitted to this fleet yet. Begin one with 'gleaner submit'.",
    ]);
  });
});
