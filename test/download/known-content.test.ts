import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DownloadLocallyOptions, downloadLocally, retryLocally } from '../../src/executors/download.ts';
import { type Column, readParquetRows } from '../../src/formats/index.ts';
import { decodeImage, perceptualHash } from '../../src/image/index.ts';
import { openFile } from '../../src/storage/index.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { treeOf } from '../support/tree.ts';

const digest = (kind: string, bytes: Uint8Array | string) => createHash(kind).update(bytes).digest('hex');
const TEXTS = ['key', 'url', 'caption', 'status', 'error_message', 'reason', 'detail', 'final_url', 'sha256'];
const COLUMNS = TEXTS.map((name) => ({ name, type: 'string', nullable: true }) satisfies Column);

describe('a download with lists of known content', () => {
  let folder: string;
  let origin: ImageOrigin;
  let options: Omit<DownloadLocallyOptions, 'out'>;
  /** Rows that are on a list, with what the restricted report says of them. */
  let listed: Record<number, { readonly kind: string; readonly hash: string }>;
  let urls: string[];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-known-download-'));
    origin = await startImageOrigin();
    urls = Array.from({ length: 12 }, (_, n) => origin.image(n));
    const bytesOf = async (n: number) => new Uint8Array(await (await fetch(origin.image(n))).arrayBuffer());
    // No picture at all: were it decoded, it would be dropped for its format.
    urls[1] = origin.odd('html');
    urls[5] = origin.flaky(5);
    urls[8] = origin.image(14);
    urls[10] = 'http://img.listed.example/a.jpg';
    const decoded = await decodeImage(await bytesOf(14), { minBytes: 0, maxPixels: 1e8, formats: ['jpeg'] });
    if (!decoded.kept) throw new Error('no picture');
    const near = (BigInt(`0x${perceptualHash(decoded.value)}`) ^ 0b101n).toString(16).padStart(16, '0');
    listed = {
      1: { kind: 'md5', hash: digest('md5', '<html>no</html>') },
      2: { kind: 'sha1', hash: digest('sha1', await bytesOf(2)) },
      3: { kind: 'sha256', hash: digest('sha256', await bytesOf(3)) },
      8: { kind: 'phash', hash: near },
      9: { kind: 'url', hash: digest('sha256', urls[9] ?? '') },
      10: { kind: 'domain', hash: digest('sha256', 'listed.example') },
    };
    const knownContent = [];
    for (const { kind, hash } of Object.values(listed)) {
      const path = join(folder, `${kind}.txt`);
      await writeFile(path, kind === 'domain' ? 'listed.example' : kind === 'url' ? (urls[9] ?? '') : hash);
      const maxDistance = kind === 'phash' ? 2 : 0;
      knownContent.push({ name: `list of ${kind}`, path, kind: kind as 'md5', maxDistance });
    }
    const list = join(folder, 'list.tsv');
    await writeFile(
      list,
      ['url\tcaption', ...urls.map((url, n) => `${url}\tcaption number ${n} of it`)].join('\n'),
    );
    options = {
      urls: [list],
      columns: { url: 'url', caption: 'caption', additional: [] },
      overrides: { fetch: { retries: 0 }, safety: { knownContent } },
      options: { samplesPerShard: 7 },
      allowHosts: [origin.host],
      workers: 1,
    };
  });
  afterAll(async () => {
    await origin.close();
    await rm(folder, { recursive: true });
  });

  async function rowsOf(out: string) {
    const rows = [];
    for (const shard of ['00000', '00001']) {
      const source = await openFile(join(out, `${shard}.parquet`));
      rows.push(...(await Array.fromAsync(readParquetRows(source, COLUMNS))));
      await source.close();
    }
    return rows;
  }

  async function reports(out: string) {
    const lines = [];
    for (const shard of ['00000', '00001']) {
      const path = join(out, `_gleaner/known-content/${shard}.jsonl`);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      for (const line of (await readFile(path, 'utf8')).trim().split('\n')) lines.push(JSON.parse(line));
    }
    return lines;
  }

  /** Everything that lies there but the reports. */
  async function mentions(out: string, words: readonly string[]) {
    const found = [];
    for (const path of Object.keys(await treeOf(out))) {
      if (path.includes('known-content')) continue;
      const text = await readFile(join(out, path), 'latin1');
      found.push(...words.filter((word) => text.includes(word)).map((word) => `${path}: ${word}`));
    }
    return found;
  }

  it('names no listed image but in the restricted report, and keeps the others; a retry stays at that', async () => {
    const out = join(folder, 'out');
    origin.failing = true;
    const before = origin.requests();
    const { ledger } = await downloadLocally({ ...options, out });
    expect(ledger).toEqual({ in: 12, out: 5, dropped: { known_content: 6, http_status: 1 } });
    // Of the listed ones those by URL and domain were not asked for, and the page is no picture.
    expect(origin.requests() - before).toBe(5 + 3);
    const expected = Object.entries(listed).map(([row, { kind, hash }]) => ({
      // img2dataset's: shard, and as many digits as the rows of one take.
      key: Number(row) < 7 ? `00000${row}` : `00001${Number(row) - 7}`,
      list: `list of ${kind}`,
      kind,
      hash,
    }));
    const check = async () => {
      const rows = await rowsOf(out);
      for (const [n, row] of rows.entries())
        if (listed[n])
          expect(row).toEqual({
            key: row.key,
            url: null,
            caption: null,
            status: 'failed_to_download',
            error_message: 'on a list of known content',
            reason: 'known_content',
            detail: '',
            final_url: null,
            sha256: null,
          });
        else expect([row.url, row.caption]).toEqual([urls[n], `caption number ${n} of it`]);
      expect(await reports(out)).toEqual(expected);
      const captions = Object.keys(listed).map((n) => `number ${n} of it`);
      expect(await mentions(out, [...captions, 'listed.example', '/image/9.jpg'])).toEqual([]);
    };
    await check();
    origin.failing = false;
    const asked = origin.requests();
    const again = await retryLocally({ dir: out, reasons: ['http_status'], workers: 1 });
    expect(again.ledger).toEqual({ in: 12, out: 6, dropped: { known_content: 6 } });
    expect(origin.requests() - asked).toBe(1);
    await check();
  }, 120_000);

  it('is another download with another list, and none with a list that cannot be read', async () => {
    const out = join(folder, 'other');
    const one = {
      ...options,
      out,
      overrides: {
        safety: {
          knownContent: [
            { name: 'mine', path: join(folder, 'mine.txt'), kind: 'md5' as const, maxDistance: 0 },
          ],
        },
      },
    };
    await writeFile(join(folder, 'mine.txt'), 'no hash');
    await expect(downloadLocally(one)).rejects.toThrow(/mine\.txt: cannot be read \(line 1/);
    await writeFile(join(folder, 'mine.txt'), digest('md5', 'x'));
    await downloadLocally(one);
    await writeFile(join(folder, 'mine.txt'), digest('md5', 'y'));
    await expect(downloadLocally(one)).rejects.toThrow(/another content of its lists of known content/);
  }, 120_000);

  it('does not take lists of pictures where none is decoded', async () => {
    const download = { ...options, out: join(folder, 'raw'), options: { disableAllReencoding: true } };
    await expect(downloadLocally(download)).rejects.toThrow(/--disable-all-reencoding decodes none/);
  });
});
