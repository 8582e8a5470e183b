import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapOrdered } from '../../src/stages/ordered.ts';

describe('mapOrdered', () => {
  it('gives results in the order of the items, whichever is done first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.nat(30),
        fc.integer({ min: 1, max: 8 }),
        async (scheduler, n, window) => {
          const items = Array.from({ length: n }, (_, i) => i);
          const results = Array.fromAsync(
            mapOrdered(items, window, (item) => scheduler.schedule(Promise.resolve(item * 2))),
          );
          await scheduler.waitFor(results);
          expect(await results).toEqual(items.map((item) => item * 2));
        },
      ),
    );
  });

  it('never has more than the window begun and not given out', async () => {
    let [begun, given, most] = [0, 0, 0];
    const work = async (item: number) => {
      most = Math.max(most, ++begun - given);
      return item;
    };
    for await (const _ of mapOrdered(Array(50).keys(), 4, work)) {
      given++;
      await setImmediate();
    }
    expect(most).toBe(4);
    expect(given).toBe(50);
  });

  it('begins an item when it is admitted, while results are worked on', async () => {
    const begun: number[] = [];
    const admitted = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
    const results = mapOrdered(
      [0, 1, 2, 3],
      Infinity,
      async (item) => begun.push(item),
      (item) => admitted[item]?.promise ?? Promise.resolve(),
    );
    admitted[0]?.resolve();
    await results.next();
    expect(begun).toEqual([0]);
    admitted[2]?.resolve(); // Not yet its turn.
    await setImmediate();
    expect(begun).toEqual([0]);
    admitted[1]?.resolve();
    await setImmediate();
    expect(begun).toEqual([0, 1, 2]); // Nobody has asked for another result meanwhile.
    admitted[3]?.resolve();
    expect(await Array.fromAsync(results)).toHaveLength(3);
  });

  it('begins nothing more when nobody wants more results, and lets the items go', async () => {
    let [begun, closed] = [0, false];
    const items = async function* () {
      try {
        for (;;) yield 0;
      } finally {
        closed = true;
      }
    };
    for await (const _ of mapOrdered(items(), 3, async () => begun++)) break;
    const before = begun;
    await setImmediate();
    await setImmediate();
    expect(begun).toBe(before);
    expect(closed).toBe(true);
  });

  it('gives thousands of results, and then what the items threw', async () => {
    const items = function* () {
      yield* Array(1000).keys();
      throw new Error('no more');
    };
    const seen: number[] = [];
    await expect(
      (async () => {
        for await (const item of mapOrdered(items(), 700, async (n) => n)) seen.push(item);
      })(),
    ).rejects.toThrow('no more');
    expect(seen).toEqual([...Array(1000).keys()]);
  });

  it('throws at the place of the item that failed, and no earlier', async () => {
    const seen: number[] = [];
    const results = mapOrdered([1, 2, 3, 4], 4, async (item) => {
      if (item === 3) throw new Error('three');
      return item;
    });
    await expect(
      (async () => {
        for await (const item of results) seen.push(item);
      })(),
    ).rejects.toThrow('three');
    expect(seen).toEqual([1, 2]);
  });
});
