import { refusedBySystem } from '../../../schema/index.ts';

/**
 * Whose an error is. `machine`: no task would fare better here, and the worker ends. `run`: this machine cannot do this run, others
 * may. `task`: it is tried again, here or elsewhere, and after some times laid aside.
 */
export type Blame = 'machine' | 'run' | 'task';

const BLAMES: Readonly<Record<string, Blame>> = {
  DISK_FULL: 'machine',
  FILE_FAILED: 'machine',
  STORAGE_REFUSED: 'machine',
  DATABASE_UNREACHABLE: 'machine',
  DATABASE_REFUSED: 'machine',
  SCHEMA_MISMATCH: 'machine',
  PROVIDER_FAILED: 'run',
  MODEL_INVALID: 'run',
  CLASSIFIER_INVALID: 'run',
  RUN_UNSEEN: 'run',
  USAGE: 'run',
};

/** @param location of the task's run, where that is known */
export function blameFor(error: unknown, location?: string): Blame {
  const told = refusedBySystem(error);
  if (!told) return 'task';
  // A process tells of itself, and what was the matter is the cause.
  if (told.code === 'TASK_FAILED' && told.cause !== undefined) return blameFor(told.cause, location);
  // The network is no disk: what it refuses once it may give the next time.
  if (told.code === 'FILE_FAILED' && OF_NETWORK.test(told.message)) return 'task';
  // What somebody else's bucket refuses, as one of inputs, is the run's matter.
  if (told.code === 'STORAGE_REFUSED' && location !== undefined) {
    const { path } = told.toPlain().values;
    if (bucketOf(String(path)) !== bucketOf(location)) return 'task';
  }
  return BLAMES[told.code] ?? 'task';
}

/** libuv's names of errors that connections have. */
const OF_NETWORK =
  /\((?:ECONN\w+|EPIPE|ETIMEDOUT|EAI_\w+|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDR\w+)\)/;

/** As 's3://bucket'. */
function bucketOf(location: string): string {
  return /^s3:\/\/[^/]+/.exec(location)?.[0] ?? location;
}

/** Whether the database itself is the matter: then there is nobody to tell of it. */
export function isOfDatabase(error: unknown): boolean {
  return refusedBySystem(error)?.code.startsWith('DATABASE_') ?? false;
}

/** What went wrong, for a log and for whoever looks at tasks that failed: a line, or a defect's stack. */
export function problemText(error: unknown): string {
  const told = refusedBySystem(error);
  if (told) return told.message;
  return (error instanceof Error ? error.stack : undefined) ?? String(error);
}
