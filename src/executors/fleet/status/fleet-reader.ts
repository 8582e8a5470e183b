import { STAGES } from '../../../pipeline/index.ts';
import type { Database } from '../database.ts';
import { costOf } from './cost.ts';
import { groupProblems, isOfStage, withoutCredentials } from './problems.ts';
import { Rates } from './rates.ts';
import {
  type RunRow,
  readSnapshot,
  type Snapshot,
  type StageRow,
  type TallyRow,
  type WorkerRow,
} from './snapshot.ts';
import { stageStatus } from './stage-status.ts';
import { droppedCounts, type StageTally, sumTallies } from './tally.ts';
import type { FleetStatus, Prices, RunCondition, RunStatus, StageStatus, WorkerState } from './types.ts';
import { warningsOf } from './warnings.ts';
import { isLive, speedByStage, workerStatus } from './workers.ts';

/** Workers that are listed. */
const MAX_WORKERS = 200;

/** In this order they are listed: what is amiss first. */
const WORKER_ORDER: readonly WorkerState[] = ['lost', 'draining', 'working', 'idle'];

export interface FleetReaderOptions {
  /** Id of the one run that is told of. @default all */
  readonly run?: string | undefined;
  readonly prices?: Prices | undefined;
}

/** What is known of one stage of a run: does not change any more when the stage is done. */
interface KnownTally {
  readonly tally: StageTally;
  /** Task time by worker, in seconds. */
  readonly secondsBy: ReadonlyMap<string, number>;
}

/** Looks at a fleet again and again: what it saw before gives rates, and what is done is not read twice. */
export class FleetReader {
  readonly #database: Database;
  readonly #options: FleetReaderOptions;
  readonly #rates = new Rates();
  readonly #done = new Map<string, KnownTally>();

  constructor(database: Database, options: FleetReaderOptions = {}) {
    this.#database = database;
    this.#options = options;
  }

  /** @throws GleanerError DATABASE_UNREACHABLE, DATABASE_REFUSED */
  async read(): Promise<FleetStatus> {
    const { run, prices = {} } = this.#options;
    const snapshot = await readSnapshot(this.#database, run, [...this.#done.keys()]);
    const tallies = this.#talliesOf(snapshot);
    this.#look(snapshot, tallies);
    const gpuShares = gpuSeconds(snapshot.workers, tallies);
    const runs = snapshot.runs.map((row) => this.#runStatus(row, snapshot, tallies, gpuShares, prices));
    const workers = snapshot.workers.flatMap((row) => workerStatus(row) ?? []);
    const counts: Record<WorkerState, number> = { working: 0, idle: 0, draining: 0, lost: 0 };
    for (const { state } of workers) counts[state]++;
    workers.sort((a, b) => WORKER_ORDER.indexOf(a.state) - WORKER_ORDER.indexOf(b.state));
    return {
      at: snapshot.at.toISOString(),
      runs,
      workers: workers.slice(0, MAX_WORKERS),
      workerCounts: counts,
      volunteers: snapshot.volunteers.map(({ since, ...rest }) => ({ ...rest, since: since.toISOString() })),
      warnings: warningsOf(runs, snapshot.workers, snapshot.harvestQueues),
    };
  }

  #talliesOf({ tallies, stages }: Snapshot): ReadonlyMap<string, KnownTally> {
    const known = new Map(this.#done);
    for (const [key, rows] of Map.groupBy(tallies, keyOf)) known.set(key, knownTally(rows));
    this.#done.clear();
    for (const row of stages) {
      const tally = known.get(keyOf(row));
      if (row.finished_at && tally) this.#done.set(keyOf(row), tally);
    }
    return known;
  }

  #look({ at }: Snapshot, tallies: ReadonlyMap<string, KnownTally>): void {
    const counts = new Map<string, number>();
    for (const [key, { tally }] of tallies) {
      counts.set(`tasks ${key}`, tally.tasks);
      if (tally.in !== null) counts.set(`in ${key}`, tally.in);
    }
    this.#rates.look(at.getTime() / 1000, counts);
  }

  #runStatus(
    row: RunRow,
    snapshot: Snapshot,
    tallies: ReadonlyMap<string, KnownTally>,
    gpuShares: ReadonlyMap<string, number>,
    prices: Prices,
  ): RunStatus {
    const speeds = speedByStage(snapshot.workers);
    const mine = snapshot.underWay.filter(({ run }) => run === row.id);
    const rows = stagesOf(snapshot, row.id);
    // Most runs have nothing to do in some stage.
    const withTasks = rows.filter(({ tasks }) => tasks > 0);
    const tallyOf = (stage: string) => tallies.get(keyOf({ run: row.id, stage }))?.tally;
    const stages = withTasks.map((stageRow) =>
      stageStatus({
        row: stageRow,
        tally: tallyOf(stageRow.stage),
        underWay: mine.filter((group) => group.stage === stageRow.stage && isOfStage(group)),
        before: stageRow.stage === 'harvest' ? tasksLeft(rows, 'fetch', tallyOf) : 0,
        saidPerSecond: shareOfSpeed(speeds.get(stageRow.stage), stageRow.stage, row.id, snapshot),
        inPerSecond: this.#rates.perSecond(`in ${keyOf(stageRow)}`),
        tasksPerSecond: this.#rates.perSecond(`tasks ${keyOf(stageRow)}`),
        isCancelled: row.state === 'cancelled',
        isServed: snapshot.workers.some(isLive),
        at: snapshot.at,
      }),
    );
    const problems = Map.groupBy(
      snapshot.problems.filter(({ run }) => run === row.id),
      ({ state }) => state,
    );
    const control = mine.filter((group) => !isOfStage(group));
    const condition = conditionOf(row, stages, control);
    const open = stages.filter(({ done, tasks }) => done < tasks);
    const end = row.finished_at ?? snapshot.at;
    return {
      id: row.id,
      name: row.name,
      location: withoutCredentials(row.location),
      condition,
      priority: row.priority,
      submittedAt: row.submitted_at.toISOString(),
      finishedAt: row.finished_at?.toISOString() ?? null,
      seconds: (end.getTime() - row.submitted_at.getTime()) / 1000,
      stages,
      allPlanned: rows.some(({ stage, planned_at }) => stage === LAST_STAGE && planned_at !== null),
      etaSeconds: condition === 'going' ? etaOf(open) : null,
      dropped: droppedCounts(stages.flatMap(({ stage }) => tallyOf(stage) ?? [])),
      dead: groupProblems(problems.get('failed') ?? []),
      retrying: groupProblems(problems.get('retry') ?? []),
      cost: costOf({
        stages: stages.flatMap(({ stage, tasks, done }) => {
          const tally = tallyOf(stage);
          const tasksLeft = row.state === 'running' ? tasks - done : 0;
          return tally ? [{ tally, tasksLeft }] : tasksLeft > 0 ? [{ tally: NONE, tasksLeft }] : [];
        }),
        gpuSeconds: gpuShares.get(row.id) ?? 0,
        prices,
      }),
    };
  }
}

