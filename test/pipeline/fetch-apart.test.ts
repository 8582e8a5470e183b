import { cp, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type RunLocallyOptions, runLocally } from '../../src/executors/index.ts';
import { readParquetRows, readWebdataset } from '../../src/formats/index.ts';
import { runCosts, runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { OUTCOME_COLUMNS, type OutcomeRecord } from '../../src/stages/outcomes.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-apart-'));
});
const out = (name: string) => join(folder, name);
const storage = (name: string) => fileStorage(out(name));
const released = (name: string) => treeOf(join(out(name), 'release'));

async function outcomesOf(name: string): Promise<OutcomeRecord[]> {
  const rows: OutcomeRecord[] = [];
  for (const path of (await storage(name).list('fetched')).filter((p) => p.endsWith('/outcomes.parquet'))) {
    const source = await storage(name).open(path);
    rows.push(...(await Array.fromAsync(readParquetRows(source, OUTCOME_COLUMNS))));
    await source.close();
  }
  return rows;
}

describe('a run from an archive that is fetched apart', () => {
  let crawl: SmallCrawl;
  const run = (name: string, more: Partial<RunLocallyOptions> = {}) =>
    runLocally({
      recipe: 'everything',
      overrides: { harvest: { pairsPerTask: 30 }, dedup: { watBytesPerBucket: 3000 } },
      wats: crawl.wats,
      imagesFrom: [crawl.archive],
      out: out(name),
      workers: 2,
      ...more,
    });

  beforeAll(async () => {
    crawl = await makeSmallCrawl(out('crawl'));
    await run('fused');
    await run('apart', { fetchApart: true });
    await run('kept', { fetchApart: true, keepFetched: true, workers: 1 });
  }, 240_000);

  it('releases what a fused one does, byte for byte, and leaves no tars', async () => {
    expect(await released('apart')).toEqual(await released('fused'));
    expect(await released('kept')).toEqual(await released('fused'));
    expect(await readdir(out('apart'))).not.toContain('fetched');
    expect(await runLedgers(storage('apart'))).toEqual(await runLedgers(storage('fused')));
    expect((await verifyRun(storage('apart'))).problems).toEqual([]);
    const before = await treeOf(out('apart'));
    await run('apart', { fetchApart: true });
    expect(await treeOf(out('apart'))).toEqual(before);
  });

  it('knows what its fetch took', async () => {
    const costs = await runCosts(storage('apart'));
    expect(costs.map(({ stage }) => stage)).toEqual([
      ...['extract', 'dedup', 'fetch', 'harvest', 'release', 'trail', 'report'],
    ]);
    const [fetched, harvested] = ['fetch', 'harvest'].map((name) =>
      costs.find(({ stage }) => stage === name),
    );
    expect(fetched).toMatchObject({ unit: 'pairs', things: crawl.unique, tasks: harvested?.tasks });
    expect((await runCosts(storage('fused'))).map(({ stage }) => stage)).not.toContain('fetch');
  });

  it('keeps the images as they came where it is told to', async () => {
    const rows = await outcomesOf('kept');
    expect(rows).toHaveLength(crawl.unique);
    expect(rows.filter(({ reason }) => reason === 'not_archived')).toHaveLength(crawl.missing);
    let images = 0;
    for (const path of (await storage('kept').list('fetched')).filter((p) => p.endsWith('.tar')))
      for await (const { key, files } of readWebdataset(storage('kept').stream(path))) {
        expect(key).toMatch(/^\d{9}$/);
        expect([...files.keys()]).toEqual(['png']);
        images++;
      }
    expect(images).toBe(crawl.unique - crawl.missing);
    expect((await verifyRun(storage('kept'))).problems).toEqual([]);
    // Told no longer, it lets go of them.
    await cp(out('kept'), out('let go'), { recursive: true });
    await run('let go', { fetchApart: true });
    expect(await readdir(out('let go'))).not.toContain('fetched');
    expect((await verifyRun(storage('let go'))).problems).toEqual([]);
  });

  it('verifies what was fetched: bytes, images in the tar, and pairs', async () => {
    await cp(out('kept'), out('wrong'), { recursive: true });
    const wrong = storage('wrong');
    const tar = (await wrong.list('fetched')).find((path) => path.endsWith('.tar')) ?? '';
    const bytes = await readFile(join(out('wrong'), tar));
    bytes[600] = (bytes[600] ?? 0) ^ 1;
    await writeFile(join(out('wrong'), tar), bytes);
    expect((await verifyRun(wrong)).problems).toEqual([expect.stringMatching(`^${tar}: its content`)]);
    bytes[600] = (bytes[600] ?? 0) ^ 1;
    await writeFile(join(out('wrong'), tar), bytes);
    const manifest = JSON.parse(new TextDecoder().decode(await wrong.read('tasks/fetch/00000.json')));
    manifest.facts.pairs++;
    await wrong.put('tasks/fetch/00000.json', JSON.stringify(manifest));
    expect((await verifyRun(wrong)).problems).toEqual([expect.stringMatching(/pairs were fetched, but/)]);
  });

  it('harvests no bytes but those that were fetched', async () => {
    await run('flipped', { fetchApart: true, until: 'fetch' });
    const tar = (await storage('flipped').list('fetched')).find((path) => path.endsWith('.tar')) ?? '';
    const bytes = await readFile(join(out('flipped'), tar));
    bytes[700] = (bytes[700] ?? 0) ^ 1;
    await writeFile(join(out('flipped'), tar), bytes);
    await expect(run('flipped', { fetchApart: true })).rejects.toThrow(/images\.tar.*other bytes.*Remove it/);
    await storage('flipped').remove(tar);
    await run('flipped', { fetchApart: true });
    expect(await released('flipped')).toEqual(await released('fused'));
  });

  it('goes on fused where it began apart, and apart where it began fused', async () => {
    const expected = await released('fused');
    await run('changed', { fetchApart: true, until: 'fetch' });
    await storage('changed').remove('tasks/fetch/00001.json');
    await run('changed');
    expect(await released('changed')).toEqual(expected);
    expect(await readdir(out('changed'))).not.toContain('fetched');
    expect((await verifyRun(storage('changed'))).problems).toEqual([]);
    // Of what is harvested nothing is fetched.
    await run('back', { until: 'harvest' });
    await storage('back').remove('tasks/harvest/00001.json');
    await run('back', { fetchApart: true, until: 'fetch' });
    const folders = new Set((await storage('back').list('fetched')).map((path) => path.split('/')[1]));
    expect([...folders]).toEqual([expect.stringMatching(/^00001-/)]);
    await run('back', { fetchApart: true });
    expect(await released('back')).toEqual(expected);
    expect((await verifyRun(storage('back'))).problems).toEqual([]);
  });

  it('says what does not go together', async () => {
    const { code, stderr } = await gleaner([
      'run',
      '--wat',
      ...crawl.wats,
      '--out',
      out('x'),
      '--keep-fetched',
    ]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/'--keep-fetched' goes with '--fetch-apart'/)]);
  });
});
