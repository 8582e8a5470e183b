import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type RunLocallyOptions,
  removeLocally,
  retryRunLocally,
  runLocally,
} from '../../src/executors/index.ts';
import { gzipMember, readParquetRows, readTar } from '../../src/formats/index.ts';
import { decodeImage, perceptualHash } from '../../src/image/index.ts';
import { runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { takedownHash } from '../../src/safety/index.ts';
import { FETCHED_COLUMNS, type FetchedRecord } from '../../src/stages/fetched.ts';
import { OUTCOME_COLUMNS, type OutcomeRecord } from '../../src/stages/outcomes.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { filesWith, releasedPairs } from '../support/contents.ts';
import { watRecord } from '../support/crawl.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { treeOf } from '../support/tree.ts';

const CRASHING = new URL('./crashing-harvest.ts', import.meta.url);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-apart-web-'));
});
const out = (name: string) => join(folder, name);
const storage = (name: string) => fileStorage(out(name));
const released = (name: string) => treeOf(join(out(name), 'release'));
const bytesOf = async (url: string) => new Uint8Array(await (await fetch(url)).arrayBuffer());
const sha256 = (bytes: Uint8Array | string) => createHash('sha256').update(bytes).digest('hex');

async function writeCrawl(name: string, images: readonly { url: string; alt: string }[]): Promise<string> {
  const wat = join(folder, `${name}.warc.wat.gz`);
  await writeFile(wat, gzipMember(watRecord('http://site.example/', images)));
  return wat;
}

async function hashOf(url: string): Promise<string> {
  const limits = { minBytes: 0, maxPixels: 1e8, formats: ['jpeg'] } as const;
  const decoded = await decodeImage(await bytesOf(url), limits);
  if (!decoded.kept) throw new Error(`no picture at ${url}`);
  return perceptualHash(decoded.value);
}

async function outcomesOf(name: string): Promise<OutcomeRecord[]> {
  const rows: OutcomeRecord[] = [];
  for (const path of (await storage(name).list('fetched')).filter((p) => p.endsWith('/outcomes.parquet'))) {
    const source = await storage(name).open(path);
    rows.push(...(await Array.fromAsync(readParquetRows(source, OUTCOME_COLUMNS))));
    await source.close();
  }
  return rows;
}

/** What harvest says of fetching, but for its times. */
async function factsOf(name: string) {
  const rows: Omit<FetchedRecord, `${string}_ms`>[] = [];
  for (const path of (await storage(name).list('harvest')).filter((p) => p.endsWith('/fetched.parquet'))) {
    const source = await storage(name).open(path);
    for (const row of await Array.fromAsync(readParquetRows(source, FETCHED_COLUMNS))) {
      const { queue_ms: _q, dns_ms: _d, connect_ms: _c, first_byte_ms: _f, total_ms: _t, ...same } = row;
      rows.push(same);
    }
    await source.close();
  }
  return rows;
}

