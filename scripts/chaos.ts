import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/**
 * `npm run chaos -- [KILLS]`: the tests that stop runs and workers at random moments, and restart a fleet's database or trouble its
 * store, with many more of these (20) than `npm test` has time for.
 */
const TESTS = [
  'test/download/killed.test.ts',
  'test/pipeline/retry.test.ts',
  'test/pipeline/crash.test.ts',
  'test/fleet/chaos.test.ts',
];

const [kills = '20'] = process.argv.slice(2);
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
execFileSync(process.execPath, [vitest, 'run', ...TESTS], {
  stdio: 'inherit',
  env: { ...process.env, GLEANER_KILLS: kills },
});
