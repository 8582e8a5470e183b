import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  indexRun,
  type RunLocallyOptions,
  removeLocally,
  retryRunLocally,
  runLocally,
} from '../../src/executors/index.ts';
import { gzipMember } from '../../src/formats/index.ts';
import { explainRemoved, runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { readStatistics } from '../../src/stages/report/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { filesWith, type ReleasedPair, releasedPairs } from '../support/contents.ts';
import { makeSmallCrawl, watRecord } from '../support/crawl.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';

/** GLEANER_KILLS=20 for more of them. */
const KILLS = Number(process.env.GLEANER_KILLS ?? 4);

describe('takedown', () => {
  let folder: string;
  let options: Omit<RunLocallyOptions, 'out'>;
  /** What the run has released before anything is taken down. */
  let base: ReleasedPair[];
  const out = (name: string) => join(folder, name);
  const storage = (name: string) => fileStorage(out(name));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-remove-'));
    const imageHost = (n: number) => (n % 5 === 2 ? 'cdn.owner.example' : 'img.example');
    const crawl = await makeSmallCrawl(out('crawl'), { wats: 2, pagesPerWat: 8, imageHost, ending: '.' });
    options = {
      recipe: 'everything',
      overrides: { harvest: { pairsPerTask: 16 }, release: { parts: 4 } },
      wats: crawl.wats,
      imagesFrom: [crawl.archive],
      workers: 1,
    };
    await runLocally({ ...options, out: out('base') });
    await indexRun(out('base'));
    base = await releasedPairs(out('base'));
  }, 120_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function copy(name: string): Promise<string> {
    await cp(out('base'), out(name), { recursive: true });
    return out(name);
  }
  const pair = (n: number): ReleasedPair => {
    const one = base[n];
    if (!one) throw new Error(`the release has no row ${n}`);
    return one;
  };
  /** Of vectors the half-precision ones, as release and index have them. */
  const contentOf = ({ row, jpeg, imageEmbedding, textEmbedding }: ReleasedPair) => [
    row.URL,
    row.TEXT,
    jpeg,
    ...[imageEmbedding, textEmbedding].map((values) => new Uint8Array(Float16Array.from(values).buffer)),
  ];
  /** What may be found nowhere any more: what is of none of those that stay, as the same picture at another URL is. */
  const contentOfAlone = (gone: readonly ReleasedPair[]) => {
    const others = base.filter((one) => !gone.includes(one)).flatMap(contentOf);
    const all = gone.flatMap(contentOf);
    const alone = all.filter((needle) => !others.some((other) => Buffer.from(other).includes(needle)));
    expect(alone.length).toBeGreaterThanOrEqual(all.length / 5);
    return alone;
  };

  it('is of a run that has what it is about', async () => {
    expect(base.length).toBeGreaterThan(40);
    expect(base.filter(({ row }) => row.URL.includes('//cdn.owner.example/')).length).toBeGreaterThan(5);
    // The content is found where it is, else nothing would be proved below.
    const found = Object.keys(await filesWith(out('base'), contentOf(pair(7)))).join(' ');
    for (const place of [
      'pairs/',
      'unique/',
      'rows.parquet',
      'images.tar',
      'release/metadata',
      'index/metadata',
    ])
      expect(found).toContain(place);
  });

  const ways: [string, (n: ReleasedPair) => string[], (one: ReleasedPair, given: ReleasedPair) => boolean][] =
    [
      ['--url', ({ row }) => ['--url', `${row.URL}#part`], (one, given) => one.row.URL === given.row.URL],
      ['--uid', ({ row }) => ['--uid', row.uid], (one, given) => one.row.uid === given.row.uid],
      [
        '--sha256',
        ({ row }) => ['--sha256', String(row.sha256)],
        (one, given) => one.row.sha256 === given.row.sha256,
      ],
      [
        '--domain of images',
        () => ['--domain', 'Owner.example'],
        (one) => one.row.URL.startsWith('http://cdn.owner.example/'),
      ],
      [
        '--domain of pages',
        () => ['--domain', 'site1.example'],
        (one) => String(one.row.page_url).startsWith('http://site1.example/'),
      ],
    ];
  it.each(ways)(
    'by %s: nothing of it is left, and all others are as they were',
    async (way, args, goes) => {
      const given = pair(7);
      const gone = base.filter((one) => goes(one, given));
      expect(gone.length).toBeGreaterThan(0);
      const dir = await copy(`by ${way}`);
      const { code, stdout, stderr } = await gleaner([
        'remove',
        dir,
        ...args(given),
        '--reason',
        'asked for',
      ]);
      expect([code, stderr.includes(' at ')]).toEqual([0, false]);
      expect(stdout).toMatch(
        new RegExp(`^\\d+ pairs? taken down, ${gone.length} of the release, by 1 entry$`, 'm'),
      );
      for (const { row } of gone) expect(`${stdout}${stderr}`).not.toContain(row.URL);

      expect(await releasedPairs(dir)).toEqual(base.filter((one) => !gone.includes(one)));
      expect(await filesWith(dir, contentOfAlone(gone))).toEqual({});
      const verified = await verifyRun(fileStorage(dir));
      expect(verified).toMatchObject({ problems: [], rows: base.length - gone.length, removed: gone.length });
      expect(await readStatistics(fileStorage(dir))).toMatchObject({
        rows: base.length - gone.length,
        removed: gone.length,
      });
      expect(await readFile(join(dir, 'release/README.md'), 'utf8')).toContain('taken down since');
      expect(await explainRemoved(fileStorage(dir), given.row.uid)).toMatchObject({
        pairs: gone.includes(given) ? [{ uid: given.row.uid, reason: 'asked for' }] : [],
      });

      // The command that began the run finds all done.
      const before = await treeOf(dir);
      await runLocally({ ...options, out: dir });
      expect(await treeOf(dir)).toEqual(before);
    },
    120_000,
  );

  it('has nothing to do the second time', async () => {
    const dir = await copy('twice');
    const { uid: hash } = pair(4).row;
    await removeLocally({ dir, takedowns: [{ kind: 'uid', hash }], reason: 'x' });
    const before = await treeOf(dir);
    expect(await gleaner(['remove', dir, '--uid', hash, '--reason', 'again'])).toMatchObject({
      code: 0,
      stdout: 'Nothing that was not taken down before.\n',
    });
    expect(await treeOf(dir)).toEqual(before);
  }, 60_000);

  it('only says what would go, when asked to', async () => {
    const before = await treeOf(out('base'));
    const args = ['remove', out('base'), '--domain', 'owner.example', '--reason', 'x', '--dry-run', '--json'];
    const { stdout } = await gleaner(args);
    const expected = base.filter(({ row }) => row.URL.includes('owner.example'));
    expect(JSON.parse(stdout)).toMatchObject({ dryRun: true, kept: expected.length });
    expect(await treeOf(out('base'))).toEqual(before);
  });

  it('stays when the release is made anew, and when what was dropped is retried', async () => {
    const dir = await copy('anew');
    const missing = await droppedUrl(dir);
    const list = join(folder, 'queue.jsonl');
    await writeFile(list, `{"url":${JSON.stringify(missing)},"mail":"a@b.example"}\n${pair(3).row.URL}\n`);
    await removeLocally({ dir, takedowns: [], reason: '' });
    expect((await gleaner(['remove', dir, '--list', list, '--reason', 'reports'])).code).toBe(0);
    const expected = base.filter((one) => one !== pair(3));
    expect(await filesWith(dir, [missing, ...contentOfAlone([pair(3)])])).toEqual({});

    const released = await treeOf(join(dir, 'release'));
    await rm(join(dir, 'release'), { recursive: true });
    await runLocally({ ...options, out: dir });
    expect(await treeOf(join(dir, 'release'))).toEqual(released);

    await retryRunLocally({ dir, reasons: ['not_archived'], workers: 1 });
    expect((await runLedgers(fileStorage(dir))).fetched.dropped.removed).toBe(1);
    expect(await releasedPairs(dir)).toEqual(expected);
    expect((await verifyRun(fileStorage(dir))).problems).toEqual([]);
    expect(await filesWith(dir, [missing, ...contentOfAlone([pair(3)])])).toEqual({});
  }, 120_000);

  /** The URL of a pair that the archive lacks. */
  async function droppedUrl(dir: string): Promise<string> {
    const { stdout } = await gleaner(['explain', dir, 'http://img.example/9.png', '--json']);
    const [fate] = JSON.parse(stdout) as { reason: string; row: { url: string } }[];
    expect(fate?.reason).toBe('not_archived');
    return fate?.row.url ?? '';
  }

  it('is honoured while a harvest is not done', async () => {
    const dir = await copy('half');
    await rm(join(dir, 'release'), { recursive: true });
    for (const stage of ['release', 'trail', 'report']) await fileStorage(dir).remove(`tasks/${stage}`);
    await fileStorage(dir).remove('tasks/harvest/00000.json');
    const { row } = pair(1);
    await removeLocally({ dir, takedowns: [{ kind: 'uid', hash: row.uid }], reason: 'x' });
    await runLocally({ ...options, out: dir });
    expect((await runLedgers(fileStorage(dir))).fetched.dropped.removed).toBe(1);
    const kept = (await releasedPairs(dir)).map((one) => one.row.uid);
    expect(kept).toEqual(base.map((one) => one.row.uid).filter((uid) => uid !== row.uid));
    expect((await verifyRun(fileStorage(dir))).problems).toEqual([]);
    expect(await filesWith(dir, contentOfAlone([pair(1)]))).toEqual({});
  }, 60_000);

  it('is honoured by later runs that are told of it', async () => {
    const dir = await copy('earlier');
    const [byUrl, bySha, byDomain] = [pair(3), pair(5), 'owner.example'];
    const args = ['--url', byUrl.row.URL, '--sha256', String(bySha.row.sha256), '--domain', byDomain];
    expect((await gleaner(['remove', dir, ...args, '--reason', 'x'])).code).toBe(0);
    // The same pictures with other texts, on another page, and with their old ones.
    const wat = join(folder, 'later.warc.wat.gz');
    const urls = base.map(({ row }) => row.URL);
    const links = [...new Set(urls)].map((url, n) => ({ url, alt: `Something else, number ${n}` }));
    const same = base.map(({ row }) => ({ url: row.URL, alt: row.TEXT }));
    await writeFile(
      wat,
      Buffer.concat([
        gzipMember(watRecord('http://later.example/', links)),
        gzipMember(watRecord('http://later.example/same', same)),
      ]),
    );
    const same256 = base.filter(({ row }) => row.sha256 === bySha.row.sha256).map(({ row }) => row.URL);
    const stays = ({ url }: { url: string }) =>
      url !== byUrl.row.URL && !same256.includes(url) && !url.includes(byDomain);
    const later = { ...options, wats: [wat] };
    await runLocally({ ...later, seen: [dir], out: out('later') });
    await runLocally({ ...later, tombstones: [join(dir, 'removed.jsonl')], out: out('told') });
    const expected = links.filter(stays).map(({ alt }) => alt);
    const texts = (pairs: readonly ReleasedPair[]) => pairs.map(({ row }) => row.TEXT).sort();
    expect(texts(await releasedPairs(out('later')))).toEqual(expected.sort());
    expect(texts(await releasedPairs(out('told')))).toEqual(
      [...expected, ...same.filter(stays).map(({ alt }) => alt)].sort(),
    );
    for (const name of ['later', 'told']) {
      const { fetched } = await runLedgers(storage(name));
      expect(fetched.dropped.removed).toBe((name === 'later' ? 1 : 2) * (links.length - expected.length));
      expect((await verifyRun(storage(name))).problems).toEqual([]);
      // What is published names none of it, in no trail either.
      expect(await filesWith(join(out(name), 'release'), [byUrl.row.URL, bySha.row.URL, byDomain])).toEqual(
        {},
      );
    }
  }, 120_000);

  it(`killed at ${KILLS} random moments, ends the same`, { timeout: 120_000 + KILLS * 30_000 }, async () => {
    const args = (dir: string) => [
      ...['remove', dir, '--domain', 'owner.example', '--url', pair(3).row.URL],
      ...['--reason', 'x', '--workers', '1'],
    ];
    const undisturbed = await copy('undisturbed');
    const began = performance.now();
    expect(await gleaner(args(undisturbed))).toMatchObject({ code: 0 });
    const took = performance.now() - began;
    const dir = await copy('killed');
    const moments: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const run = startGleaner(args(dir));
      const moment = took * (0.2 + 0.75 * Math.random());
      moments.push(Math.round(moment));
      const timer = setTimeout(() => run.kill('SIGKILL'), moment);
      await once(run, 'exit');
      clearTimeout(timer);
    }
    const context = `killed after ${moments.join(', ')} ms of ${Math.round(took)}`;
    expect(await gleaner(args(dir)), context).toMatchObject({ code: 0 });
    expect(await stateOf(dir), context).toEqual(await stateOf(undisturbed));
    const tombstonesOf = async (of: string) =>
      (await readFile(join(of, 'removed.jsonl'), 'utf8')).replaceAll(/"at":"[^"]*"/g, '');
    expect(await tombstonesOf(dir), context).toEqual(await tombstonesOf(undisturbed));
    expect((await verifyRun(fileStorage(dir))).problems, context).toEqual([]);
  });

  /** All files but those that hold times. */
  async function stateOf(dir: string): Promise<Record<string, string>> {
    const tree = Object.entries(await treeOf(dir));
    return Object.fromEntries(tree.filter(([path]) => !/^tasks\/|^removed\.jsonl$/.test(path)));
  }

  it('stopped before its end is noticed by verify, and ended by the run itself', async () => {
    const dir = await copy('stopped');
    const stopped = { dir, takedowns: [{ kind: 'uid' as const, hash: pair(2).row.uid }], reason: 'x' };
    // Where a folder stands no file can be put: the tombstones are there, and nothing else yet.
    await rm(join(dir, 'index/removed.json'));
    await mkdir(join(dir, 'index/removed.json'));
    await writeFile(join(dir, 'index/removed.json/x'), '');
    await expect(removeLocally(stopped)).rejects.toThrow();
    await rm(join(dir, 'index/removed.json'), { recursive: true });
    const { problems } = await verifyRun(fileStorage(dir));
    expect(problems).toEqual([
      expect.stringMatching(/takedown was stopped before its end: give 'gleaner remove'/),
    ]);
    await runLocally({ ...options, out: dir });
    expect(await verifyRun(fileStorage(dir))).toMatchObject({ problems: [], removed: 1 });
    expect(await filesWith(dir, contentOfAlone([pair(2)]))).toEqual({});
  }, 60_000);

  it('waits for a release that was begun and is not whole', async () => {
    const dir = await copy('begun');
    await mkdir(join(dir, 'release.new', 'metadata'), { recursive: true });
    await writeFile(join(dir, 'release.new', 'metadata', 'metadata_0.parquet'), 'begun');
    const { code, stderr } = await gleaner(['remove', dir, '--url', pair(3).row.URL, '--reason', 'x']);
    expect([code, stderr]).toEqual([
      1,
      `gleaner: ${dir}: a release was begun and is not whole. Go on with 'gleaner run' as it was begun, then give this again.\n`,
    ]);
    expect(existsSync(join(dir, 'removed.jsonl'))).toBe(false);
  });

  it('refuses what cannot be, in one line that repeats nothing of it', async () => {
    const refused = async (...args: string[]) => {
      const { code, stderr } = await gleaner(['remove', ...args]);
      expect(stderr.split('\n')).toHaveLength(2);
      return [code, stderr];
    };
    const url = pair(0).row.URL;
    expect(await refused(out('base'), '--url', url)).toEqual([2, expect.stringMatching(/give '--reason/)]);
    expect(await refused(out('base'), '--url', 'private words', '--reason', 'x')).toEqual([
      2,
      expect.stringMatching(/^(?!.*private words).*--url: this is none\. Give an http or https URL\./s),
    ]);
    expect(await refused(folder, '--url', url, '--reason', 'x')).toEqual([
      1,
      expect.stringMatching(/holds no finished run/),
    ]);
  });
});
