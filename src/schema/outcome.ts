import type { Reason } from './reason.ts';

/** A value that a filter let through. */
export interface Kept<T> {
  readonly kept: true;
  readonly value: T;
}

/** What a filter refused: a reason from the closed list and a short detail (a number, a status, a host). */
export interface Dropped {
  readonly kept: false;
  readonly reason: Reason;
  readonly detail: string;
}

/** What every filter returns. There is no third way out: a pair is kept, or dropped with a reason. */
export type Outcome<T> = Kept<T> | Dropped;

/** Lets `value` through. */
export function kept<T>(value: T): Kept<T> {
  return { kept: true, value };
}

/** Refuses, with a reason and a detail of a few words at most ('' where there is nothing to add). */
export function dropped(reason: Reason, detail = ''): Dropped {
  return { kept: false, reason, detail };
}