describe('a run from the web that is fetched apart', () => {
  let origin: ImageOrigin;
  let options: RunLocallyOptions;
  /** What is on a list of known content, by how it is found. */
  let listed: Record<string, { readonly url: string; readonly alt: string }>;
  /** Requests for pictures before it was fetched, and after it. */
  let asked: readonly number[];
  /** Pairs whose pictures have the listed hash. */
  let alike: number;
  /** Bytes of what is listed that were fetched. */
  let secrets: Uint8Array[];

  beforeAll(async () => {
    origin = await startImageOrigin();
    const lists: Record<string, [url: string, kind: string, entry: string]> = {
      bytes: [origin.image(1), 'sha256', sha256(await bytesOf(origin.image(1)))],
      redirect: [origin.moved(3), 'url', origin.image(3)],
      picture: [origin.image(4), 'phash', await hashOf(origin.image(4))],
    };
    listed = Object.fromEntries(
      Object.entries(lists).map(([by, [url]]) => [
        by,
        { url, alt: `A picture that is listed, by its ${by}` },
      ]),
    );
    secrets = [await bytesOf(origin.image(1)), await bytesOf(origin.image(3))];
    const pictures = [5, 6, 7, 8, 9, 10, 22, 23].map((n) => ({
      url: n % 4 === 0 ? origin.moved(n) : origin.image(n),
      alt: `A white ball on a coloured ground${', and more'.repeat(n % 3)}, number ${n}`,
    }));
    const hashes = await Promise.all(
      [4, 5, 6, 7, 8, 9, 10, ...Array(6).fill(11)].map((n) => hashOf(origin.image(n))),
    );
    alike = hashes.filter((hash) => hash === hashes[0]).length;
    // One picture under texts of which some match it and some do not.
    const again = Array.from({ length: 6 }, (_, n) => ({
      url: origin.image(11),
      alt: n % 2 === 0 ? `White ball, number ${n}` : `Annual report on interest rates, number ${n}`,
    }));
    const odd = [
      { url: origin.odd('missing'), alt: 'A picture that is missing' },
      { url: origin.odd('small'), alt: 'A picture that is small' },
      { url: origin.odd('html'), alt: 'A page that is no picture' },
      { url: origin.marked(12, 'cut off'), alt: 'A picture that is cut off' },
      { url: origin.image(0), alt: 'A picture that is on an opt-out list' },
    ];
    const knownContent = [];
    for (const [by, [, kind, entry]] of Object.entries(lists)) {
      const path = join(folder, `${by}.txt`);
      await writeFile(path, `${entry}\n`);
      knownContent.push({ name: `list by ${by}`, path, kind: kind as 'url', maxDistance: 0 });
    }
    const optOut = join(folder, 'opt-out.txt');
    await writeFile(optOut, `${origin.image(0)}\n`);
    origin.cut = true;
    options = {
      recipe: 'everything',
      overrides: {
        fetch: { retries: 0, optOutLists: [optOut] },
        // Pictures 22 and 23 have more pixels.
        image: { minBytes: 20, maxPixels: 500 * 216, formats: ['jpeg'] },
        harvest: { pairsPerTask: 6, recordTime: false },
        score: { minSimilarity: 0.15, batchSize: 4 },
        release: { parts: 2 },
        safety: { knownContent },
      },
      wats: [await writeCrawl('mixed', [...pictures, ...again, ...odd, ...Object.values(listed)])],
      allowHosts: [origin.host],
      workers: 2,
      out: out('fused'),
    };
    await runLocally(options);
    const apart = { ...options, fetchApart: true, keepFetched: true };
    const requests = [origin.requests()];
    await runLocally({ ...apart, out: out('one thread'), workers: 1, until: 'fetch' });
    requests.push(origin.requests());
    await runLocally({ ...apart, out: out('apart'), until: 'fetch' });
    // Those who score need no network.
    await origin.close();
    await runLocally({ ...apart, out: out('apart') });
    await runLocally({ ...apart, out: out('one thread') });
    asked = [...requests, origin.requests()];
  }, 240_000);

  it('has what the tests are about', async () => {
    const { fetched, image, matched, safe } = await runLedgers(storage('fused'));
    expect(fetched.dropped).toEqual({ known_content: 2 + alike, opt_out: 1, http_status: 1 });
    expect(image.dropped).toEqual({ body_small: 1, format: 1, pixels: 2, undecodable: 1 });
    expect(matched.dropped.similarity).toBeGreaterThan(1);
    expect(safe.out).toBeGreaterThan(2);
  });

  it('releases what a fused one does, byte for byte, each image asked for once, by whom has a network', async () => {
    expect(await released('apart')).toEqual(await released('fused'));
    expect(await released('one thread')).toEqual(await released('fused'));
    expect((asked[1] ?? 0) - (asked[0] ?? 0)).toBe((asked[2] ?? 0) - (asked[1] ?? 0));
    expect(await runLedgers(storage('apart'))).toEqual(await runLedgers(storage('fused')));
    expect(await factsOf('apart')).toEqual(await factsOf('fused'));
    for (const name of ['apart', 'one thread']) expect((await verifyRun(storage(name))).problems).toEqual([]);
  });

  it('keeps no bytes that are refused without a decoder, and says so as harvest does', async () => {
    const outcomes = await outcomesOf('apart');
    const { fetched, image } = await runLedgers(storage('fused'));
    const reasons = Object.groupBy(outcomes, ({ reason }) => reason ?? 'kept');
    expect(
      Object.fromEntries(Object.entries(reasons).map(([reason, rows]) => [reason, rows?.length])),
    ).toEqual({
      ...{ opt_out: 1, http_status: 1, body_small: 1, format: 1, pixels: 2 },
      // What is cut off, and what is known by its picture, a decoder has to see.
      kept: image.out + 1 + alike,
    });
    expect(outcomes.length + 2).toBe(fetched.in);
    let members = 0;
    for (const path of (await storage('apart').list('fetched')).filter((p) => p.endsWith('.tar')))
      for await (const { name, bytes } of readTar(storage('apart').stream(path), { name: path })) {
        const row = Number(name.slice(0, 9));
        const outcome = outcomes.find((one) => one.row === row);
        expect([name, outcome?.sha256, outcome?.length]).toEqual([
          `${name.slice(0, 9)}.jpg`,
          sha256(bytes ?? ''),
          bytes?.length,
        ]);
        members++;
      }
    expect(members).toBe(image.out + 1 + alike);
  });

  it('keeps nothing of known content but a restricted report', async () => {
    expect(Object.keys(await filesWith(join(out('apart'), 'fetched'), secrets))).toEqual([]);
    const found = await filesWith(
      join(out('apart'), 'fetched'),
      Object.values(listed)
        .filter(({ alt }) => !alt.includes('by its picture'))
        .map(({ url }) => url),
    );
    expect(found).toEqual({});
    const reports = (await storage('apart').list('')).filter((path) => path.endsWith('known-content.jsonl'));
    expect(reports.some((path) => path.startsWith('fetched/'))).toBe(true);
    for (const path of reports) expect((await stat(join(out('apart'), path))).mode & 0o777).toBe(0o600);
  });
});

