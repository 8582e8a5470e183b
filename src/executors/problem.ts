import { GleanerError, type PlainError, refusedBySystem } from '../schema/index.ts';

/** What went wrong in a process, as plain data: an error for the user, or else a defect's stack. */
export interface Problem {
  readonly told?: PlainError;
  readonly problem: string;
}

/** In the process: what a user reads, or where a defect lies. */
export function problemOf(error: unknown): Problem {
  const told = refusedBySystem(error);
  if (told) return { told: told.toPlain(), problem: told.message };
  return { problem: (error instanceof Error ? error.stack : undefined) ?? String(error) };
}

/**
 * In the process that began it: the error to throw.
 * @param task that it is said to be of; without it, it is told as it came
 */
export function errorOf({ told, problem }: Problem, task: string | undefined): Error {
  if (told && (task === undefined || told.code === 'USAGE')) return GleanerError.from(told);
  const cause = told && { cause: GleanerError.from(told) };
  return new GleanerError('TASK_FAILED', { task: task ?? 'worker', problem }, cause);
}
