import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { endsInTime } from './test/support/ends-in-time.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/support/blocked.ts'],
    reporters: ['default', endsInTime],
    // Tests of native code and of browsers each get a process of their own.
    pool: 'forks',
    // What Node compiled is kept: half of the time that a command of a test takes to start.
    env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules', '.cache', 'compiled') },
    // One more than cores: some tests mostly wait, for leases and for what has to time out.
    maxWorkers: 3,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
