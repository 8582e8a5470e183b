import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { RecordFile, RecordSorter } from '../../src/storage/index.ts';

const word = fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 2 ** 32 - 1 }));

describe('records of words', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-records-'));
  });

  async function collect(blocks: AsyncIterable<Uint32Array>): Promise<number[]> {
    return (await Array.fromAsync(blocks)).flatMap((block) => [...block]);
  }

  it('come back from a file in the order in which they were written, any range of them', async () => {
    await using file = new RecordFile(folder, 3);
    const records = Array.from({ length: 300_000 }, (_, i) => i * 7);
    for (let at = 0; at < records.length; at += 3000)
      await file.append(Uint32Array.from(records.slice(at, at + 3000)));
    expect(file.size).toBe(100_000);
    expect(await collect(file.read())).toEqual(records);
    expect(await collect(file.read(5, 7, 1))).toEqual(records.slice(15, 21));
    expect(await readdir(folder)).toEqual([]);
  });

  it('are sorted as Array.sort does it, in memory or in many runs', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(word, word, word), { maxLength: 200 }),
        fc.constantFrom(40, 200, 1 << 20),
        async (records, memoryBytes) => {
          // The number of the record is the last word of its key: no two are equal.
          const all = records.map((record, i) => [...record.slice(0, 2), i, record[2]]);
          await using sorter = new RecordSorter(folder, { words: 4, keyWords: 3, memoryBytes });
          for (let at = 0; at < all.length; at += 17)
            await sorter.add(Uint32Array.from(all.slice(at, at + 17).flat()));
          expect(sorter.size).toBe(all.length);
          const expected = all.sort((a, b) => {
            const differs = [0, 1, 2].find((w) => a[w] !== b[w]) ?? 0;
            return (a[differs] ?? 0) - (b[differs] ?? 0);
          });
          expect(await collect(sorter.sorted())).toEqual(expected.flat());
        },
      ),
      { numRuns: 60 },
    );
  });
});
