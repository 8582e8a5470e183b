import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { reportReview, reviewRun } from '../../src/service/review/index.ts';
import { JudgementFile } from '../../src/service/review/judgement-file.ts';
import { openReview } from '../../src/service/review/open-review.ts';
import type { PageReview, PageSample } from '../../src/service/review/page-types.ts';
import { createReviewApp } from '../../src/service/review/review-app.ts';
import { indexRelease } from '../../src/stages/index-release.ts';
import type { Answers } from '../../src/stages/review/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { reviewSamples, writeReviewRelease } from '../review/small-review.ts';
import { type Sample, stageContext } from './small-release.ts';

const YES: Answers = { match: 'yes', safe: 'yes' };
const ORIGIN = 'http://127.0.0.1:1234';

let dir = '';
let all: Sample[] = [];
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'review-'));
  all = await reviewSamples();
  await writeReviewRelease(dir, all);
});
beforeEach(() => rm(join(dir, 'review'), { recursive: true, force: true }));
afterAll(() => rm(dir, { recursive: true, force: true }));

const journal = () => join(dir, 'review/judgements.jsonl');
const lines = async () => (await readFile(journal(), 'utf8')).split('\n').slice(0, -1);

async function openApp(reviewer = 'anna') {
  const review = await openReview(dir, { perBand: 4, perFlagged: 2 });
  const judgements = await JudgementFile.open(dir, { release: review.fingerprint, reviewer });
  const storage = fileStorage(dir);
  const app = await createReviewApp({
    ...{ storage, name: 'small', reviewer, review, judgements, host: '127.0.0.1' },
    onError: (error) => {
      throw error;
    },
  });
  return {
    review,
    judgements,
    get: (path: string, headers: Record<string, string> = {}) =>
      app.request(`${ORIGIN}${path}`, { headers: { host: '127.0.0.1:1234', ...headers } }),
    post: (body: unknown, headers: Record<string, string> = {}) =>
      app.request(`${ORIGIN}/api/judgements`, {
        method: 'POST',
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { host: '127.0.0.1:1234', origin: ORIGIN, 'content-type': 'application/json', ...headers },
      }),
    [Symbol.asyncDispose]: () => judgements.close(),
  };
}

