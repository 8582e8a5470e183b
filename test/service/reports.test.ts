import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { main } from '../../src/cli/main.ts';
import { indexRun, runLocally } from '../../src/executors/index.ts';
import { appendReport, closeReports, readReports } from '../../src/pipeline/index.ts';
import { type Service, startService } from '../../src/service/index.ts';
import { reportRequest } from '../../src/service/report-routes.ts';
import { readStatistics } from '../../src/stages/report/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { type ReleasedPair, releasedPairs } from '../support/contents.ts';
import { makeSmallCrawl } from '../support/crawl.ts';

/** What a stranger may write: ends a terminal's line, a line of JSON, a page; turns what follows round. */
const HOSTILE = '\u001b[2J\n{"report":"r-0000000000000000"}\u2028</script>\u202egnirts\u0000é😀';

const REPORT = { row: 3, uid: 'a'.repeat(32), url: 'https://example.org/a.jpg', sha256: 'b'.repeat(64) };
const AT = new Date('2026-11-22T10:00:00Z');

describe('the file of reports', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'gleaner-reports-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const append = (message = '', contact = '') =>
    appendReport(dir, { ...REPORT, reason: 'privacy', message, contact }, AT);

  test('a line each, whatever it says; for its owner alone', async () => {
    expect(await readReports(dir)).toEqual({ open: [], closed: [], unreadable: [] });
    const report = await append(HOSTILE, 'me@example.org');
    await append('second');
    const { open, unreadable } = await readReports(dir);
    expect(open[0]).toEqual({
      ...{ report, at: '2026-11-22T10:00:00.000Z', ...REPORT },
      ...{ reason: 'privacy', message: HOSTILE, contact: 'me@example.org' },
    });
    expect([open.length, unreadable]).toEqual([2, []]);
    expect((await readFile(join(dir, 'reports.jsonl'), 'utf8')).split('\n')).toHaveLength(3);
    if (process.platform !== 'win32')
      expect((await stat(join(dir, 'reports.jsonl'))).mode & 0o777).toBe(0o600);
  });

  test('one that is closed leaves its name and two times, and no word of it', async () => {
    const names = [await append(HOSTILE, 'me@example.org'), await append(), await append('stays')];
    // The shortest there can be has room for what takes its place.
    expect(await closeReports(dir, [names[0] ?? '', names[1] ?? '', 'r-none'], 'dismissed', AT)).toEqual(
      names.slice(0, 2),
    );
    const { open, closed, unreadable } = await readReports(dir);
    expect(open.map(({ message }) => message)).toEqual(['stays']);
    const at = AT.toISOString();
    expect(closed).toEqual(
      names.slice(0, 2).map((report) => ({ report, at, closed: 'dismissed', closedAt: at })),
    );
    expect(unreadable).toEqual([]);
    const text = await readFile(join(dir, 'reports.jsonl'), 'utf8');
    for (const word of ['me@example.org', 'gnirts', 'script']) expect(text).not.toContain(word);
    expect(await closeReports(dir, [names[0] ?? ''], 'removed', AT)).toEqual([]);
  });

  test('a line that was cut off by a dying machine costs itself alone', async () => {
    await append('first');
    await appendFile(join(dir, 'reports.jsonl'), '{"report":"r-12');
    await append('second');
    const { open, unreadable } = await readReports(dir);
    expect(open.map(({ message }) => message)).toEqual(['first', 'second']);
    expect(unreadable).toEqual([2]);
  });

  test('services append while reports are closed: none is lost', async () => {
    const names = await Promise.all(Array.from({ length: 20 }, (_, i) => append(`early ${i}`)));
    const [closed, ...late] = await Promise.all([
      closeReports(
        dir,
        names.flatMap((name) => name ?? []),
        'removed',
        AT,
      ),
      ...Array.from({ length: 20 }, (_, i) => append(`late ${i}`)),
    ]);
    expect(closed).toHaveLength(20);
    const { open, unreadable } = await readReports(dir);
    expect(open.map(({ report }) => report).sort()).toEqual(late.sort());
    expect(unreadable).toEqual([]);
  });

  test('the file has an end', async () => {
    await writeFile(join(dir, 'reports.jsonl'), '');
    const report = { ...REPORT, reason: 'other', message: '', contact: '' } as const;
    expect(await appendReport(dir, report, AT, 400)).toMatch(/^r-/);
    expect(await appendReport(dir, report, AT, 400)).toBeUndefined();
    expect((await readReports(dir)).open).toHaveLength(1);
  });
});