describe('a run that was fetched apart', () => {
  let origin: ImageOrigin;
  let options: RunLocallyOptions;
  const alt = (what: string, n: number) => `A picture that is ${what}, number ${n}.`;

  beforeAll(async () => {
    origin = await startImageOrigin();
    const images = [
      ...[0, 1, 2, 3].map((n) => ({ url: origin.image(n), alt: alt('here', n) })),
      ...[4, 5].map((n) => ({ url: origin.flaky(n), alt: alt('late', n) })),
      ...[6, 7].map((n) => ({ url: origin.moved(n), alt: alt('moved', n) })),
      { url: origin.marked(8, 'harmless'), alt: alt('cut off', 8) },
    ];
    options = {
      recipe: 'everything',
      overrides: {
        fetch: { retries: 0 },
        harvest: { pairsPerTask: 4, recordTime: false },
        score: { minSimilarity: -1 },
        release: { parts: 2 },
      },
      wats: [await writeCrawl('takedown', images)],
      allowHosts: [origin.host],
      workers: 2,
      out: out('good'),
    };
    await runLocally(options);
  }, 180_000);
  afterAll(() => origin.close());

  it('is retried to what one good run gives', async () => {
    origin.failing = true;
    origin.cut = true;
    await runLocally({ ...options, out: out('bad'), fetchApart: true });
    origin.failing = false;
    origin.cut = false;
    expect((await runLedgers(storage('bad'))).safe.out).toBe(6);
    const asked = origin.requests();
    await retryRunLocally({ dir: out('bad'), reasons: ['http_status', 'undecodable'], workers: 2 });
    expect(origin.requests() - asked).toBe(2);
    expect(await released('bad')).toEqual(await released('good'));
    expect((await verifyRun(storage('bad'))).problems).toEqual([]);
    const before = await treeOf(out('bad'));
    await runLocally({ ...options, out: out('bad'), fetchApart: true });
    expect(await treeOf(out('bad'))).toEqual(before);
  }, 180_000);

  it('keeps nothing of what is taken down, in no tar', async () => {
    const apart = { ...options, fetchApart: true, keepFetched: true };
    await runLocally({ ...apart, out: out('whole') });
    await runLocally({ ...apart, out: out('begun'), until: 'fetch' });
    await cp(out('begun'), out('other'), { recursive: true });
    const base = await releasedPairs(out('whole'));
    const [byUrl, byBytes, byMove] = await Promise.all(
      [origin.image(0), origin.image(1), origin.image(6)].map(bytesOf),
    );
    const takedowns = [
      { kind: 'url', hash: takedownHash('url', origin.image(0)) ?? '' },
      { kind: 'sha256', hash: sha256(byBytes ?? '') },
      // Where an image came from at last.
      { kind: 'url', hash: takedownHash('url', origin.image(6)) ?? '' },
    ] as const;
    const gone = [origin.image(0), origin.image(1), origin.moved(6)];
    const needles = [byUrl, byBytes, byMove].map((bytes) => bytes ?? '');
    for (const name of ['whole', 'begun']) {
      await removeLocally({ dir: out(name), takedowns, reason: 'x' });
      expect(await filesWith(out(name), [...needles, origin.image(0), origin.image(6)])).toEqual({});
      expect((await verifyRun(storage(name))).problems).toEqual([]);
    }
    expect((await releasedPairs(out('whole'))).map(({ row }) => row.URL)).toEqual(
      base.map(({ row }) => row.URL).filter((url) => !gone.includes(url)),
    );
    // The one that was not harvested yet fetches again what it has lost, and no more; the whole one nothing.
    const asked = origin.requests();
    await runLocally({ ...apart, out: out('whole') });
    expect(origin.requests()).toBe(asked);
    await runLocally({ ...apart, out: out('begun') });
    expect(origin.requests() - asked).toBeLessThan(9);
    const { fetched, safe } = await runLedgers(storage('begun'));
    expect([fetched.dropped, safe.out]).toEqual([{ removed: 3 }, 6]);
    expect(await filesWith(out('begun'), needles)).toEqual({});
    expect((await releasedPairs(out('begun'))).map(({ row }) => row.URL).sort()).toEqual(
      base
        .map(({ row }) => row.URL)
        .filter((url) => !gone.includes(url))
        .sort(),
    );
    expect((await verifyRun(storage('begun'))).problems).toEqual([]);
  }, 180_000);

  it('loses an image whose decoder crashes, and no other', async () => {
    const deadly = { url: origin.marked(5, 'ends by abort'), alt: 'Something deadly' };
    const images = [1, 2, 3].map((n) => ({ url: origin.image(n), alt: `Something round, number ${n}` }));
    const wats = [await writeCrawl('deadly', [...images, deadly])];
    const apart = { ...options, fetchApart: true, wats, out: out('deadly') };
    await runLocally({ ...apart, workers: 1, processFile: CRASHING });
    const { image, safe } = await runLedgers(storage('deadly'));
    expect([image.dropped, safe.out]).toEqual([{ undecodable: 1 }, 3]);
    expect((await verifyRun(storage('deadly'))).problems).toEqual([]);
  }, 180_000);

  it('honours what another run has taken down since', async () => {
    const tombstones = [out('whole')];
    const apart = { ...options, fetchApart: true, out: out('other'), tombstones };
    await runLocally(apart);
    const { fetched, safe } = await runLedgers(storage('other'));
    expect([fetched.dropped, safe.out]).toEqual([{ removed: 3 }, 6]);
    expect(await readdir(out('other'))).not.toContain('fetched');
  }, 180_000);
});