describe('the review service', () => {
  test('gives pairs in their order with the pictures of the release, and no hint of how they were scored', async () => {
    await using app = await openApp();
    const page = (await (await app.get('/api/review')).json()) as PageReview;
    expect(page).toMatchObject({ name: 'small', rows: 75, reviewer: 'anna' });
    const uids = new Set<string>();
    for (const place of page.answers.keys()) {
      const sample = (await (await app.get(`/api/samples/${place}`)).json()) as PageSample;
      uids.add(sample.uid);
      expect(Object.keys(sample).sort()).toEqual(['isFlagged', 'pageUrl', 'text', 'uid', 'url']);
      const row = all.find((one) => one.row.uid === sample.uid && one.row.text === sample.text);
      expect(sample.isFlagged).toBe(row?.row.nsfw !== 'UNLIKELY' || row?.row.tags !== '');
      const picture = await app.get(`/images/${place}.jpg`);
      expect(picture.headers.get('content-type')).toBe('image/jpeg');
      expect(picture.headers.get('cache-control')).toBe('no-store');
      expect(picture.headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(Buffer.from(await picture.arrayBuffer()).equals(row?.image ?? Buffer.alloc(0))).toBe(true);
    }
    expect(uids.size).toBe(page.answers.length);
    for (const path of ['/api/samples/9999', '/api/samples/-1', '/images/x.jpg', '/index.html', '/other'])
      expect((await app.get(path)).status).toBe(404);
  });

  test('a judgement is in the file when the answer comes; a new one takes its place, and it can be taken back', async () => {
    await using app = await openApp();
    const uid = app.review.sampling.samples[3]?.uid;
    for (const answers of [YES, { match: 'no', safe: 'yes' }, null]) {
      expect((await app.post({ place: 3, uid, answers })).status).toBe(200);
      const last: unknown = JSON.parse((await lines()).at(-1) ?? '');
      const nothing = { match: null, safe: null };
      expect(last).toMatchObject({ version: 1, reviewer: 'anna', uid, ...(answers ?? nothing) });
      const page = (await (await app.get('/api/review')).json()) as PageReview;
      expect(page.answers[3]).toEqual(answers);
    }
    expect(await lines()).toHaveLength(3);
  });

  test('what is no judgement is refused and not written', async () => {
    await using app = await openApp();
    const uid = app.review.sampling.samples[0]?.uid;
    const good = { place: 0, uid, answers: YES };
    expect((await app.post('{')).status).toBe(400);
    expect((await app.post({ ...good, answers: { match: 'maybe', safe: 'yes' } })).status).toBe(400);
    expect((await app.post({ ...good, answers: { match: 'yes' } })).status).toBe(400);
    expect((await app.post({ ...good, extra: 1 })).status).toBe(400);
    expect((await app.post({ ...good, place: 1 })).status).toBe(404);
    expect((await app.post({ ...good, uid: 'x'.repeat(5000) })).status).toBe(413);
    expect(await lines()).toEqual([]);
  });

  test('other web pages can neither read nor judge', async () => {
    await using app = await openApp();
    const good = { place: 0, uid: app.review.sampling.samples[0]?.uid, answers: YES };
    // A page of a stranger, one of another port of this machine, one without a name, and none at all.
    for (const origin of ['https://evil.example', 'http://127.0.0.1:80', 'http://localhost:1234', 'null', ''])
      expect([origin, (await app.post(good, { origin })).status]).toEqual([origin, 403]);
    // Names that were turned to this machine's address.
    for (const host of ['evil.example', 'evil.example:1234', '127.0.0.1.evil.example', 'a@127.0.0.1', '']) {
      expect([host, (await app.get('/api/review', { host })).status]).toEqual([host, 421]);
      expect((await app.post(good, { host, origin: `http://${host}` })).status).toBe(421);
    }
    for (const host of ['localhost:1234', '[::1]:1234', '127.0.0.1'])
      expect([host, (await app.get('/api/review', { host })).status]).toEqual([host, 200]);
    expect(await lines()).toEqual([]);
    const page = await app.get('/api/review');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    expect(page.headers.get('x-frame-options')).toBe('DENY');
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('a picture that is not where it was is not shown as another', async () => {
    await using app = await openApp();
    const place = app.review.sampling.samples.findIndex(({ part }) => part === 0);
    const path = join(dir, 'release/images/00000.tar');
    const before = await readFile(path);
    // As a takedown leaves it: the pictures before this one are gone.
    await writeFile(path, before.subarray(3 * 512));
    const answer = await app.get(`/images/${place}.jpg`);
    await writeFile(path, before);
    expect(answer.status).toBe(500);
    expect(await answer.json()).toEqual({
      error: 'release/images/00000.tar: has changed since the sample was drawn. Start gleaner review again.',
    });
  });
});

describe('a review in a folder', () => {
  test('goes on where it was left: same pairs, same order, answers kept, of each reviewer his own', async () => {
    const first = await openApp();
    const { samples } = first.review.sampling;
    for (const place of [0, 1, 2]) await first.post({ place, uid: samples[place]?.uid, answers: YES });
    await first.judgements.close();
    // The sample is drawn again where its file is gone, and is the same.
    await rm(join(dir, 'review/sample.json'));
    await using again = await openApp();
    expect(again.review.sampling.samples).toEqual(samples);
    const page = (await (await again.get('/api/review')).json()) as PageReview;
    expect(page.answers.slice(0, 4)).toEqual([YES, YES, YES, null]);
    await using other = await openApp('ben');
    const his = (await (await other.get('/api/review')).json()) as PageReview;
    expect(his.answers.every((one) => one === null)).toBe(true);
  });

  test('what is not asked for is as it was before', async () => {
    const before = await openReview(dir, { perBand: 3, seed: 7 });
    expect((await openReview(dir)).sampling).toEqual(before.sampling);
    expect((await openReview(dir, { perFlagged: 1 })).sampling.options).toEqual({
      ...{ seed: 7, perBand: 3, perFlagged: 1, bandWidth: null },
    });
  });

  test('a line torn by a kill is taken away, what was saved stays', async () => {
    const first = await openApp();
    const uids = first.review.sampling.samples.map(({ uid }) => uid);
    for (const place of [0, 1]) await first.post({ place, uid: uids[place], answers: YES });
    await first.judgements.close();
    const { size } = await stat(journal());
    await truncate(journal(), size - 10);
    await using again = await openApp();
    expect(again.judgements.answers(uids[0] ?? '')).toEqual(YES);
    expect(again.judgements.answers(uids[1] ?? '')).toBeNull();
    await again.post({ place: 1, uid: uids[1], answers: YES });
    expect((await lines()).map((line) => JSON.parse(line).uid)).toEqual(uids.slice(0, 2));
  });

  test('judgements of a release by another recipe do not count, and stay', async () => {
    const { fingerprint, sampling } = await openReview(dir);
    const foreign = { version: 1, at: '', reviewer: 'anna', release: 'other', uid: sampling.samples[0]?.uid };
    await appendFile(journal(), `${JSON.stringify({ ...foreign, match: 'no', safe: 'no' })}\n`);
    const file = await JudgementFile.open(dir, { release: fingerprint, reviewer: 'anna' });
    expect([file.foreign, file.answers(sampling.samples[0]?.uid ?? '')]).toEqual([1, null]);
    await file.close();
    expect((await reportReview(dir)).judged).toBe(0);
    expect(await lines()).toHaveLength(1);
  });

  test('pictures are found by the index as they are found in the tars', async () => {
    const { sampling: byTars } = await openReview(dir);
    await indexRelease({ dir }, stageContext(dir));
    await rm(join(dir, 'review'), { recursive: true });
    const { sampling: byIndex } = await openReview(dir);
    await rm(join(dir, 'index'), { recursive: true });
    expect(byIndex.samples).toEqual(byTars.samples);
  });

  test('two at once are kept apart, and both ends are clean', async () => {
    const service = await reviewRun(dir, { port: 0 });
    await expect(reviewRun(dir, { port: 0 })).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    // Over a socket a stranger's Host is refused too.
    const asked = request(service.url, { headers: { Host: 'evil.example' } });
    asked.end();
    const [status, body] = await new Promise<[number | undefined, string]>((resolve) =>
      asked.on('response', async (response) => resolve([response.statusCode, await text(response)])),
    );
    expect([status, body]).toEqual([421, expect.stringContaining('not the name of this service')]);
    await service.close();
    await service.close();
    const report: unknown = JSON.parse(await readFile(join(dir, 'review/report.json'), 'utf8'));
    expect(report).toMatchObject({ version: 1, judged: 0, release: { rows: 75, threshold: 0.3 } });
    await (await reviewRun(dir, { port: 0 })).close();
  });

  test('a folder without a release, and metadata that do not fit, are told', async () => {
    const empty = await mkdtemp(join(tmpdir(), 'review-none-'));
    await expect(openReview(empty)).rejects.toMatchObject({ code: 'RUN_NOT_FOUND' });
    await writeReviewRelease(empty, all.slice(0, 40));
    await rm(join(empty, 'release/metadata/metadata_1.parquet'));
    await expect(openReview(empty)).rejects.toThrow('release/metadata: has 30 rows, but stats.json says 40.');
    await rm(empty, { recursive: true });
  });
});
