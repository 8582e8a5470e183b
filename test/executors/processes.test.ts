import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { processExecutor, type RunningProcess } from '../../src/executors/processes.ts';
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

describe('a supervised process whose orders come one by one', () => {
  /** Orders that are given while it works, and what becomes of each. */
  async function serve() {
    const log = join(await mkdtemp(join(tmpdir(), 'gleaner-orders-')), 'log');
    const told: unknown[] = [];
    const stops = new Map<number, AbortController>();
    const running: RunningProcess[] = [];
    let [give, more] = [
      (_: SmallOrder | undefined) => {},
      Promise.resolve<SmallOrder | undefined>(undefined),
    ];
    const next = () => {
      more = new Promise((resolve) => {
        give = resolve;
      });
    };
    next();
    const orders = async function* () {
      for (;;) {
        const order = await more;
        next();
        if (!order) return;
        yield order;
      }
    };
    const executor = processExecutor<SmallOrder, { readonly log: string }, string>({
      workers: 1,
      share: 5,
      file: new URL('./small-process.ts', import.meta.url),
      openOrders: 2,
      name: 'small',
    });
    const ended = executor.execute(
      orders(),
      { log },
      {
        signal: new AbortController().signal,
        signalOf: ({ index }) => stops.get(index)?.signal ?? new AbortController().signal,
        onFailed: ({ index }, error) => told.push([index, error]),
        onProcess: (one) => running.push(one),
      },
      ({ index }, result) => {
        told.push([index, result]);
      },
    );
    return {
      told,
      running,
      ended,
      stop: (index: number) => stops.get(index)?.abort(new Error('not wanted')),
      end: () => give(undefined),
      give(index: number, way: SmallOrder['way']) {
        stops.set(index, new AbortController());
        give({ index, way, suspects: [], fatal: [] });
      },
    };
  }

  const patient = { timeout: 20_000, interval: 20 };

  it('tells of each that fails, with its code, and goes on with the others', async () => {
    const { told, running, ended, give, end } = await serve();
    give(0, 'refused');
    await vi.waitFor(() => expect(told).toMatchObject([[0, { code: 'DISK_FULL' }]]), patient);
    give(1, 'at once');
    await vi.waitFor(() => expect(told[1]).toEqual([1, 'of 5, without 0']), patient);
    expect(running).toHaveLength(1);
    end();
    expect(await ended).toEqual([]);
  });

  it('stops one, and not the one beside it', async () => {
    const { told, running, ended, give, stop, end } = await serve();
    give(0, 'until stopped');
    await vi.waitFor(() => expect(running).toHaveLength(1), patient);
    give(1, 'until stopped');
    stop(0);
    await vi.waitFor(() => expect(told).toMatchObject([[0, {}]]), patient);
    give(2, 'at once');
    await vi.waitFor(() => expect(told[1]).toEqual([2, 'of 5, without 0']), patient);
    stop(1);
    await vi.waitFor(() => expect(told).toHaveLength(3), patient);
    expect(running).toHaveLength(1);
    end();
    await ended;
  });

  it('that is ended gives back what it had, and another serves what comes then', async () => {
    const { told, running, ended, give, end } = await serve();
    give(0, 'until stopped');
    await vi.waitFor(() => expect(running).toHaveLength(1), patient);
    const reason = new Error('too large');
    running[0]?.end(reason);
    expect(told).toEqual([[0, reason]]);
    give(1, 'at once');
    await vi.waitFor(() => expect(told[1]).toEqual([1, 'of 5, without 0']), patient);
    expect(running).toHaveLength(2);
    end();
    expect(await ended).toEqual([]);
  });
});
