import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DownloadLocallyOptions, downloadLocally, retryLocally } from '../../src/executors/download.ts';
import { type Column, readParquetRows, readWebdataset } from '../../src/formats/index.ts';
import { fileStorage, openFile } from '../../src/storage/index.ts';
import { gleaner } from '../support/gleaner.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { treeOf } from '../support/tree.ts';

const COLUMNS = [
  { name: 'score', type: 'double', nullable: true },
  { name: 'caption', type: 'string', nullable: true },
  { name: 'url', type: 'string', nullable: true },
  { name: 'key', type: 'string', nullable: true },
  { name: 'status', type: 'string', nullable: true },
  { name: 'error_message', type: 'string', nullable: true },
  { name: 'width', type: 'int32', nullable: true },
  { name: 'height', type: 'int32', nullable: true },
  { name: 'original_width', type: 'int32', nullable: true },
  { name: 'original_height', type: 'int32', nullable: true },
  { name: 'exif', type: 'string', nullable: true },
  { name: 'sha256', type: 'string', nullable: true },
  { name: 'reason', type: 'string', nullable: true },
  { name: 'detail', type: 'string', nullable: true },
  { name: 'http_status', type: 'int32', nullable: true },
  { name: 'fetched_bytes', type: 'int64', nullable: true },
  { name: 'tries', type: 'int32', nullable: true },
  { name: 'final_url', type: 'string', nullable: true },
] as const satisfies readonly Column[];

