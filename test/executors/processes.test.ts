import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processExecutor } from '../../src/executors/processes.ts';
import type { SmallOrder } from './small-process.ts';

/** Does orders of these ways in two processes at most. */
async function execute(ways: readonly SmallOrder['way'][], silenceMs = 60_000) {
  const log = join(await mkdtemp(join(tmpdir(), 'gleaner-orders-')), 'log');
  const results: string[] = [];
  const executor = processExecutor<SmallOrder, { readonly log: string }, string>({
    workers: 2,
    file: new URL('./small-process.ts', import.meta.url),
    openOrders: 1,
    silenceMs,
    name: 'small',
  });
  const orders = async function* () {
    for (const [index, way] of ways.entries()) yield { index, way, suspects: [], fatal: [] };
  };
  const failures = await executor.execute(
    orders(),
    { log },
    { signal: new AbortController().signal, progress: () => undefined },
    ({ index }, result) => {
      results[index] = result;
    },
  );
  const begun = (await readFile(log, 'utf8')).trim().split('\n').length;
  return { results, failures, begun };
}

describe('supervised processes', () => {
  it('are no more than there are orders, and serve all that come', async () => {
    expect(await execute(['at once'])).toEqual({ results: ['of 1, without 0'], failures: [], begun: 1 });
    const { results, begun } = await execute(Array(9).fill('at once'));
    expect(results).toEqual(Array(9).fill('of 2, without 0'));
    expect(begun).toBe(2);
  });

  it('end by themselves where an image is worked on for ever, which is then left out', async () => {
    // Begun, suspected, and blamed: the third process does the order.
    const { results, failures, begun } = await execute(['endless']);
    expect({ results, failures, begun }).toEqual({ results: ['of 1, without 1'], failures: [], begun: 3 });
  });

  it('end by themselves where no image ends, and the order is given up', async () => {
    const { results, failures } = await execute(['no answer', 'at once', 'at once']);
    expect(results.slice(1)).toEqual(['of 2, without 0', 'of 2, without 0']);
    expect(failures).toEqual([
      {
        index: 0,
        problem:
          'its process died 3 times (the last time: no image ended for 1 s, with no image in work). Is there enough memory?',
      },
    ]);
  });

  it('are ended where they give no sign of life', async () => {
    const { failures } = await execute(['blocked'], 2_000);
    expect(failures.map(({ problem }) => problem)).toEqual([
      'its process died 3 times (the last time: no sign of life for 2 s, with no image in work). Is there enough memory?',
    ]);
  });
});
