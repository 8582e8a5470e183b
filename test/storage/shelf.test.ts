import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Shelf, ShelfRoom } from '../../src/storage/index.ts';

describe('Shelf', () => {
  const bytesOf = (n: number, length: number) => new Uint8Array(length).fill(n);

  it('gives back what was put, in any order, from memory or from its file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gleaner-shelf-'));
    const puts = fc.array(fc.record({ length: fc.nat(40), takes: fc.nat(4) }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(puts, fc.nat(100), async (steps, limit) => {
        const room = new ShelfRoom(limit);
        await using one = new Shelf(room, folder);
        await using other = new Shelf(room, folder);
        const waiting = [];
        for (const [n, { length, takes }] of steps.entries()) {
          const shelved = await (n % 2 === 0 ? one : other).put(bytesOf(n, length));
          waiting.push({ shelved, n, length });
          // Sometimes the oldest, sometimes the newest, sometimes several, sometimes none.
          for (let i = 0; i < takes; i++) {
            const next = n % 3 === 0 ? waiting.pop() : waiting.shift();
            if (next) expect(await next.shelved.take()).toEqual(bytesOf(next.n, next.length));
          }
        }
        for (const { shelved, n, length } of waiting)
          expect(await shelved.take()).toEqual(bytesOf(n, length));
        expect(room.take(limit)).toBe(true); // All memory was given back.
      }),
      { numRuns: 60 },
    );
    expect(await readdir(folder)).toEqual([]);
  });

  it('holds in memory no more than there is room for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gleaner-shelf-'));
    await using shelf = new Shelf(new ShelfRoom(10), folder);
    const first = bytesOf(1, 10);
    const second = bytesOf(2, 10);
    const [kept, written] = [await shelf.put(first), await shelf.put(second)];
    expect([first.length, second.length]).toEqual([10, 0]); // What went to disk is freed.
    expect([await kept.take(), await written.take()]).toEqual([bytesOf(1, 10), bytesOf(2, 10)]);
  });
});
