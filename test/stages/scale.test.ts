import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { costs, scaleTable } from '../../scripts/scale.ts';

test('docs/scale.md has the table that the script prints', () => {
  const page = readFileSync(new URL('../../docs/scale.md', import.meta.url), 'utf8');
  expect(page).toContain(`\n${scaleTable()}\n`);
});

test('the table adds up, by hand', () => {
  // 900 WATs of 349 MB are 314.1 GB: 147 buckets of 2 GiB; 100 runs of them read 900 · 147 row groups, each in
  // two reads: what the footer says of it, and the group.
  expect(costs({ watsPerRun: 900, watBytesPerBucket: 2 ** 31 })).toMatchObject({
    runs: '100',
    'buckets a run': '147',
    'reads of pairs/ (two a row group)': (2 * 100 * 900 * 147).toLocaleString('en'),
    'pairs, unique': '27,000,000,000, 20,250,000,000',
  });
});
