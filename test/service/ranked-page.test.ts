import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RowSet } from '../../src/knn/index.ts';
import type { List } from '../../src/service/api/lists.ts';
import { rankedPage } from '../../src/service/api/ranked-page.ts';

const ROWS = 3000;
const ALL = RowSet.of(
  ROWS,
  Array.from({ length: ROWS }, (_, id) => id),
);

/** A list as an index gives it that finds some of the nearest only when it looks further, and orders by id what it finds. */
const list: List = async (k, among) => {
  const all = [...among];
  const found = all.filter((id, place) => id % 7 !== 3 || k > 1.3 * place).slice(0, k);
  return { rows: found.map((id) => ({ id, cosine: 1 - id / ROWS })), whole: found.length === all.length };
};

describe('rankedPage', () => {
  test('pages of a list that is another for each length have each row once, and all of them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 150, max: 500 }),
        fc.constantFrom(1, 2, 3, 50, 1000),
        fc.uniqueArray(fc.nat(ROWS - 1), { maxLength: 3 }),
        async (limit, oneIn, leftOut) => {
          const ids = [...ALL].filter((id) => id % oneIn === 0);
          const options = { list, among: ALL, shown: RowSet.of(ROWS, ids), leftOut: new Set(leftOut), limit };
          const paged: number[] = [];
          let more = true;
          for (let offset = 0; more; offset += limit) {
            const page = await rankedPage({ ...options, offset });
            paged.push(...page.rows.map(({ id }) => id));
            // The same when it is asked for alone, and in other pages.
            expect(await rankedPage({ ...options, offset, limit: 10 })).toMatchObject({
              rows: page.rows.slice(0, 10),
            });
            expect(page.rows.length === limit || !page.more).toBe(true);
            more = page.more;
          }
          expect(new Set(paged).size).toBe(paged.length);
          expect(paged.toSorted((a, b) => a - b)).toEqual(ids.filter((id) => !leftOut.includes(id)));
        },
      ),
      { numRuns: 15, seed: 2 },
    );
  });

  test('counts what it passes over, while that is not most of all', async () => {
    const shown = RowSet.of(
      ROWS,
      [...ALL].filter((id) => id % 4 !== 0),
    );
    const whole: List = async (k, among) => {
      const rows = [...among].slice(0, k).map((id) => ({ id, cosine: 0 }));
      return { rows, whole: rows.length < k };
    };
    const page = (offset: number, limit: number) =>
      rankedPage({ list: whole, among: ALL, shown, leftOut: new Set(), offset, limit });
    // Three of four are shown: the 30th is row 39, and ten stand before it that are not.
    expect(await page(20, 10)).toMatchObject({ hidden: 10, more: true });
    expect(await page(2000, 200)).toMatchObject({ hidden: 734, more: true });
    expect(await page(2240, 10)).toMatchObject({ hidden: 750, more: false, rows: { length: 10 } });
  });
});
