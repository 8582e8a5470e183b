import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Nsfw, Row, Uid } from '../../src/schema/index.ts';
import { collectStatistics, type Statistics } from '../../src/stages/report/index.ts';
import { cutBands } from '../../src/stages/review/bands.ts';
import { type Answers, drawSample, reviewReport, type SampleOptions } from '../../src/stages/review/index.ts';
import type { Storage } from '../../src/storage/index.ts';
import { row, SIX_INPUT, temporaryStorage, writeRelease } from '../report/small-release.ts';

const ROWS = 3000;
const OPTIONS: SampleOptions = { seed: 0, perBand: 30, perFlagged: 8, bandWidth: null };

/** A number from 0 to 1 that is always the same for a name. */
const chance = (name: string) => Number.parseInt(hash('sha256', name, 'hex').slice(0, 8), 16) / 2 ** 32;

/** Higher similarities are rarer, and right more often; one of 20 is UNSURE, one of 40 NSFW. */
function pair(n: number): Row {
  const similarity = 0.3 + 0.2 * chance(`similarity ${n}`) ** 2;
  const nsfw: Nsfw = n % 40 === 0 ? 'NSFW' : n % 20 === 10 ? 'UNSURE' : 'UNLIKELY';
  return row(n, { uid: hash('sha256', `uid ${n}`, 'hex').slice(0, 32) as Uid, similarity, nsfw });
}
const isRight = ({ uid, similarity }: { uid: string; similarity: number }) =>
  chance(`right ${uid}`) < 0.5 + 2.5 * (similarity - 0.3);
const isUnsafe = ({ uid, nsfw }: Row) =>
  chance(`unsafe ${uid}`) < { NSFW: 0.8, UNSURE: 0.3, UNLIKELY: 0.01 }[nsfw];

const rows = Array.from({ length: ROWS }, (_, n) => pair(n));
const truth = new Map(
  rows.map((one): [string, Answers] => [
    one.uid,
    { match: isRight(one) ? 'yes' : 'no', safe: isUnsafe(one) ? 'no' : 'yes' },
  ]),
);

describe('a sample of 3,000 pairs', () => {
  let release: Awaited<ReturnType<typeof temporaryStorage>>;
  let storage: Storage;
  let stats: Statistics;

  beforeAll(async () => {
    release = await temporaryStorage();
    storage = release.storage;
    await writeRelease(storage, [rows.slice(0, 1200), rows.slice(1200)], []);
    const through = { in: ROWS, out: ROWS, dropped: {} };
    stats = await collectStatistics(storage, {
      ...SIX_INPUT,
      ledgers: {
        ...{ record: through, link: through, pair: through, unique: through, fetched: through },
        ...{ image: through, matched: through, safe: through },
      },
    });
  });
  afterAll(() => release[Symbol.asyncDispose]());
  const draw = (options: Partial<SampleOptions> = {}) =>
    drawSample(storage, stats, 'x', { ...OPTIONS, ...options });

  test('has as many pairs of every cell, or all; cells weigh what the release has of them', async () => {
    const { bands, cells, samples } = await draw();
    expect(cells.reduce((n, { pairs }) => n + pairs, 0)).toBe(ROWS);
    expect(bands.reduce((n, { pairs }) => n + pairs, 0)).toBe(ROWS);
    for (const [i, { band, nsfw, pairs }] of cells.entries()) {
      const of = bands[band];
      const inRelease = rows.filter(
        (one) =>
          one.nsfw === nsfw &&
          (of?.from ?? 0) <= one.similarity &&
          (band === bands.length - 1 || one.similarity < (of?.to ?? 0)),
      );
      expect(pairs).toBe(inRelease.length);
      const drawn = samples.filter(({ cell }) => cell === i);
      expect(drawn).toHaveLength(Math.min(pairs, nsfw === 'UNLIKELY' ? 30 : 8));
      const uids = new Set<string>(inRelease.map(({ uid }) => uid));
      for (const { uid } of drawn) expect(uids).toContain(uid);
    }
    expect(new Set(samples.map(({ uid }) => uid)).size).toBe(samples.length);
    const [some] = samples;
    const origin = rows.find(({ uid }) => uid === some?.uid);
    expect(some).toMatchObject({
      ...{ sampleId: Number(origin?.sampleId), url: origin?.url, text: origin?.text, key: origin?.key },
      part: rows.findIndex(({ uid }) => uid === some?.uid) < 1200 ? 0 : 1,
    });
  });

  test('one seed gives one order; a larger sample holds the smaller; another seed gives another', async () => {
    const first = await draw();
    expect(await draw()).toEqual(first);
    const larger = await draw({ perBand: 50, perFlagged: 10 });
    const uids = (sampling: typeof first) => sampling.samples.map(({ uid }) => uid);
    expect(new Set(uids(larger)).isSupersetOf(new Set(uids(first)))).toBe(true);
    const other = uids(await draw({ seed: 1 }));
    const shared = other.filter((uid) => uids(first).includes(uid)).length;
    expect(shared).toBeLessThan(other.length / 2);
  });

  test('whoever stops half-way has judged half of every cell', async () => {
    const { cells, samples } = await draw();
    const half = samples.slice(0, Math.round(samples.length / 2));
    for (const i of cells.keys()) {
      const all = samples.filter(({ cell }) => cell === i).length;
      const judged = half.filter(({ cell }) => cell === i).length;
      expect(Math.abs(judged - all / 2)).toBeLessThanOrEqual(1);
    }
  });

  test('the estimates are right on average, and 95 % intervals hold the truth nearly as often', async () => {
    const SEEDS = 60;
    const right = rows.filter(isRight).length / ROWS;
    const unsafe = rows.filter(isUnsafe).length;
    const found = { right: 0, unsafe: 0, wrongAbove: 0 };
    const held = { right: 0, bands: 0, allBands: 0, recall: 0 };
    const threshold = 0.34;
    const above = rows.filter(({ similarity }) => similarity >= threshold);
    const marked = rows.filter((one) => isUnsafe(one) && one.nsfw !== 'UNLIKELY').length / unsafe;
    for (let seed = 0; seed < SEEDS; seed++) {
      const sampling = await draw({ seed, bandWidth: 0.02 });
      const report = reviewReport(stats, sampling, new Map([['anna', truth]]));
      found.right += report.precision.share ?? 0;
      found.unsafe += report.classes.reduce((n, { unsafePairs }) => n + (unsafePairs?.value ?? 0), 0);
      const at = report.thresholds.find((one) => one.threshold === threshold);
      expect(at?.kept).toBe(above.length);
      found.wrongAbove += at?.wrongKept?.value ?? 0;
      const holds = (interval: { low: number; high: number } | null | undefined, value: number) =>
        interval && interval.low <= value && value <= interval.high ? 1 : 0;
      held.right += holds(report.precision.interval, right);
      held.recall += holds(report.flags.find(({ flag }) => flag === 'NSFW or UNSURE')?.recall, marked);
      for (const [b, { from, to, precision }] of report.bands.entries()) {
        const isLast = b === report.bands.length - 1;
        const own = rows.filter(({ similarity }) => from <= similarity && (isLast || similarity < to));
        held.allBands++;
        held.bands += holds(precision.interval, own.filter(isRight).length / own.length);
      }
    }
    expect(found.right / SEEDS).toBeCloseTo(right, 2);
    expect(Math.abs(found.unsafe / SEEDS / unsafe - 1)).toBeLessThan(0.15);
    const wrongAbove = above.filter((one) => !isRight(one)).length;
    expect(Math.abs(found.wrongAbove / SEEDS / wrongAbove - 1)).toBeLessThan(0.05);
    // Of 60 draws at 95 % one expects 57; below 51 there would be one time in 500.
    expect(held.right).toBeGreaterThanOrEqual(51);
    expect(held.recall).toBeGreaterThanOrEqual(51);
    expect(held.bands / held.allBands).toBeGreaterThan(0.93);
  });
});

