import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RunLocallyOptions, retryRunLocally, runLocally } from '../../src/executors/index.ts';
import { type Column, gzipMember, readParquetRows } from '../../src/formats/index.ts';
import { decodeImage, perceptualHash } from '../../src/image/index.ts';
import { runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { pairUid } from '../../src/schema/index.ts';
import { FETCHED_COLUMNS } from '../../src/stages/fetched.ts';
import { RELEASE_COLUMNS } from '../../src/stages/released.ts';
import { DROPPED_COLUMNS, EXTRACTED_COLUMNS } from '../../src/stages/tables.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { watRecord } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { treeOf } from '../support/tree.ts';

const digest = (kind: string, bytes: Uint8Array | string) => createHash(kind).update(bytes).digest('hex');

describe('a run with lists of known content', () => {
  let folder: string;
  let origin: ImageOrigin;
  let options: RunLocallyOptions;
  /** What is on a list, by the kind of the list. */
  let listed: Record<string, { readonly url: string; readonly alt: string; readonly hash: string }>;
  const out = (name: string) => join(folder, name);
  const storage = (name: string) => fileStorage(out(name));
  const mentions = (text: string) =>
    Object.values(listed).flatMap(({ url, alt }) =>
      [url, alt, pairUid(url, alt)].filter((word) => text.includes(word)),
    );

  async function rowsOf(name: string, pattern: RegExp, columns: readonly Column[]) {
    const paths = (await storage(name).list('')).filter((path) => pattern.test(path));
    const rows: Record<string, unknown>[] = [];
    for (const path of paths) {
      const source = await storage(name).open(path);
      rows.push(...(await Array.fromAsync(readParquetRows(source, columns))));
      await source.close();
    }
    return rows;
  }

  const asText = (rows: readonly unknown[]) =>
    JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? String(value) : value));

  async function reports(name: string) {
    const paths = (await storage(name).list('')).filter((path) => path.endsWith('.jsonl'));
    const lines = [];
    for (const path of paths) {
      expect((await stat(join(out(name), path))).mode & 0o777).toBe(0o600);
      for (const line of (await readFile(join(out(name), path), 'utf8')).trim().split('\n'))
        lines.push(JSON.parse(line));
    }
    return lines;
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-known-run-'));
    origin = await startImageOrigin();
    const bytesOf = async (n: number) => new Uint8Array(await (await fetch(origin.image(n))).arrayBuffer());
    const decoded = await decodeImage(await bytesOf(14), { minBytes: 0, maxPixels: 1e8, formats: ['jpeg'] });
    if (!decoded.kept) throw new Error('no picture');
    const phash = perceptualHash(decoded.value);
    const near = (BigInt(`0x${phash}`) ^ 0b101n).toString(16).padStart(16, '0');
    const hashes: Record<string, [number, string]> = {
      // No picture at all: were it decoded, it would be dropped for its format.
      md5: [11, digest('md5', '<html>no</html>')],
      sha1: [12, digest('sha1', await bytesOf(12))],
      sha256: [13, digest('sha256', await bytesOf(13))],
      phash: [14, near],
      url: [15, digest('sha256', origin.image(15))],
    };
    listed = Object.fromEntries(
      Object.entries(hashes).map(([kind, [n, hash]]) => [
        kind,
        {
          url: kind === 'md5' ? origin.odd('html') : origin.image(n),
          alt: `A picture of the kind ${kind}`,
          hash,
        },
      ]),
    );
    listed.domain = {
      url: origin.image(16),
      alt: 'A picture on a listed site',
      hash: digest('sha256', 'listed.example'),
    };
    const { domain, ...others } = listed;
    const harmless = [0, 1, 2, 3].map((n) => ({
      url: origin.image(n),
      alt: `A harmless picture, number ${n}`,
    }));
    const flaky = [4, 5].map((n) => ({ url: origin.flaky(n), alt: `A flaky picture, number ${n}` }));
    const images = [...harmless, ...flaky, ...Object.values(others)];
    // Repetitions and too short a text of a listed image: dedup and extract say so before it is known.
    const again = [...Object.values(others), { url: others.md5?.url ?? '', alt: 'ab' }];
    const wat = join(folder, 'crawl.warc.wat.gz');
    const record = (page: string, links: readonly { url: string; alt: string }[]) =>
      gzipMember(
        watRecord(
          page,
          links.map(({ url, alt }) => ({ url, alt })),
        ),
      );
    await writeFile(
      wat,
      Buffer.concat([
        record('http://site.example/', images),
        record('http://other.example/', again),
        // And a link of the listed site that no crawl would follow.
        record(
          'http://www.listed.example/',
          domain ? [domain, { url: 'ftp://www.listed.example/x.jpg', alt: domain.alt }] : [],
        ),
      ]),
    );
    const knownContent = [];
    for (const [kind, { url, hash }] of Object.entries(listed)) {
      const path = join(folder, `${kind}.txt`);
      await writeFile(
        path,
        `# of kind ${kind}\n${kind === 'domain' ? 'listed.example' : kind === 'url' ? url : hash}\n`,
      );
      const maxDistance = kind === 'phash' ? 2 : 0;
      knownContent.push({ name: `list of ${kind}`, path, kind: kind as 'md5', maxDistance });
    }
    options = {
      recipe: 'everything',
      overrides: {
        extract: { minTextChars: 3 },
        fetch: { retries: 0 },
        score: { minSimilarity: -1 },
        release: { parts: 2 },
        safety: { knownContent },
      },
      wats: [wat],
      allowHosts: [origin.host],
      workers: 1,
      out: out('good'),
    };
    await runLocally(options);
    origin.failing = true;
    await runLocally({ ...options, out: out('bad') });
    origin.failing = false;
  }, 120_000);
  afterAll(() => origin.close());

  it('drops what is listed, each by its list', async () => {
    const { pair, fetched, safe } = await runLedgers(storage('good'));
    // Both times that the URL is linked to, and the domain of a page.
    expect(pair.dropped).toEqual({ known_url: 3, text_short: 1 });
    expect(fetched).toEqual({ in: 10, out: 6, dropped: { known_content: 4 } });
    expect(safe.out).toBe(6);
    const entry = ([kind, { url, alt, hash }]: [string, (typeof listed)[string]]) => ({
      uid: pairUid(url, alt),
      list: `list of ${kind}`,
      kind,
      hash,
    });
    const expected = [...Object.entries(listed), ['url', listed.url] as const].flatMap(([kind, one]) =>
      one ? [entry([kind, one])] : [],
    );
    const byUid = (a: { uid: string }, b: { uid: string }) => (a.uid < b.uid ? -1 : 1);
    expect((await reports('good')).sort(byUid)).toEqual(expected.sort(byUid));
  });

  it('names it nowhere else, in no trail of any stage', async () => {
    const dropped = await rowsOf('good', /^release\/dropped\//, DROPPED_COLUMNS);
    const fetched = await rowsOf('good', /fetched\.parquet$/, FETCHED_COLUMNS);
    const kept = await rowsOf('good', /^release\/metadata\//, RELEASE_COLUMNS);
    expect([dropped.length, fetched.length, kept.length]).toEqual([4 + 4 + 3 + 1 + 1, 6, 6]);
    expect(mentions(asText([dropped, fetched, kept]))).toEqual([]);
    // The run's own lists of pairs, which are not published, have all three of those alone that had to be fetched.
    const byHash = ['md5', 'sha1', 'sha256', 'phash'].flatMap((kind) => {
      const { url, alt } = listed[kind] ?? { url: '', alt: '' };
      return [url, alt, pairUid(url, alt)];
    });
    for (const folder of [/^pairs\//, /^unique\//]) {
      const pairs = await rowsOf('good', folder, EXTRACTED_COLUMNS);
      expect(new Set(mentions(asText(pairs)))).toEqual(new Set(byHash));
    }
    const extracted = await rowsOf('good', /^dropped\/extract\//, DROPPED_COLUMNS);
    expect(mentions(asText(extracted))).toEqual([listed.md5?.url]);
    expect(asText(extracted)).not.toContain('listed.example');
    const blank = {
      uid: '',
      url: '',
      text: '',
      page_url: '',
      wat: '',
      license: '',
      language: '',
      detail: '',
    };
    expect(
      dropped.every((row) => Object.entries(blank).every(([column, value]) => row[column] === value)),
    ).toBe(true);
    expect(dropped.map(({ reason }) => reason).sort()).toEqual([
      ...Array(4).fill('duplicate'),
      ...Array(4).fill('known_content'),
      ...Array(3).fill('known_url'),
      'text_short',
      'url_scheme',
    ]);
    // What is neither packed nor one of the run's own lists of pairs: as it lies there.
    for (const path of Object.keys(await treeOf(out('good'))))
      if (!/\.parquet$|^keys\/|\.jsonl$/.test(path))
        expect(mentions(await readFile(join(out('good'), path), 'latin1')), path).toEqual([]);
  });

  it('is verified, and a report that lacks one is noticed', async () => {
    expect((await verifyRun(storage('good'))).problems).toEqual([]);
    await cp(out('good'), out('less'), { recursive: true });
    const path = (await storage('less').list('harvest')).find((p) => p.endsWith('known-content.jsonl')) ?? '';
    await writeFile(join(out('less'), path), '');
    expect((await verifyRun(storage('less'))).problems).toEqual([expect.stringContaining(path)]);
  });

  it('is retried without asking for it again, to what one good run gives', async () => {
    expect((await runLedgers(storage('bad'))).fetched.dropped).toEqual({ known_content: 4, http_status: 2 });
    const asked = origin.requests();
    await retryRunLocally({ dir: out('bad'), reasons: ['http_status'], workers: 1 });
    expect(origin.requests() - asked).toBe(2);
    expect(await treeOf(join(out('bad'), 'release'))).toEqual(await treeOf(join(out('good'), 'release')));
    expect(await reports('bad')).toEqual(await reports('good'));
    expect((await verifyRun(storage('bad'))).problems).toEqual([]);
    await expect(retryRunLocally({ dir: out('bad'), reasons: ['known_content'] })).rejects.toThrow(
      /nothing that fetching again could change/,
    );
  }, 60_000);

  it('is not explained by its URL', async () => {
    for (const name of [listed.md5?.url ?? '', pairUid(listed.md5?.url ?? '', listed.md5?.alt ?? '')])
      expect((await gleaner(['explain', out('good'), name])).stdout).toMatch(/no pair of this run has it/);
  });

  it('is another run with another list', async () => {
    await cp(out('good'), out('edited'), { recursive: true });
    const before = await readFile(join(folder, 'md5.txt'));
    await writeFile(join(folder, 'md5.txt'), digest('md5', 'other'));
    await expect(runLocally({ ...options, out: out('edited') })).rejects.toMatchObject({
      code: 'RUN_MISMATCH',
    });
    await writeFile(join(folder, 'md5.txt'), before);
  });
});