/** A fleet as it is now; rates are what its workers say, or averages. See `FleetReader` for more than one look. */
export function readFleet(database: Database, options?: FleetReaderOptions): Promise<FleetStatus> {
  return new FleetReader(database, options).read();
}

const NONE = sumTallies([]);
const STAGE_ORDER: readonly string[] = STAGES;
const LAST_STAGE = STAGE_ORDER.at(-1);

/** Names a stage of a run. */
function keyOf({ run, stage }: { readonly run: string; readonly stage: string }): string {
  return `${run} ${stage}`;
}

function knownTally(rows: readonly TallyRow[]): KnownTally {
  return {
    tally: sumTallies(rows),
    secondsBy: new Map(rows.map(({ worker, seconds }) => [worker, seconds])),
  };
}

/** In their order. */
function stagesOf({ stages }: Snapshot, run: string): readonly StageRow[] {
  const place = ({ stage }: StageRow) => STAGE_ORDER.indexOf(stage);
  return stages.filter((row) => row.run === run).sort((a, b) => place(a) - place(b));
}

function conditionOf(
  { state }: RunRow,
  stages: readonly StageStatus[],
  control: readonly { readonly state: string }[],
): RunCondition {
  if (state !== 'running') return state;
  const isDead = stages.some(({ dead }) => dead > 0) || control.some((row) => row.state === 'failed');
  const moves =
    stages.some(({ active, queued, waiting }) => active + queued + waiting > 0) ||
    control.some((row) => row.state !== 'failed');
  if (isDead && !moves) return 'stuck';
  return stages.every(({ done, tasks }) => done === tasks) ? 'planning' : 'going';
}

/** Of stages that are not done, in seconds. What is fetched apart is harvested meanwhile. */
function etaOf(open: readonly StageStatus[]): number | null {
  let [sum, fetching] = [0, 0];
  for (const { stage, etaSeconds } of open) {
    if (etaSeconds === null) return null;
    sum += stage === 'harvest' ? Math.max(0, etaSeconds - fetching) : etaSeconds;
    if (stage === 'fetch') fetching = etaSeconds;
  }
  return open.length > 0 ? sum : null;
}

/** Tasks of a stage that are not done; 0 where the run does not have it. */
function tasksLeft(
  rows: readonly StageRow[],
  name: string,
  tallyOf: (stage: string) => StageTally | undefined,
): number {
  const row = rows.find(({ stage }) => stage === name);
  return row ? Math.max(0, row.tasks - row.done_before - (tallyOf(name)?.tasks ?? 0)) : 0;
}

/** Workers do not say for which run they do it: runs in the same stage share it by their tasks under way. */
function shareOfSpeed(
  perSecond: number | undefined,
  stage: string,
  run: string,
  { underWay }: Snapshot,
): number | null {
  let [mine, all] = [0, 0];
  for (const row of underWay) {
    if (row.stage !== stage || row.state !== 'active' || !isOfStage(row)) continue;
    all += row.tasks;
    if (row.run === run) mine += row.tasks;
  }
  return perSecond && mine > 0 ? (perSecond * mine) / all : null;
}

/** The time that workers with a GPU were there, by run, in seconds. */
function gpuSeconds(
  workers: readonly WorkerRow[],
  tallies: ReadonlyMap<string, KnownTally>,
): ReadonlyMap<string, number> {
  const seconds = new Map<string, number>();
  for (const { id, gpu, there } of workers) {
    if (!gpu) continue;
    const mine = [...tallies].flatMap(([key, { secondsBy }]) => {
      const took = secondsBy.get(id);
      return took ? [{ run: key.split(' ')[0] ?? '', took }] : [];
    });
    const all = mine.reduce((sum, { took }) => sum + took, 0);
    for (const { run, took } of mine) seconds.set(run, (seconds.get(run) ?? 0) + (there * took) / all);
  }
  return seconds;
}
