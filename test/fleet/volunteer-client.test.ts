import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadRecipe, type RecipeOverrides } from '../../src/config/index.ts';
import { acceptLoan } from '../../src/executors/fleet/volunteer/accept-loan.ts';
import { drawNumbers, tooMany } from '../../src/executors/fleet/volunteer/chance.ts';
import { Outside } from '../../src/executors/fleet/volunteer/outside.ts';
import { type Loan, loanSchema } from '../../src/executors/fleet/volunteer/protocol.ts';
import { runVolunteer } from '../../src/executors/fleet/volunteer/run-volunteer.ts';
import { loadSafetyCategories } from '../../src/safety/index.ts';

const SHA256 = '0'.repeat(64);
const file = { bytes: 10, sha256: SHA256, url: 'https://store.example/x' };

async function loanWith(overrides: RecipeOverrides, change: Partial<Loan> = {}): Promise<Loan> {
  return {
    lease: '0'.repeat(32),
    run: '0'.repeat(16),
    index: 0,
    fingerprint: 'f',
    recipe: loadRecipe('laion400m', overrides),
    model: { name: 'model', dimension: 8, files: [{ path: 'config.json', ...file }] },
    categories: await loadSafetyCategories('stand-in'),
    lists: [],
    pairs: { rows: 10, ...file },
    ...change,
  };
}

describe("a volunteer's machine", () => {
  let folder: string;
  let server: ReturnType<typeof createServer>;
  let origin: string;
  let asked: string[];
  let answer: (path: string) => unknown = () => ({});

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-volunteer-client-'));
    asked = [];
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(200, { 'content-type': 'application/json' });
      request.resume().on('end', () => response.end(JSON.stringify(answer(request.url ?? ''))));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const lend = (coordinator: string) =>
    runVolunteer({
      ...{ coordinator, token: 'gv_some-token', workers: 1, cache: join(folder, 'cache') },
      ...{ signal: new AbortController().signal, exitWhenIdleMs: 1, patienceMs: 500 },
    });

  it.each([
    'http://example.org',
    'http://10.0.0.1',
    'ftp://example.org',
    'https://user:secret@example.org',
    'https://example.org/path',
    'example.org',
  ])('is not lent to %s', async (url) => {
    const error: unknown = await lend(url).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'USAGE' });
    expect(String(error)).not.toContain('secret');
  });

  it.each([
    ['http://169.254.169.254/latest/meta-data', /neither https/],
    ['http://127.0.0.1:1/x', /neither https/],
    ['file:///etc/passwd', /neither https/],
    ['https://127.0.0.1/x', /127\.0\.0\.1/],
    ['https://[::1]/x', /::1/],
    ['https://10.1.2.3/x', /10\.1\.2\.3/],
    ['https://localhost/x', /127\.0\.0\.1|::1/],
  ])('does not ask %s, whoever names it', async (url, problem) => {
    const loan = await loanWith({ fetch: { contact: 'me@example.org' } });
    const model = { ...loan.model, files: [{ path: 'config.json', ...file, url }] };
    answer = () => ({ task: { ...loan, model }, wait: 0, notes: [] });
    await expect(lend(origin)).rejects.toThrow(problem);
    await using outside = new Outside([]);
    const { signal } = new AbortController();
    await expect(outside.ask(url, { method: 'GET', signal })).rejects.toThrow(problem);
  });

  it('writes nothing outside of its folder', async () => {
    const paths = [
      '../x',
      '/etc/x',
      'a/../../x',
      'a/..',
      '..',
      '.',
      'a\\x',
      'C:x',
      '',
      'a//b',
      'a/\0',
      './x',
    ];
    for (const path of paths) {
      const loan = await loanWith({});
      const model = { ...loan.model, files: [{ path, ...file }] };
      expect([path, loanSchema.safeParse({ ...loan, model }).success]).toEqual([path, false]);
      const named = { ...loan.model, name: path };
      expect([path, loanSchema.safeParse({ ...loan, model: named }).success]).toEqual([path, false]);
    }
    for (const path of ['config.json', 'onnx/text_model.onnx', 'onnx/model.onnx_data', 'a b+c-1.0']) {
      const loan = await loanWith({});
      const model = { ...loan.model, files: [{ path, ...file }] };
      expect([path, loanSchema.safeParse({ ...loan, model }).success]).toEqual([path, true]);
    }
  });

  it('is told what is wrong with an answer that is none', async () => {
    answer = () => ({ task: { lease: 'x' } });
    await expect(lend(origin)).rejects.toMatchObject({ code: 'COORDINATOR_REFUSED' });
  });

  it.each<[string, RegExp, RecipeOverrides, Partial<Loan>?]>([
    ['pass over robots.txt', /wishes of site owners/, { fetch: { respectRobots: false } }],
    ['pass over wishes in headers', /wishes of site owners/, { fetch: { respectHeaders: false } }],
    ['trust any certificate', /certificates/, { fetch: { verifyTls: false } }],
    ['go through a proxy', /proxy/, { fetch: { proxy: 'http://10.0.0.1:8080' } }],
    ['ask its DNS servers', /DNS servers/, { fetch: { dns: { servers: ['10.0.0.1'] } } }],
    [
      'read a list of this machine',
      /lists or classifiers/,
      { safety: { knownContent: [{ name: 'x', path: '/etc/passwd', kind: 'url' }] } },
    ],
    ['read an opt-out list of this machine', /does not send/, { fetch: { optOutLists: ['/etc/passwd'] } }],
    ['flood a domain', /perDomainConcurrency 1000 \(16 at most\)/, { fetch: { perDomainConcurrency: 1000 } }],
    ['take all memory', /maxBytesInFlight/, { fetch: { maxBytesInFlight: 2 ** 40 } }],
    [
      'fill the disk',
      /modelBytes/,
      {},
      { model: { name: 'm', dimension: 8, files: [{ path: 'a', ...file, bytes: 2 ** 50 }] } },
    ],
    ['do too much at once', /rows/, {}, { pairs: { ...file, rows: 1e7 } }],
  ])('does not %s', async (_, problem, overrides, change) => {
    const loan = await loanWith(overrides, change);
    expect(() => acceptLoan(loan, 'https://c.example')).toThrow(problem);
    acceptLoan(await loanWith({}), 'https://c.example');
  });
});