describe('cutBands', () => {
  const histogram = (from: number, counts: readonly number[]) => ({
    edges: Array.from({ length: counts.length + 1 }, (_, i) => (from + i) / 100),
    counts,
    below: 0,
    above: 0,
  });

  test('edges are multiples of 0.02, ends go on until they have 1 % of the pairs', () => {
    const bands = cutBands(histogram(30, [500, 300, 100, 60, 20, 10, 5, 2, 2, 1]));
    expect(bands).toEqual([
      { from: 0.3, to: 0.32, pairs: 800 },
      { from: 0.32, to: 0.34, pairs: 160 },
      { from: 0.34, to: 0.36, pairs: 30 },
      { from: 0.36, to: 0.4, pairs: 10 },
    ]);
  });

  test('wider where 0.02 would make more than twelve, from below nothing on too', () => {
    const bands = cutBands(
      histogram(
        -7,
        Array.from({ length: 50 }, () => 10),
      ),
    );
    expect(bands.map(({ from }) => from)).toEqual([
      -0.1, -0.05, 0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4,
    ]);
    expect(bands.reduce((n, { pairs }) => n + pairs, 0)).toBe(500);
    expect(
      cutBands(
        histogram(
          -7,
          Array.from({ length: 50 }, () => 10),
        ),
        0.01,
      ),
    ).toHaveLength(50);
  });

  test('one band of one value, none of none', () => {
    expect(cutBands(histogram(30, [3]))).toEqual([{ from: 0.3, to: 0.32, pairs: 3 }]);
    expect(cutBands(histogram(0, []))).toEqual([]);
  });
});

test('many sets of tags are told apart up to eight a class', async () => {
  await using release = await temporaryStorage();
  const tagged = Array.from({ length: 40 }, (_, n) =>
    row(n, { similarity: 0.31, tags: n < 20 ? `tag${n % 10}` : n < 30 ? 'b a' : '' }),
  );
  await writeRelease(release.storage, [tagged], []);
  const through = { in: 40, out: 40, dropped: {} };
  const stats = await collectStatistics(release.storage, {
    ...SIX_INPUT,
    ledgers: {
      ...{ record: through, link: through, pair: through, unique: through, fetched: through },
      ...{ image: through, matched: through, safe: through },
    },
  });
  const { cells } = await drawSample(release.storage, stats, 'x', OPTIONS);
  expect(cells.map(({ tags, pairs }) => `${tags?.join('+') ?? 'others'} ${pairs}`).sort()).toEqual(
    [' 10', ...Array.from({ length: 8 }, (_, n) => `tag${n} 2`), 'others 14'].sort(),
  );
});
