import { describe, expect, test } from 'vitest';
import { loadRecipe, recipeHash } from '../../src/config/index.ts';
import type { Statistics } from '../../src/stages/report/index.ts';
import {
  type CellAnswers,
  estimateAmount,
  estimateShare,
  shareWithin,
} from '../../src/stages/review/estimate.ts';
import { type Answers, readJudgements, reviewReport, type Sampling } from '../../src/stages/review/index.ts';
import { together } from '../../src/stages/review/judgement.ts';

const cell = (yes: number, judged: number, pairs: number): CellAnswers => ({
  ...{ band: 0, nsfw: 'UNLIKELY', tags: [], pairs },
  ...{ yes, no: judged - yes, unsure: 0 },
});

describe('estimates over cells', () => {
  // By a script of 20 lines in Python that solves the score equation with scipy.optimize.brentq for each cell.
  test('are weighted by the pairs of the release', () => {
    const cells = [cell(20, 30, 5000), cell(29, 30, 20_000), cell(8, 8, 100)];
    const { share, interval, ...counts } = estimateShare(cells, 'yes');
    expect(counts).toEqual({ pairs: 25_100, covered: 25_100, judged: 68, yes: 57, unsure: 0 });
    expect(share).toBeCloseTo(0.9070385126162017, 12);
    expect(interval?.low).toBeCloseTo(0.7950500201423887, 10);
    expect(interval?.high).toBeCloseTo(0.9425879249365229, 10);
    expect(estimateAmount(cells, 'no')?.value).toBeCloseTo(25_100 * (1 - 0.9070385126162017), 6);
  });

  test('say of how many pairs they speak, and nothing where nothing is judged', () => {
    const some = estimateShare([cell(3, 4, 100), cell(0, 0, 300)], 'yes');
    expect(some).toMatchObject({ pairs: 400, covered: 100, share: 0.75 });
    expect(estimateShare([cell(0, 0, 300)], 'yes')).toMatchObject({ share: null, interval: null });
    expect(estimateShare([], 'yes')).toMatchObject({ pairs: 0, share: null });
    expect(shareWithin([cell(3, 4, 100)], [cell(0, 0, 300)], 'yes')).toBeNull();
  });
});

test('several reviewers: the more count, and who cannot tell does not', () => {
  expect(together(['yes', 'yes', 'no'])).toBe('yes');
  expect(together(['no', 'unsure'])).toBe('no');
  expect(together(['yes', 'no'])).toBe('unsure');
  expect(together(['unsure'])).toBe('unsure');
});

/** Two bands of 100 and 50 pairs; two judged of each. */
const sampling: Sampling = {
  drawnFrom: 'x',
  options: { seed: 0, perBand: 2, perFlagged: 1, bandWidth: 0.02 },
  bands: [
    { from: 0.3, to: 0.32, pairs: 100 },
    { from: 0.32, to: 0.34, pairs: 60 },
  ],
  cells: [
    { band: 0, nsfw: 'UNLIKELY', tags: [], pairs: 100 },
    { band: 1, nsfw: 'UNLIKELY', tags: [], pairs: 50 },
    { band: 1, nsfw: 'NSFW', tags: ['gore'], pairs: 10 },
  ],
  samples: [0, 0, 1, 1, 2].map((at, n) => ({
    ...{ uid: `u${n}`, sampleId: n, url: '', text: '', pageUrl: '', similarity: 0.31, key: '', part: 0 },
    cell: at,
  })),
};
const recipe = loadRecipe('laion400m');
const dropped = { edges: [0.2, 0.21, 0.28, 0.29, 0.3], counts: [7, 0, 3, 2], n: 12 };
const stats = {
  ...{ recipe, recipeHash: recipeHash(recipe), model: { name: 'm', dimension: 1, files: {} }, rows: 160 },
  distributions: { similarityDropped: dropped },
  // A report reads no more of them.
} as unknown as Statistics;
const say = (answers: Record<string, [Answers['match'], Answers['safe']]>) =>
  new Map(Object.entries(answers).map(([uid, [match, safe]]) => [uid, { match, safe }]));

