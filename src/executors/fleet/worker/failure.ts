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

export function blameFor(error: unknown): Blame {
  const told = refusedBySystem(error);
  if (!told) return 'task';
  // A process tells of itself, and what was the matter is the cause.
  if (told.code === 'TASK_FAILED' && told.cause !== undefined) return blameFor(told.cause);
  return BLAMES[told.code] ?? 'task';
}

/** What went wrong, for a log and for whoever looks at tasks that failed: a line, or a defect's stack. */
export function problemText(error: unknown): string {
  const told = refusedBySystem(error);
  if (told) return told.message;
  return (error instanceof Error ? error.stack : undefined) ?? String(error);
}
