import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { reviewSamples, writeReviewRelease } from '../review/small-review.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'review-cli-'));
  await writeReviewRelease(dir, await reviewSamples());
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Starts a review, and says where it listens. */
async function start(...options: string[]) {
  const child = startGleaner(['review', dir, '--json', ...options]);
  if (!child.stdout) throw new Error('no output');
  for await (const line of createInterface(child.stdout)) {
    const told = JSON.parse(line) as { url: string; pairs: number; judged: number };
    return { child, ...told };
  }
  throw new Error('it ended without a word');
}

test('review is killed, goes on, ends at Ctrl-C, and --report tells what was judged', async () => {
  const first = await start('--reviewer', 'anna', '--per-band', '2', '--per-flagged', '1');
  expect(first.judged).toBe(0);
  for (const place of [0, 1, 2]) {
    const { uid } = (await (await fetch(`${first.url}api/samples/${place}`)).json()) as { uid: string };
    const answer = await fetch(`${first.url}api/judgements`, {
      method: 'POST',
      headers: { origin: first.url.slice(0, -1) },
      body: JSON.stringify({ place, uid, answers: { match: place === 2 ? 'no' : 'yes', safe: 'yes' } }),
    });
    expect(answer.status).toBe(200);
  }
  first.child.kill('SIGKILL');
  await once(first.child, 'exit');

  const again = await start('--reviewer', 'anna');
  expect([again.pairs, again.judged]).toEqual([first.pairs, 3]);
  again.child.kill('SIGINT');
  expect(await once(again.child, 'exit')).toEqual([0, null]);

  const report = await gleaner(['review', dir, '--report']);
  expect([report.code, report.stderr]).toEqual([0, '']);
  expect(report.stdout).toMatch(new RegExp(`^3 of ${first.pairs} pairs judged; the release has 75`));
  expect(report.stdout).toMatch(/^0\.30\* +75 /m);
  expect(report.stdout).toMatch(/^0\.28 would let 3 more through/m);
  expect(report.stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  const json = await gleaner(['review', dir, '--report', '--json', '--reviewer', 'ben']);
  expect(JSON.parse(json.stdout)).toMatchObject({ judged: 0, reviewers: [], precision: { share: null } });
});

test('what cannot be meant is refused in one line', async () => {
  for (const [args, line] of [
    [['--band-width', '0.015'], /multiple of 0\.01/],
    [['--reviewer', 'a\u202eb'], /printable/],
    [['--per-band', '0'], /at least 1/],
    [['--report', '--port', '80'], /--report listens nowhere/],
  ] as const) {
    const { code, stderr } = await gleaner(['review', dir, ...args]);
    expect([code, stderr.trim().split('\n').length]).toEqual([2, 1]);
    expect(stderr).toMatch(line);
  }
  const none = await gleaner(['review', join(dir, 'nothing')]);
  expect(none.code).toBe(1);
  expect(none.stderr).toMatch(/holds no finished release\. Finish one with 'gleaner run'\.$/m);
});
