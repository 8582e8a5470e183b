import { appendFile, mkdtemp, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadataAsync } from 'hyparquet';
import { beforeAll, describe, expect, it } from 'vitest';
import { runLocally } from '../../src/executors/index.ts';
import { npyInfo, readParquetRows, readTar } from '../../src/formats/index.ts';
import { explainPair, runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { RELEASE_COLUMNS } from '../../src/stages/released.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { treeOf } from '../support/tree.ts';

describe('a run from an archive', () => {
  let folder: string;
  let crawl: SmallCrawl;
  let storage: Storage;

  const run = (out: string, workers: number) =>
    runLocally({
      recipe: 'everything',
      overrides: { harvest: { pairsPerTask: 30 }, dedup: { watBytesPerBucket: 3000 } },
      wats: crawl.wats,
      imagesFrom: [crawl.archive],
      out,
      workers,
    });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-run-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'));
    await run(join(folder, 'out'), 2);
    storage = fileStorage(join(folder, 'out'));
  });

  it('accounts for every link', async () => {
    const ledgers = await runLedgers(storage);
    expect(ledgers.link).toMatchObject({ in: crawl.links, out: crawl.withText });
    expect(ledgers.link.dropped).toEqual({ no_text: crawl.links - crawl.withText });
    expect(ledgers.unique).toEqual({
      in: crawl.withText,
      out: crawl.unique,
      dropped: { duplicate: crawl.withText - crawl.unique },
    });
    expect(ledgers.fetched.dropped).toEqual({ not_archived: crawl.missing });
    expect(ledgers.safe.out).toBe(crawl.unique - crawl.missing);
  });

  it('releases rows that belong together in every file', async () => {
    let at = 0;
    const uids: string[] = [];
    for (let part = 0; part < 32; part++) {
      const name = String(part).padStart(2, '0');
      const metadata = await storage.open(`release/metadata/metadata_${name}.parquet`);
      const rows = await Array.fromAsync(readParquetRows(metadata, RELEASE_COLUMNS));
      // LAION-400M's metadata is packed with Snappy, and every reader of Parquet has that.
      const groups = rows.length > 0 ? (await parquetMetadataAsync(metadata)).row_groups : [];
      expect(new Set(groups.flatMap(({ columns }) => columns.map((c) => c.meta_data?.codec)))).toEqual(
        new Set(rows.length > 0 ? ['SNAPPY'] : []),
      );
      await metadata.close();
      const members = await Array.fromAsync(
        readTar(storage.stream(`release/images/${String(part).padStart(5, '0')}.tar`)),
      );
      expect(members.map((member) => member.name)).toEqual(
        rows.flatMap((row) => ['jpg', 'json', 'txt'].map((extension) => `${row.key}.${extension}`)),
      );
      for (const [i, row] of rows.entries()) {
        expect(Number(row.SAMPLE_ID)).toBe(at++);
        expect(new TextDecoder().decode(members[3 * i + 2]?.bytes ?? undefined)).toBe(row.TEXT);
        // The pictures are twice as wide as high: LAION-400M had the two swapped.
        expect(row.WIDTH).toBe(2 * row.HEIGHT);
        expect(row.language_confidence > 0).toBe(row.language !== 'und');
        expect(JSON.parse(new TextDecoder().decode(members[3 * i + 1]?.bytes ?? undefined))).toMatchObject({
          language: row.language,
          language_confidence: row.language_confidence,
        });
        uids.push(row.uid);
      }
      for (const kind of ['img_emb', 'text_emb']) {
        const matrix = await storage.open(`release/${kind}/${kind}_${name}.npy`);
        expect(await npyInfo(matrix)).toMatchObject({ rows: rows.length, dtype: 'float16' });
        await matrix.close();
      }
    }
    expect(at).toBe(crawl.unique - crawl.missing);
    expect(uids).toEqual([...new Set(uids)].sort());
  });

  it('is the same with one worker and with two', async () => {
    await run(join(folder, 'one'), 1);
    expect(await treeOf(join(folder, 'one', 'release'))).toEqual(
      await treeOf(join(folder, 'out', 'release')),
    );
  });

  it('explains what became of a URL', async () => {
    const [gone] = await explainPair(storage, 'http://img.example/9.png');
    expect(gone).toMatchObject({ kept: false, reason: 'not_archived' });
    const [there] = await explainPair(storage, 'http://img.example/0.png#fragment');
    expect(there).toMatchObject({ kept: true, row: { TEXT: 'A picture of a red circle, number 0' } });
    expect(await explainPair(storage, 'http://img.example/none.png')).toEqual([]);
    if (!there?.kept) throw new Error('0.png is kept');
    expect(await explainPair(storage, there.row.uid)).toEqual([there]);
  });

  it('verifies, and names the file in which a byte was flipped, or that is short or gone', async () => {
    const sound = await verifyRun(storage);
    expect(sound).toMatchObject({ problems: [], rows: crawl.unique - crawl.missing });
    const root = join(folder, 'one');
    const flipped = 'release/img_emb/img_emb_03.npy';
    const bytes = await readFile(join(root, flipped));
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    await writeFile(join(root, flipped), bytes);
    await truncate(join(root, 'release/images/00001.tar'), 100);
    await appendFile(join(root, 'release/stats.json'), ' ');
    await fileStorage(root).remove('release/metadata/metadata_05.parquet');
    const { problems } = await verifyRun(fileStorage(root));
    expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual([
      'release/images/00001.tar',
      flipped,
      'release/metadata/metadata_05.parquet',
      'release/stats.json',
    ]);
  });

  it('verifies the conservation law itself, not only checksums', async () => {
    const root = join(folder, 'one');
    await run(root, 2);
    const one = fileStorage(root);
    const manifest = JSON.parse(new TextDecoder().decode(await one.read('tasks/dedup/00000.json')));
    manifest.ledgers.unique.in += 1;
    await one.put('tasks/dedup/00000.json', JSON.stringify(manifest));
    const { problems } = await verifyRun(one);
    expect(problems.join('\n')).toMatch(/dedup\/00000.*unique/);
    expect(problems.join('\n')).toMatch(/leave 'pair', but .* enter 'unique'/);
  });
});
