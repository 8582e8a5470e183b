import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeLocally, retryRunLocally, runLocally } from '../../src/executors/index.ts';
import { gzipMember, readParquetRows } from '../../src/formats/index.ts';
import { runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { takedownHash } from '../../src/safety/index.ts';
import { pairUid } from '../../src/schema/index.ts';
import { FETCHED_COLUMNS } from '../../src/stages/fetched.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { filesWith, releasedPairs } from '../support/contents.ts';
import { watRecord } from '../support/crawl.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';

describe('takedown from a run that fetched from the web', () => {
  let folder: string;
  let dir: string;
  let origin: ImageOrigin;
  const alt = (what: string, n: number) => `A picture that is ${what}, number ${n}.`;
  const urlHash = (url: string) => takedownHash('url', url) ?? '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-remove-web-'));
    dir = join(folder, 'out');
    origin = await startImageOrigin();
    const page = 'http://site.example/';
    const images = [
      ...[0, 1, 2].map((n) => ({ url: origin.image(n), alt: alt('here', n) })),
      ...[3, 4].map((n) => ({ url: origin.flaky(n), alt: alt('late', n) })),
      ...[5, 6].map((n) => ({ url: origin.moved(n), alt: alt('moved', n) })),
    ];
    // The same pair on another page, and a text too short: what extract and dedup drop names the image too.
    const again = [
      { url: origin.moved(5), alt: alt('moved', 5) },
      { url: origin.moved(5), alt: 'ab' },
    ];
    const wat = join(folder, 'crawl.warc.wat.gz');
    const pages = [watRecord(page, images), watRecord('http://other.example/', again)];
    await writeFile(wat, Buffer.concat(pages.map((record) => gzipMember(record))));
    origin.failing = true;
    await runLocally({
      recipe: 'everything',
      overrides: {
        extract: { minTextChars: 3 },
        fetch: { retries: 0 },
        score: { minSimilarity: -1 },
        release: { parts: 2 },
      },
      wats: [wat],
      allowHosts: [origin.host],
      workers: 1,
      out: dir,
    });
    origin.failing = false;
  }, 60_000);
  afterAll(async () => {
    await origin.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('goes by where an image came from at last, too', async () => {
    const base = await releasedPairs(dir);
    expect(base.map(({ row }) => row.URL).sort()).toEqual(
      [...[0, 1, 2].map(origin.image), ...[5, 6].map(origin.moved)].sort(),
    );
    const hash = urlHash(origin.image(5));
    const { pairs } = await removeLocally({ dir, takedowns: [{ kind: 'url', hash }], reason: 'x' });
    expect(pairs).toMatchObject([
      { uid: pairUid(origin.moved(5), alt('moved', 5)), by: 'url', url: urlHash(origin.moved(5)) },
    ]);
    expect(await releasedPairs(dir)).toEqual(base.filter(({ row }) => row.URL !== origin.moved(5)));
    expect(await filesWith(dir, [origin.moved(5), origin.image(5), alt('moved', 5)])).toEqual({});
    expect((await verifyRun(fileStorage(dir))).problems).toEqual([]);
  }, 60_000);

  it('keeps what failed from being fetched again', async () => {
    const uid = pairUid(origin.flaky(3), alt('late', 3));
    await removeLocally({ dir, takedowns: [{ kind: 'url', hash: urlHash(origin.flaky(3)) }], reason: 'x' });
    const asked = origin.requests();
    await retryRunLocally({ dir, reasons: ['http_status'], workers: 1 });
    expect(origin.requests() - asked).toBe(1);
    const { fetched } = await runLedgers(fileStorage(dir));
    expect(fetched).toEqual({ in: 7, out: 6, dropped: { removed: 1 } });
    expect(await verifyRun(fileStorage(dir))).toMatchObject({ problems: [], removed: 1, rows: 5 });
    expect(await filesWith(dir, [origin.flaky(3), alt('late', 3), origin.moved(5)])).toEqual({});
    const records = await Array.fromAsync(fetchRecords());
    expect(records.find((record) => record.uid === uid)).toBeUndefined();
    const hosts = records.map(({ uid: of, host }) => [
      of === pairUid(origin.moved(5), alt('moved', 5)),
      host,
    ]);
    expect(hosts.filter(([, host]) => host === '')).toEqual([[true, '']]);
    await expect(retryRunLocally({ dir, reasons: ['removed'] })).rejects.toThrow(
      /nothing that fetching again could change/,
    );
  }, 60_000);

  async function* fetchRecords() {
    const storage = fileStorage(dir);
    for (const path of (await storage.list('harvest')).filter((name) => name.endsWith('fetched.parquet'))) {
      const source = await storage.open(path);
      yield* readParquetRows(source, FETCHED_COLUMNS, { name: path });
      await source.close();
    }
  }
});
