import type { Reporter, Vitest } from 'vitest/node';

/** What comes after the last test takes so long at most. */
const LIMIT_MS = 60_000;

let watches = false;

/**
 * Ends vitest where it does not end by itself: it waits for all that holds the output of a test file's process, and so
 * without end for a process that a test left behind.
 */
export const endsInTime: Reporter = {
  onInit({ config }: Vitest) {
    watches = config.watch;
  },
  onTestRunEnd() {
    if (watches) return;
    setTimeout(() => {
      console.error('the tests are over, but a process that one of them began is not: see `ps`');
      process.exit(1);
    }, LIMIT_MS).unref();
  },
};
