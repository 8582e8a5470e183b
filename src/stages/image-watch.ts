import { dropped, type Outcome } from '../schema/index.ts';
import type { Turnstile } from './budget.ts';

/**
 * What is known and told of the work on single images where an image may end the process: a decoder that crashes or
 * never ends is found by what was in work, and rows that were in work are then worked on alone.
 */
export interface ImageWatch {
  /** Rows whose image was worked on when a process died: each is worked on alone. */
  readonly suspects: ReadonlySet<number>;
  /** Rows whose image ended a process: they are not worked on again. */
  readonly fatal: ReadonlySet<number>;
  /** Images that are worked on at once. */
  readonly turnstile: Turnstile;
  /** Writes down that an image is being worked on. @returns writes down that it has ended */
  readonly journal: (row: number) => () => void;
  /** An image has been asked for. @returns that it has ended, whatever it came to */
  readonly underWay: () => () => void;
  /** All images of the task have been asked for: there is room for another task. */
  readonly hungry: () => void;
}

/**
 * Works on one image, with a note of it while that lasts.
 * @param row place of the image in its task, the same each time that the task is run
 * @returns what `work` gives, or that it ended its process the times before
 */
export async function workOnImage<T>(
  { suspects, fatal, turnstile, journal }: Omit<ImageWatch, 'underWay' | 'hungry'>,
  row: number,
  work: () => Promise<Outcome<T>>,
): Promise<Outcome<T>> {
  if (fatal.has(row)) return dropped('undecodable', 'ended its worker');
  const leave = await turnstile.enter(suspects.has(row));
  const ended = journal(row);
  try {
    return await work();
  } finally {
    ended();
    leave();
  }
}