describe('a service that takes reports', () => {
  let dir = '';
  let out = '';
  let pairs: ReleasedPair[] = [];
  const services: Service[] = [];
  const failures: unknown[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'gleaner-reports-'));
    out = join(dir, 'out');
    const crawl = await makeSmallCrawl(join(dir, 'crawl'), { wats: 1, pagesPerWat: 4 });
    const release = { release: { parts: 1 } };
    await runLocally({
      ...{ recipe: 'everything', overrides: release, wats: crawl.wats, imagesFrom: [crawl.archive] },
      ...{ workers: 1, out },
    });
    await indexRun(out);
    pairs = await releasedPairs(out);
  }, 120_000);
  afterAll(async () => {
    await Promise.all(services.map((service) => service.close()));
    await rm(dir, { recursive: true, force: true });
    expect(failures).toEqual([]);
  });

  async function start(hideReported = false): Promise<Service> {
    const { model } = await readStatistics(fileStorage(out));
    const none = () => Promise.reject(new Error('no model here'));
    const service = await startService({
      ...{ dir: out, port: 0, hideReported, onError: (error) => failures.push(error) },
      embedder: { ...model, embedTexts: none, embedImage: none, close: async () => undefined },
      limits: { exemptLoopback: false, rate: 1000 },
    });
    services.push(service);
    return service;
  }
  async function report(service: Service, body: unknown, type = 'application/json') {
    const response = await fetch(new URL('/api/v1/reports', service.url), {
      method: 'POST',
      headers: { 'Content-Type': type },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as { report?: string; error?: string },
    };
  }
  async function gleaner(...args: string[]): Promise<string> {
    let printed = '';
    const print = (text: string) => {
      printed += text;
    };
    expect(await main(args, { signal: new AbortController().signal, print })).toBe(0);
    return printed;
  }
  const statusOf = async (service: Service, path: string) => (await fetch(new URL(path, service.url))).status;

  test('takes what the contract says, in a form that OpenAPI can be made of', () => {
    const least = reportRequest.parse({ id: 1, reason: 'other' });
    expect(least).toEqual({ id: 1, reason: 'other', message: '', contact: '' });
    expect(z.toJSONSchema(reportRequest, { io: 'input' })).toMatchObject({
      required: ['id', 'reason'],
      properties: { reason: { enum: ['illegal', 'privacy', 'copyright', 'wrong-tag', 'other'] } },
    });
  });

  test('refuses what is none, in one line, and takes nothing of it', async () => {
    const service = await start();
    const good = { id: 1, reason: 'privacy' };
    for (const [status, body, type] of [
      [415, good, 'text/plain'],
      [415, good, 'application/x-www-form-urlencoded'],
      [400, '{"id":1,', undefined],
      [400, { ...good, reason: 'dislike' }, undefined],
      [400, { ...good, message: 'a'.repeat(2001) }, undefined],
      [400, { ...good, contact: 'a'.repeat(201) }, undefined],
      [400, { ...good, uid: 'x' }, undefined],
      [400, { id: -1, reason: 'other' }, undefined],
      [404, { ...good, id: pairs.length }, undefined],
    ] as const) {
      const answer = await report(service, body, type);
      expect(answer.status).toBe(status);
      expect(answer.body).toEqual({ error: expect.stringMatching(/^[^\n]{5,200}$/) });
    }
    expect((await readReports(out)).open).toEqual([]);
  });

  test('puts them into the queue; the operator sees them, the service tells nobody; the row stays', async () => {
    const service = await start();
    const answer = await report(service, {
      ...{ id: 1, reason: 'privacy', message: HOSTILE, contact: 'me@example.org' },
    });
    expect(answer).toMatchObject({
      status: 202,
      body: { report: expect.stringMatching(/^r-[0-9a-f]{16}$/) },
    });
    expect(await statusOf(service, '/images/1.jpg')).toBe(200);
    const { row } = pairs[1] ?? {};
    expect(JSON.parse(await gleaner('reports', out, '--json'))).toMatchObject({
      open: [{ ...answer.body, row: 1, uid: row?.uid, url: row?.URL, reason: 'privacy', message: HOSTILE }],
    });
    const listed = await gleaner('reports', out);
    expect(listed).toContain('from me@example.org');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    expect(listed.replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u202e\u2028]/);
    for (const path of ['/api/v1/reports', `/api/v1/reports/${answer.body.report}`, '/reports.jsonl'])
      expect(await statusOf(service, path)).toBe(404);
  });

  test('with --hide-reported a row is not shown until its report is dismissed', async () => {
    const service = await start(true);
    // That of before, too.
    expect(await statusOf(service, '/images/1.jpg')).toBe(404);
    expect((await report(service, { id: 0, reason: 'other' })).status).toBe(202);
    await vi.waitFor(async () => expect(await statusOf(service, '/images/0.jpg')).toBe(404), 10_000);
    const query = { embedding_input: pairs[0]?.imageEmbedding, num_images: pairs.length };
    const response = await fetch(new URL('/knn-service', service.url), {
      method: 'POST',
      body: JSON.stringify(query),
    });
    const hits = (await response.json()) as { id: number }[];
    const expected = pairs.map((_, id) => id).filter((id) => id > 1);
    expect(hits.map(({ id }) => id).sort((a, b) => a - b)).toEqual(expected);
    expect(await gleaner('reports', out, '--dismiss', 'other')).toBe('1 report dismissed\n');
    await vi.waitFor(async () => expect(await statusOf(service, '/images/0.jpg')).toBe(200), 10_000);
    expect(await statusOf(service, '/images/1.jpg')).toBe(404);
  });

  test('remove --reports takes down what they name, closes them, and forgets who asked', async () => {
    const service = await start();
    const [{ report: name } = { report: '' }] = (await readReports(out)).open;
    await gleaner('remove', out, '--reports', name, '--dry-run', '--json');
    expect((await readReports(out)).open).toHaveLength(1);
    const removal = JSON.parse(await gleaner('remove', out, '--reports', name, '--json'));
    const uid = pairs[1]?.row.uid ?? '';
    expect(removal.pairs.map((pair: { uid: string }) => pair.uid)).toContain(uid);
    await vi.waitFor(async () => expect(await statusOf(service, '/images/1.jpg')).toBe(404), 10_000);
    expect(await gleaner('reports', out)).toBe('No open reports.\n');
    const text = await readFile(join(out, 'reports.jsonl'), 'utf8');
    for (const word of ['me@example.org', uid, pairs[1]?.row.URL ?? '']) expect(text).not.toContain(word);
    expect(await readFile(join(out, 'removed.jsonl'), 'utf8')).toContain('reported: privacy');
    const failed = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const context = { signal: new AbortController().signal, print: () => undefined };
    expect(await main(['remove', out, '--reports', name], context)).toBe(2);
    expect(failed).toHaveBeenCalledWith(expect.stringContaining('is no open report'));
    failed.mockRestore();
  }, 60_000);

  test('takes so many of one client, and says when to come back', async () => {
    const service = await start();
    let taken = 0;
    let answer = await report(service, { id: 0, reason: 'other' });
    for (; answer.status === 202; answer = await report(service, { id: 0, reason: 'other' })) taken++;
    expect(taken).toBe(30);
    expect(answer).toMatchObject({ status: 429, body: { error: expect.stringContaining('operator') } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(30);
  });
});