test('a report by hand', () => {
  const anna = say({
    u0: ['yes', 'yes'],
    u1: ['no', 'yes'],
    u2: ['yes', 'yes'],
    u3: ['yes', 'yes'],
    u4: ['unsure', 'no'],
  });
  const ben = say({ u0: ['yes', 'yes'], u1: ['yes', 'yes'], u2: ['yes', 'yes'] });
  const report = reviewReport(stats, sampling, new Map([['anna', anna]]));
  // (100 · 1/2 + 50 · 1) / 150; of the ten others nobody could tell.
  expect(report.precision).toMatchObject({ pairs: 160, covered: 150, judged: 4, yes: 3, unsure: 1 });
  expect(report.precision.share).toBeCloseTo(100 / 150, 12);
  expect(report.bands.map(({ precision }) => precision.share)).toEqual([0.5, 1]);
  expect(report.thresholds.map(({ threshold, kept }) => [threshold, kept])).toEqual([
    [0.3, 160],
    [0.32, 60],
  ]);
  expect(report.thresholds[1]).toMatchObject({ wrongKept: { value: 0 }, rightLost: { value: 50 } });
  // 60 right kept of 110.
  expect(report.thresholds[1]?.recall?.value).toBeCloseTo(60 / 110, 12);
  expect(report.below).toEqual([
    { threshold: 0.28, added: 5 },
    { threshold: 0.26, added: 5 },
    { threshold: 0.24, added: 5 },
    { threshold: 0.22, added: 5 },
    { threshold: 0.2, added: 12 },
  ]);
  expect(report.classes.map(({ nsfw, unsafe }) => [nsfw, unsafe.share])).toEqual([
    ['UNLIKELY', 0],
    ['UNSURE', null],
    ['NSFW', 1],
  ]);
  const tag = report.flags.find(({ flag }) => flag === 'tag gore');
  expect(tag).toMatchObject({
    precision: { share: 1 },
    recall: { value: 1 },
    falsePositiveRate: { value: 0 },
  });

  const both = reviewReport(stats, sampling, new Map([...[['anna', anna] as const], ['ben', ben]]));
  expect(both.reviewers).toEqual([
    { name: 'anna', judged: 5 },
    { name: 'ben', judged: 3 },
  ]);
  // They differ on u1, which then counts for neither.
  expect(both.bands[0]?.precision).toMatchObject({ judged: 1, yes: 1, unsure: 1 });
  expect(both.agreement).toEqual([
    { reviewers: ['anna', 'ben'], question: 'match', both: 3, alike: 2, kappa: 0 },
    { reviewers: ['anna', 'ben'], question: 'safe', both: 3, alike: 3, kappa: null },
  ]);
});

describe('a journal of judgements', () => {
  const line = (uid: string, match: string | null, release = 'r') =>
    `${JSON.stringify({ version: 1, at: '2026-11-21T00:00:00Z', reviewer: 'a', release, uid, match, safe: match })}\n`;
  const read = (text: string) => readJudgements(new TextEncoder().encode(text), 'r', 'j.jsonl');

  test('of two lines the later counts, null takes back, those of other releases are counted', () => {
    const text = `${line('u1', 'yes')}${line('u1', 'no')}${line('u2', 'yes')}${line('u2', null)}${line('u3', 'no', 'q')}`;
    const { judged, foreign, wholeBytes } = read(text);
    expect(judged).toEqual(new Map([['a', new Map([['u1', { match: 'no', safe: 'no' }]])]]));
    expect([foreign, wholeBytes]).toEqual([1, text.length]);
  });

  test('a torn last line is none, wherever it is torn; a broken one before it is named', () => {
    const [first, second] = [line('u1', 'yes'), line('ü2', 'no')];
    const bytes = Buffer.from(`${first}${second}`);
    for (let end = first.length; end < bytes.length; end++) {
      const { judged, wholeBytes } = readJudgements(bytes.subarray(0, end), 'r', 'j.jsonl');
      expect([judged.get('a')?.size, wholeBytes]).toEqual([1, first.length]);
    }
    expect(() => read(`${first}{"version":1}\n${second}`)).toThrow(
      'j.jsonl: line 2 is no judgement. Mend or remove that line; the others are kept.',
    );
  });
});