describe('gleaner download', { timeout: 120_000 }, () => {
  let folder: string;
  let origin: ImageOrigin;
  let list: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-download-'));
    origin = await startImageOrigin();
    list = join(folder, 'list.csv');
    const rows = [
      `${origin.image(0)},"A ""quoted"" café, 1",0.5`,
      `${origin.odd('missing')},gone,0.25`,
      `${origin.odd('html')},a page,`,
      `${origin.image(1)},,1`,
      `file:///etc/hostname,a file,2`,
      `${origin.odd('small')},too small,3`,
      `${origin.image(2)},last,4`,
    ];
    await writeFile(list, `url,title,score\n${rows.join('\n')}\n`);
  });
  afterAll(() => origin.close());

  const download = (out: string, ...more: string[]) =>
    gleaner([
      'download',
      ...['--urls', list, '--out', out, '--caption-col', 'title', '--save-additional-columns', 'score'],
      ...['--number-sample-per-shard', '4', '--min-image-size', '10', '--allow-host', origin.host],
      ...['--workers', '1', '--json', ...more],
    ]);

  async function rowsOf<const C extends readonly Column[]>(path: string, columns: C) {
    const source = await openFile(path);
    try {
      return await Array.fromAsync(readParquetRows(source, columns));
    } finally {
      await source.close();
    }
  }

  // Names, types, order and words of img2dataset 1.47, from its source (downloader.py, writer.py, logger.py).
  it('leaves what img2dataset leaves', async () => {
    const out = join(folder, 'webdataset');
    const { code, stdout, stderr } = await download(out);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(JSON.parse(stdout)).toEqual({
      ledger: { in: 7, out: 3, dropped: { url_scheme: 1, http_status: 1, format: 1, size_small: 1 } },
      shards: 2,
      done: 2,
    });
    expect((await readdir(out)).sort()).toEqual([
      ...['00000.parquet', '00000.tar', '00000_stats.json', '00001.parquet', '00001.tar', '00001_stats.json'],
      '_gleaner',
    ]);
    const rows = [
      ...(await rowsOf(join(out, '00000.parquet'), COLUMNS)),
      ...(await rowsOf(join(out, '00001.parquet'), COLUMNS)),
    ];
    expect(
      rows.map(({ key, status, error_message, reason, http_status }) => [
        key,
        status,
        error_message,
        reason,
        http_status,
      ]),
    ).toEqual([
      ['000000', 'success', null, null, 200],
      ['000001', 'failed_to_download', 'HTTP Error 404: Not Found', 'http_status', 404],
      ['000002', 'failed_to_resize', 'Image decoding error', 'format', 200],
      ['000003', 'success', null, null, 200],
      ['000010', 'failed_to_download', 'scheme is not http or https', 'url_scheme', null],
      ['000011', 'failed_to_resize', 'image too small', 'size_small', 200],
      ['000012', 'success', null, null, 200],
    ]);
    expect(rows.map(({ score }) => score)).toEqual([0.5, 0.25, null, 1, 2, 3, 4]);
    const [first] = rows;
    expect(first).toMatchObject({
      ...{
        caption: 'A "quoted" café, 1',
        width: 256,
        height: 256,
        original_width: 300,
        original_height: 200,
      },
      ...{ url: origin.image(0), final_url: origin.image(0), tries: 1 },
    });
    expect(JSON.parse(first?.exif ?? '')).toMatchObject({ 'Image Make': 'Maker', 'Image Model': 'Model 0' });
    expect(rows[3]?.exif).toBe('{}');

    const samples = await Array.fromAsync(readWebdataset(fileStorage(out).stream('00000.tar')));
    expect(samples.map(({ key, files }) => [key, ...files.keys()])).toEqual([
      ['000000', 'jpg', 'json', 'txt'],
      ['000003', 'jpg', 'json', 'txt'],
    ]);
    const text = (name: string) => Buffer.from(samples[0]?.files.get(name)?.bytes ?? []).toString();
    expect(text('txt')).toBe('A "quoted" café, 1');
    // What Python's json.dumps(meta, indent=4) gave for such a row.
    expect(text('json')).toBe(
      `{\n    "score": 0.5,\n    "caption": "A \\"quoted\\" caf\\u00e9, 1",\n    "url": "${origin.image(0)}",\n    "key": "000000",\n    "status": "success",\n    "error_message": null,\n    "width": 256,\n    "height": 256,\n    "original_width": 300,\n    "original_height": 200,\n    "exif": ${JSON.stringify(first?.exif)},\n    "sha256": "${first?.sha256}"\n}`,
    );
    const picture = await sharp(samples[0]?.files.get('jpg')?.bytes ?? undefined).metadata();
    expect(picture).toMatchObject({ format: 'jpeg', width: 256, height: 256 });
    expect(JSON.parse(await readFile(join(out, '00001_stats.json'), 'utf8'))).toMatchObject({
      ...{ count: 3, successes: 1, failed_to_download: 1, failed_to_resize: 1 },
      status_dict: { success: 1, 'scheme is not http or https': 1, 'image too small': 1 },
    });
  });

  it('writes single files, and Parquet files with the images', async () => {
    const [tars, files, parquet] = ['webdataset', 'files', 'parquet'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    expect(await download(files, '--output-format', 'files')).toMatchObject({ code: 0 });
    expect(await download(parquet, '--output-format', 'parquet')).toMatchObject({ code: 0 });
    expect((await readdir(join(files, '00000'))).sort()).toEqual(
      ['000000', '000003'].flatMap((key) => [`${key}.jpg`, `${key}.json`, `${key}.txt`]),
    );
    const [sample] = await Array.fromAsync(readWebdataset(fileStorage(tars).stream('00000.tar')));
    const jpg = sample?.files.get('jpg')?.bytes;
    expect(Buffer.compare(await readFile(join(files, '00000/000000.jpg')), jpg ?? new Uint8Array())).toBe(0);
    const columns = [...COLUMNS, { name: 'jpg', type: 'binary', nullable: true }] as const;
    const rows = await rowsOf(join(parquet, '00000.parquet'), columns);
    expect(rows.map((row) => row.jpg?.length ?? null)).toEqual([jpg?.length, null, null, expect.any(Number)]);
    expect(Buffer.compare(rows[0]?.jpg ?? new Uint8Array(), jpg ?? new Uint8Array())).toBe(0);
    expect(await readdir(parquet)).not.toContain('00000.tar');
  });

  it('keeps finished shards, and takes no other options in their folder', async () => {
    const out = join(folder, 'webdataset');
    const before = await treeOf(out);
    const asked = origin.requests();
    expect(JSON.parse((await download(out)).stdout)).toMatchObject({ shards: 2, done: 0 });
    expect(origin.requests()).toBe(asked);
    expect(await treeOf(out)).toEqual(before);
    expect(await download(out, '--image-size', '128')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/holds a run with another set of options/),
    });
    // A file that is gone is a shard to be done.
    await fileStorage(out).remove('00001.tar');
    expect(JSON.parse((await download(out)).stdout)).toMatchObject({ done: 1 });
    expect((await treeOf(out))['00001.tar']).toBe(before['00001.tar']);
  });

  /** The same by the library, which begins one process less. */
  const library = (urls: string, out: string, more: Partial<DownloadLocallyOptions> = {}) =>
    downloadLocally({
      urls: [urls],
      out,
      overrides: { fetch: { retries: 0 } },
      allowHosts: [origin.host],
      workers: 1,
      ...more,
      options: { samplesPerShard: 4, ...more.options },
    });

  it('extends a download, and overwrites one', async () => {
    const out = join(folder, 'extended');
    const [list, other] = [join(folder, 'five.txt'), join(folder, 'other.txt')];
    await writeFile(list, [1, 2, 3, 4, 5].map(origin.image).join('\n'));
    await writeFile(other, origin.image(6));
    expect(await library(list, out)).toMatchObject({ shards: 2, done: 2 });
    const first = await treeOf(out);
    expect(await library(other, out, { incrementalMode: 'extend' })).toMatchObject({ shards: 1, done: 1 });
    const [row] = await rowsOf(join(out, '00002.parquet'), COLUMNS.slice(2, 5));
    expect(row).toEqual({ url: origin.image(6), key: '000020', status: 'success' });
    expect((await treeOf(out))['00000.tar']).toBe(first['00000.tar']);
    expect(await library(other, out, { incrementalMode: 'extend' })).toMatchObject({ shards: 1, done: 0 });
    const smaller = { options: { imageSize: 64 }, incrementalMode: 'overwrite' } as const;
    expect(await library(list, out, smaller)).toMatchObject({ shards: 2, done: 2 });
    expect(await readdir(out)).not.toContain('00002.parquet');
    expect((await rowsOf(join(out, '00000.parquet'), COLUMNS.slice(6, 7)))[0]).toEqual({ width: 64 });
  });

  it.each(['webdataset', 'files', 'parquet'] as const)(
    'retries what failed for a reason, to what one good run gives: %s',
    async (outputFormat) => {
      const urls = Array.from({ length: 7 }, (_, n) => (n % 3 === 1 ? origin.flaky(n) : origin.image(n)));
      const flaky = join(folder, 'flaky.txt');
      await writeFile(flaky, urls.join('\n'));
      const [good, bad] = [join(folder, `good-${outputFormat}`), join(folder, `bad-${outputFormat}`)];
      origin.failing = false;
      expect(await library(flaky, good, { options: { outputFormat } })).toMatchObject({ ledger: { out: 7 } });
      origin.failing = true;
      const failed = await library(flaky, bad, { options: { outputFormat } });
      expect(failed.ledger.out).toBe(5);
      origin.failing = false;
      const asked = origin.requests();
      const reasons = ['http_status', 'host_down'];
      expect(await retryLocally({ dir: bad, reasons, workers: 1 })).toMatchObject({
        ledger: { in: 7, out: 7, dropped: {} },
      });
      expect(origin.requests() - asked).toBe(2);
      expect(await content(bad)).toEqual(await content(good));
    },
  );

  it('names reasons that there are, and folders that hold a download', async () => {
    expect(await gleaner(['retry', folder, '--reason', 'bad_luck'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^gleaner: 'bad_luck' is no reason.*timeout/),
    });
    expect(await gleaner(['retry', folder, '--reason', 'timeout'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/holds no finished run or download/),
    });
  });
});

/** What a download gives, without the times of this run: those of the statistics, and gleaner's own folder. */
async function content(out: string): Promise<Record<string, string>> {
  const tree = await treeOf(out);
  return Object.fromEntries(
    Object.entries(tree).filter(([name]) => !name.startsWith('_gleaner') && !name.endsWith('_stats.json')),
  );
}
