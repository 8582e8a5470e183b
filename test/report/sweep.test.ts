import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { collectStatistics } from '../../src/stages/report/index.ts';
import { SweepCounter } from '../../src/stages/report/sweep.ts';
import { SIX_INPUT, SIX_ROWS, SIX_TRAIL, temporaryStorage, writeRelease } from './small-release.ts';

describe('what other thresholds would keep', () => {
  const anyPair = fc.record({
    // Many on the grid, where a comparison is decided by the last bit.
    similarity: fc.oneof(
      fc.integer({ min: -100, max: 100 }).map((n) => n / 100),
      fc.double({ min: -1, max: 1, noNaN: true }),
    ),
    language: fc.constantFrom('en', 'de', 'und'),
    nsfw: fc.constantFrom(undefined, 'UNLIKELY', 'NSFW'),
  });
  const anyOwn = fc.option(fc.constantFrom(0.3, 0.28, 0.285, -0.007, 1, -1));

  test('every count is that of the pairs which are at least the threshold', () => {
    fc.assert(
      fc.property(fc.array(anyPair), anyOwn, (pairs, own) => {
        const counter = new SweepCounter(own);
        for (const { similarity, language, nsfw } of pairs) counter.add(similarity, language, nsfw);
        const sweep = counter.sweep();
        expect(sweep.scored).toBe(pairs.length);
        if (own !== null && pairs.length > 0) expect(sweep.thresholds).toContain(own);
        const some = (wanted: (pair: (typeof pairs)[number]) => boolean) =>
          sweep.thresholds.map((t) => pairs.filter((pair) => pair.similarity >= t && wanted(pair)).length);
        const judged = (counts: readonly number[]) =>
          counts.map((n, i) => (own === null || (sweep.thresholds[i] ?? 1) >= own ? n : null));
        expect(sweep.passed).toEqual(some(() => true));
        expect(sweep.released).toEqual(judged(some(({ nsfw }) => nsfw !== undefined)));
        for (const { value, passed } of sweep.languages)
          expect(passed).toEqual(some(({ language }) => language === value));
        for (const { value, released } of sweep.nsfw)
          expect(released).toEqual(judged(some(({ nsfw }) => nsfw === value)));
        // All of them pass the first threshold; where there is a higher one than all cosines, none passes the last.
        expect(sweep.passed[0] ?? 0).toBe(pairs.length);
        if ((sweep.thresholds.at(-1) ?? 1) < 1) expect(sweep.passed.at(-1)).toBe(0);
      }),
    );
  });

  test('of six pairs and seven that were dropped, by hand', async () => {
    await using folder = await temporaryStorage();
    await writeRelease(folder.storage, SIX_ROWS, SIX_TRAIL);
    const { sweep } = await collectStatistics(folder.storage, SIX_INPUT);
    const at = (threshold: number) => {
      const i = sweep.thresholds.indexOf(threshold);
      return [sweep.passed[i], sweep.released[i]];
    };
    expect([sweep.own, sweep.scored]).toEqual([0.3, 13]);
    // 0.3, 0.31, 0.35, 0.42, 0.5, 0.9 were released; 0.4 was dropped for safety; -0.05 to 0.29999 for the threshold.
    expect(at(-0.05)).toEqual([13, null]);
    expect(at(0.29)).toEqual([9, null]);
    expect(at(0.3)).toEqual([7, 6]);
    expect(at(0.31)).toEqual([6, 5]);
    expect(at(0.4)).toEqual([4, 3]);
    expect(at(0.41)).toEqual([3, 3]);
    expect(at(0.91)).toEqual([0, 0]);
    expect(sweep.thresholds.at(-1)).toBe(0.91);
    const index = sweep.thresholds.indexOf(0.31);
    expect(sweep.languages.map(({ value, passed }) => [value, passed[index]])).toEqual([
      ['en', 5],
      ['de', 1],
    ]);
    expect(sweep.nsfw.map(({ value, released }) => [value, released[index]])).toEqual([
      ['UNLIKELY', 3],
      ['UNSURE', 1],
      ['NSFW', 1],
    ]);
  });
});
