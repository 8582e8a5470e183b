import { freeBytes } from '../formats/free-bytes.ts';
import { type BodyThreads, startBodyThreads } from '../image/body-threads.ts';
import { type Planes, type SquareWork, toSquare } from './square.ts';

/** The thread's file beside this one: TypeScript in a checkout, JavaScript where it was built. */
const THREAD = new URL(
  import.meta.url.endsWith('.ts') ? './square-thread.ts' : './square-thread.js',
  import.meta.url,
);
/** Pictures that wait at a thread: small ones take less time than a message. */
const QUEUED = 3;

/** Starts threads that bring pictures to squares, as `toSquare`; none: it is done in this thread. */
export function startSquareThreads(threads: number, work: SquareWork): BodyThreads<Planes> {
  if (threads > 0) return startBodyThreads({ file: THREAD, threads, queued: QUEUED, work });
  return {
    run: async (body, into) => {
      const made = await toSquare(body, work, into);
      freeBytes(body);
      return made;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
