// What a fleet does, in figures: for the terminal, the page and machines. Types only: the page is built from this file too.

/** A fleet at one moment, by the database's clock. */
export interface FleetStatus {
  /** ISO 8601. */
  readonly at: string;
  /** Those under way by priority, then the last that ended. */
  readonly runs: readonly RunStatus[];
  /** Those that live, and those that were lost within a day; 200 of them at most. */
  readonly workers: readonly WorkerStatus[];
  /** All of them, those that are not listed too. */
  readonly workerCounts: Readonly<Record<WorkerState, number>>;
  readonly volunteers: readonly VolunteerStatus[];
  /** What somebody has to do something about, as plain sentences. */
  readonly warnings: readonly string[];
}

/**
 * `going`: tasks are under way or wait for a worker. `planning`: the stage before is done, the next one has no tasks yet.
 * `stuck`: tasks have failed too often, and nothing else is left to do.
 */
export type RunCondition = 'going' | 'planning' | 'stuck' | 'done' | 'cancelled';

export interface RunStatus {
  readonly id: string;
  readonly name: string;
  /** Without credentials; null where strangers may read it. */
  readonly location: string | null;
  readonly condition: RunCondition;
  readonly priority: number;
  /** ISO 8601. */
  readonly submittedAt: string;
  readonly finishedAt: string | null;
  /** From its submission to its end, or until now. */
  readonly seconds: number;
  /** In their order; those that have been planned. */
  readonly stages: readonly StageStatus[];
  /** Whether its last stage has been planned: before that, nobody knows how much there is to do. */
  readonly allPlanned: boolean;
  /** Of the stages that have been planned, in seconds; null where no rate is known. */
  readonly etaSeconds: number | null;
  /** Pairs that were dropped, the most frequent reason first. */
  readonly dropped: readonly DroppedCount[];
  /** Tasks that failed too often, by problem. */
  readonly dead: readonly ProblemGroup[];
  /** Tasks that failed and are to be tried again, by their last problem. */
  readonly retrying: readonly ProblemGroup[];
  readonly cost: RunCost;
}

export interface StageStatus {
  readonly stage: string;
  /** What `in`, `out` and `perSecond` count: 'links', 'pairs', 'rows' or 'files'. */
  readonly unit: string;
  readonly tasks: number;
  /** With `doneBefore`. */
  readonly done: number;
  /** Those that an earlier start had done. */
  readonly doneBefore: number;
  /** A worker has them. */
  readonly active: number;
  /** Free to be taken. */
  readonly queued: number;
  /** Wait for a task of the stage before them. */
  readonly blocked: number;
  /** Failed, and not to be tried again yet. */
  readonly waiting: number;
  /** Failed too often. */
  readonly dead: number;
  /** What came in and went on, of tasks that this fleet has done; null where the stage counts none. */
  readonly in: number | null;
  readonly out: number | null;
  /** Of `unit`: what workers say of late, else over the last minute; null where none is known. */
  readonly perSecond: number | null;
  /** Of its tasks, 0 to 1. */
  readonly share: number;
  readonly etaSeconds: number | null;
  /** Summed over tasks: wall time and CPU time. */
  readonly taskSeconds: number;
  readonly cpuSeconds: number;
  readonly finishedAt: string | null;
}

export interface DroppedCount {
  readonly reason: string;
  /** The reason in words. */
  readonly title: string;
  readonly count: number;
}

/** Tasks with the same problem but for numbers in it. */
export interface ProblemGroup {
  /** As one of them says it; null where strangers may read it. */
  readonly problem: string | null;
  readonly tasks: number;
  /** One of them, as 'harvest/00003'. */
  readonly example: string;
}

export interface RunCost {
  readonly cpuHours: number;
  /** Time that workers with a GPU were there, shared among runs by the time of their tasks. */
  readonly gpuHours: number;
  /** In the currency of the prices; null where no price is known. */
  readonly soFar: number | null;
  /** Of the stages that have been planned, at what their tasks took so far; null where none is done. */
  readonly cpuHoursLeft: number | null;
  readonly left: number | null;
}

/** What an hour costs, in any currency. */
export interface Prices {
  readonly cpuHour?: number | undefined;
  readonly gpuHour?: number | undefined;
}

/** `lost`: nothing was heard of it for a minute. */
export type WorkerState = 'working' | 'idle' | 'draining' | 'lost';

export interface WorkerStatus {
  readonly name: string;
  /** Null where strangers may read it. */
  readonly host: string | null;
  readonly kind: 'trusted' | 'volunteer';
  readonly state: WorkerState;
  readonly stages: readonly string[];
  readonly gpu: boolean;
  readonly slots: number;
  readonly busy: number;
  readonly memoryBytes: number;
  /** 0 where it has none. */
  readonly memoryLimitBytes: number;
  /** What it does now, in things a second, by stage. */
  readonly doing: Readonly<Record<string, number>>;
  readonly seenSecondsAgo: number;
}

export interface VolunteerStatus {
  readonly name: string;
  /** Accepted. */
  readonly tasks: number;
  readonly pairs: number;
  /** ISO 8601: first seen. */
  readonly since: string;
}