describe('chance', () => {
  it('is exceeded where a binomial tail is below 1 in 10,000', () => {
    // Least k with P(X >= k) < 1e-4, summed in exact integers by Python's math.comb.
    for (const [n, p, k] of [
      [20, 0.1, 9],
      [20, 0.35, 16],
      [20, 0.4, 17],
      [200, 0.1, 38],
      [200, 0.35, 97],
      [200, 0.4, 107],
    ] as const) {
      expect([n, p, tooMany(k - 1, n, p)]).toEqual([n, p, false]);
      expect([n, p, tooMany(k, n, p)]).toEqual([n, p, true]);
    }
    expect(tooMany(0, 0, 0.1)).toBe(false);
    expect(tooMany(1_000, 1_000, 0.4)).toBe(true);
  });

  it('draws so many different numbers, each as often as another', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.string(), (count, of, seed) => {
        const drawn = [...drawNumbers(count, of, seed)];
        expect(new Set(drawn).size).toBe(Math.min(count, of));
        expect(drawn.every((n) => n >= 0 && n < of)).toBe(true);
        expect([...drawNumbers(count, of, seed)]).toEqual(drawn);
      }),
    );
    const times = new Array<number>(10).fill(0);
    for (let seed = 0; seed < 2_000; seed++)
      for (const n of drawNumbers(3, 10, String(seed))) times[n] = (times[n] ?? 0) + 1;
    // 600 each, with a standard deviation of 20.5.
    for (const n of times) expect(Math.abs(n - 600)).toBeLessThan(6 * 20.5);
  });
});
