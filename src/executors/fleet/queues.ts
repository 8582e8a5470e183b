import type { StageName } from '../../pipeline/index.ts';

/**
 * Queues of a fleet: one a stage, and three for what lies between stages. `harvest-gpu` holds the harvest of runs whose
 * networks run on a GPU; `gate` counts the tasks of a stage, `plan` plans the next, `settle` ends the run. `audit` holds what
 * volunteers have sent, for trusted workers to check.
 */
export const QUEUES = [
  'extract',
  'dedup',
  'fetch',
  'harvest',
  'harvest-gpu',
  'near',
  'select',
  'release',
  'trail',
  'report',
  'plan',
  'gate',
  'settle',
  'audit',
] as const;
export type QueueName = (typeof QUEUES)[number];

/** What is no work on pairs: any trusted worker takes it. */
export const CONTROL_QUEUES = ['settle', 'gate', 'plan'] as const satisfies readonly QueueName[];

/** Where tasks lie that failed too often, each with its last problem. */
export function deadLetters(queue: QueueName): string {
  return `dead-${queue}`;
}

/** The queue of a task. @param gpu whether the networks of its run need one */
export function queueOf(stage: StageName, gpu: boolean): QueueName {
  return stage === 'harvest' && gpu ? 'harvest-gpu' : stage;
}

/** The queues that a worker takes tasks from, the last stage first: runs are to end before others begin. */
export function queuesOf(stages: readonly StageName[], gpu: boolean): QueueName[] {
  const mine = QUEUES.filter((queue) => {
    if (queue === 'harvest-gpu') return gpu && stages.includes('harvest');
    return stages.some((stage) => stage === queue);
  });
  return [...CONTROL_QUEUES, ...mine.reverse()];
}

const TEN_YEARS_SECONDS = 10 * 365 * 86_400;

/** Seconds without a sign of life after which a task is given to another worker. */
const HEARTBEAT_SECONDS = 20;
/** Seconds between two signs of life: three may be lost. */
export const TOUCH_SECONDS = 5;
/** Seconds between two looks for tasks whose worker is gone, by whichever worker comes to it. */
export const SUPERVISE_SECONDS = 10;

/** How tasks of all queues are kept. None is ever deleted for its age: a crawl may take months. */
export const QUEUE_OPTIONS = {
  policy: 'standard',
  // A table of its own for each queue: that of one stage stays small while another has millions.
  partition: true,
  heartbeatSeconds: HEARTBEAT_SECONDS,
  expireInSeconds: 86_400, // the most that pg-boss allows; what hangs is found by its process (processExecutor)
  retryLimit: 10,
  retryDelay: 1,
  retryDelayMax: 300,
  retryBackoff: true,
  retentionSeconds: TEN_YEARS_SECONDS,
  deleteAfterSeconds: 0,
} as const;
