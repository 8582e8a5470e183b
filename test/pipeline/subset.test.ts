import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type RunLocallyOptions,
  retryRunLocally,
  runLocally,
  type SubsetOptions,
  splitRun,
  subsetRun,
} from '../../src/executors/index.ts';
import { runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { GleanerError } from '../../src/schema/index.ts';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl } from '../support/crawl.ts';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { type ReadPair, readRelease, readTable } from '../support/read-release.ts';
import { treeOf } from '../support/tree.ts';

/** GLEANER_KILLS=20 for more of them. */
const KILLS = Number(process.env.GLEANER_KILLS ?? 4);

describe('a subset', () => {
  let folder: string;
  let options: Omit<RunLocallyOptions, 'out'>;
  let parent: string;
  let pairs: readonly ReadPair[];
  const at = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-subset-'));
    const crawl = await makeSmallCrawl(at('crawl'), { wats: 2, pagesPerWat: 12 });
    options = {
      recipe: 'everything',
      overrides: { release: { parts: 3 }, score: { minSimilarity: 0.05 } },
      wats: crawl.wats,
      imagesFrom: [crawl.archive],
      workers: 1,
    };
    parent = at('parent');
    await runLocally({ ...options, out: parent });
    pairs = await readRelease(parent);
  }, 120_000);

  async function subset(
    name: string,
    given: Omit<SubsetOptions, 'dir' | 'out'>,
    dir = parent,
  ): Promise<string> {
    await subsetRun({ dir, out: at(name), workers: 1, ...given });
    return at(name);
  }

  const verified = async (dir: string) => (await verifyRun(fileStorage(dir))).problems;
  const uidsOf = (some: readonly ReadPair[]) => some.map(({ row }) => String(row.uid));
  const dataOf = async (dir: string) =>
    Promise.all(
      ['metadata', 'img_emb', 'text_emb', 'images'].map((name) => treeOf(join(dir, 'release', name))),
    );

  it('has the pairs that fulfil its condition, in their order, with all that belongs to them', async () => {
    const dir = await subset('wide', { where: "WIDTH >= 200 AND similarity > 0.2 AND TEXT LIKE '%circle%'" });
    const expected = pairs.filter(
      ({ row }) =>
        Number(row.WIDTH) >= 200 && Number(row.similarity) > 0.2 && String(row.TEXT).includes('circle'),
    );
    expect(expected.length).toBeGreaterThan(5);
    expect(expected.length).toBeLessThan(pairs.length / 2);
    const got = await readRelease(dir);
    // Its place is all that a pair has anew.
    const placed = expected.map(({ row, image, text, sample }, i) => {
      const key = String(i).padStart(12, '0');
      const json = { ...(sample.json as object), key, sample_id: i };
      return { row: { ...row, SAMPLE_ID: BigInt(i), key }, image, text, sample: { ...sample, key, json } };
    });
    expect(got).toEqual(placed);
    expect(await verified(dir)).toEqual([]);
  });

  it('accounts for every pair: its trail is that of the parent, and what it left out', async () => {
    const where = 'WIDTH >= 200';
    const dir = await subset('trail', { where });
    const trail = join(dir, 'release', 'dropped');
    const inherited = await treeOf(join(parent, 'release', 'dropped'));
    expect(await treeOf(trail)).toMatchObject(inherited);
    const rows: Record<string, unknown>[] = [];
    for (const name of (await readdir(trail)).filter((name) => !(name in inherited)).sort())
      rows.push(...(await readTable(join(trail, name))));
    const left = pairs.filter(({ row }) => Number(row.WIDTH) < 200);
    expect(left.length).toBeGreaterThan(5);
    expect(rows).toEqual(
      left.map(({ row }) => ({
        ...{ uid: row.uid, url: row.URL, text: row.TEXT, page_url: row.page_url, wat: row.wat },
        ...{ license: row.LICENSE, language: row.language, language_confidence: row.language_confidence },
        ...{ reason: 'not_in_subset', detail: '--where "WIDTH >= 200"', similarity: row.similarity },
      })),
    );
    const before = await runLedgers(fileStorage(parent));
    expect(await runLedgers(fileStorage(dir))).toEqual({
      ...before,
      selected: {
        in: pairs.length,
        out: pairs.length - left.length,
        dropped: { not_in_subset: left.length },
      },
    });
  });

  it('of a subset is a subset by both conditions', { timeout: 120_000 }, async () => {
    const condition = fc.constantFrom(
      ...['WIDTH >= 160', 'WIDTH < 240', 'similarity > 0.25', "TEXT LIKE '%star%' OR WIDTH = 120"],
      ...["page_url NOT LIKE '%site1%'", "NOT contains(TEXT, 'blue')", 'WIDTH > 100000'],
    );
    let n = 0;
    await fc.assert(
      fc.asyncProperty(condition, condition, async (a, b) => {
        const round = `property-${n++}`;
        const attempt = async (name: string, where: string, dir = parent) =>
          subset(`${round}-${name}`, { where }, dir).catch((error: unknown) => {
            expect(error).toMatchObject({ code: 'SUBSET_EMPTY' });
            return undefined;
          });
        const whole = await attempt('whole', `(${a}) AND (${b})`);
        const first = await attempt('first', a);
        const second = first && (await attempt('second', b, first));
        expect(second === undefined).toBe(whole === undefined);
        if (!whole || !second) return;
        expect(await dataOf(second)).toEqual(await dataOf(whole));
        expect(await verified(second)).toEqual([]);
      }),
      { numRuns: 5, examples: [['WIDTH >= 160', "TEXT LIKE '%star%' OR WIDTH = 120"]] },
    );
  });

  it('by lot has exactly as many, the same whatever the parts of the release', {
    timeout: 120_000,
  }, async () => {
    const other = at('other parts');
    await runLocally({
      ...options,
      overrides: { ...options.overrides, release: { parts: 7 } },
      out: other,
    });
    const drawn = (seed: number, size: number, from = pairs) => {
      const draw = (uid: string) => createHash('sha256').update(`${seed}\0${uid}`).digest('hex');
      const chosen = new Set(
        uidsOf(from)
          .sort((a, b) => (draw(a) < draw(b) ? -1 : 1))
          .slice(0, size),
      );
      return uidsOf(from).filter((uid) => chosen.has(uid));
    };
    const took = async (dir: string) => uidsOf(await readRelease(dir));
    const ten = await took(await subset('ten', { sample: 10, seed: 4 }));
    expect(ten).toHaveLength(10);
    expect(ten).toEqual(drawn(4, 10));
    expect(await took(await subset('ten of others', { sample: 10, seed: 4 }, other))).toEqual(ten);
    const more = await took(await subset('more', { sample: 25, seed: 4 }));
    expect(more).toEqual(expect.arrayContaining(ten));
    expect(await took(await subset('another seed', { sample: 10, seed: 5 }))).not.toEqual(ten);
    const wide = pairs.filter(({ row }) => Number(row.WIDTH) >= 200);
    const both = await subset('both', { where: 'WIDTH >= 200', sample: 7, seed: 1 });
    expect(await took(both)).toEqual(drawn(1, 7, wide));
    expect(await verified(both)).toEqual([]);
    expect(await took(await subset('all', { sample: pairs.length }))).toEqual(uidsOf(pairs));
  });

  it('works with every command', { timeout: 120_000 }, async () => {
    const dir = at('commands');
    const made = await gleaner(['subset', parent, '--where', 'WIDTH >= 160', '--out', dir, '--workers', '1']);
    expect(made).toMatchObject({ code: 0 });
    const kept = pairs.filter(({ row }) => Number(row.WIDTH) >= 160);
    expect(made.stdout).toMatch(new RegExp(`left out of the subset +${pairs.length - kept.length} `));
    expect(
      made.stdout.split('\n').filter((line) => line.length > 80 && !line.startsWith('Released')),
    ).toEqual([]);
    expect(made.stderr).not.toMatch(/harvest/);
    expect((await gleaner(['verify', dir])).stdout).toMatch(`${kept.length} rows: all is well`);
    expect(JSON.parse((await gleaner(['stats', dir, '--json'])).stdout)).toMatchObject({
      rows: kept.length,
      subset: [{ rows: pairs.length, where: 'WIDTH >= 160', sample: null }],
    });
    const left = pairs.find(({ row }) => Number(row.WIDTH) < 160);
    expect((await gleaner(['explain', dir, String(left?.row.uid)])).stdout).toMatch(
      /^dropped +not_in_subset: left out of the subset \(--where "WIDTH >= 160"\)$/m,
    );
    expect((await gleaner(['explain', dir, String(kept[3]?.row.uid)])).stdout).toMatch(/^kept +SAMPLE_ID 3,/);
    const card = await readFile(join(dir, 'release', 'README.md'), 'utf8');
    expect(card).toContain(`Subset: of the ${pairs.length} pairs of another release`);
    const again = at('commands again');
    expect(await gleaner(['subset', dir, '--sample', '5', '--out', again])).toMatchObject({ code: 0 });
    expect((await gleaner(['verify', again])).stdout).toMatch('5 rows: all is well');

    expect(await gleaner(['index', dir])).toMatchObject({ code: 0 });
    const server = startGleaner(['serve', dir, '--port', '0', '--json']);
    if (!server.stdout) throw new Error('no output');
    const [line] = (await once(createInterface(server.stdout), 'line')) as [string];
    const { url, rows } = JSON.parse(line);
    expect(rows).toBe(kept.length);
    const body = JSON.stringify({
      text: 'a red circle',
      modality: 'image',
      num_images: 3,
      indice_name: 'commands',
    });
    const answer = await fetch(new URL('/knn-service', url), { method: 'POST', body });
    expect(await answer.json()).toHaveLength(3);
    server.kill('SIGINT');
    await once(server, 'exit');
  });

  it('names its parent by what sha256sum says of it', async () => {
    const dir = await subset('named', { sample: 3 });
    const lines: string[] = [];
    const root = join(parent, 'release');
    for (const [path, sha256] of Object.entries(await treeOf(root)))
      if (path.includes('/')) lines.push(`${sha256}  release/${path}\n`);
    const stats = JSON.parse(await readFile(join(dir, 'release', 'stats.json'), 'utf8'));
    expect(stats.subset[0].release).toBe(createHash('sha256').update(lines.join('')).digest('hex'));
  });

  it('of a release of which pairs were taken down accounts for them without a name', async () => {
    const gone = pairs[4]?.row ?? {};
    const dir = at('taken down');
    await cp(parent, dir, { recursive: true });
    const reason = ['--reason', 'asked for by its owner'];
    expect(await gleaner(['remove', dir, '--uid', String(gone.uid), ...reason])).toMatchObject({ code: 0 });

    const out = await subset('after', { where: 'WIDTH >= 160' }, dir);
    expect(await verified(out)).toEqual([]);
    const taken = pairs.filter(({ row }) => row !== gone && Number(row.WIDTH) >= 160);
    expect(uidsOf(await readRelease(out))).toEqual(uidsOf(taken));
    expect((await runLedgers(fileStorage(out))).selected).toMatchObject({
      in: pairs.length,
      out: taken.length,
    });
    expect(await readFile(join(out, 'removed.jsonl'), 'utf8')).toBe(
      await readFile(join(dir, 'removed.jsonl'), 'utf8'),
    );
    expect(await gleaner(['remove', out, '--uid', String(taken[0]?.row.uid), ...reason])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^gleaner: .*after is a subset\. Take it down from .*taken down, of which/,
      ),
    });
    const trail = (await readdir(join(out, 'release', 'dropped'))).filter((name) =>
      name.startsWith('select_'),
    );
    const tables = await Promise.all(trail.map((name) => readTable(join(out, 'release', 'dropped', name))));
    const unnamed = tables.flat().filter(({ uid }) => uid === '');
    expect(unnamed).toEqual([
      expect.objectContaining({ url: '', text: '', reason: 'not_in_subset', detail: 'taken down before' }),
    ]);
    expect(tables.flat().map(({ url }) => url)).not.toContain(gone.URL);
  });

  it(`killed at ${KILLS} random moments, ends the same`, { timeout: 60_000 + KILLS * 20_000 }, async () => {
    const args = (name: string) => [
      'subset',
      parent,
      '--where',
      'WIDTH >= 160',
      '--sample',
      '30',
      '--out',
      at(name),
      '--workers',
      '2',
    ];
    const began = performance.now();
    expect(await gleaner(args('undisturbed'))).toMatchObject({ code: 0 });
    const took = performance.now() - began;
    const moments: number[] = [];
    for (let i = 0; i < KILLS; i++) {
      const run = startGleaner(args('killed'));
      const moment = took * (0.3 + 0.65 * Math.random());
      moments.push(Math.round(moment));
      const timer = setTimeout(() => run.kill(i % 2 === 0 ? 'SIGKILL' : 'SIGINT'), moment);
      await once(run, 'exit');
      clearTimeout(timer);
    }
    const context = `killed after ${moments.join(', ')} ms of ${Math.round(took)}`;
    expect(await gleaner(args('killed')), context).toMatchObject({ code: 0 });
    for (const name of ['release', 'selected', 'dropped'])
      expect(await treeOf(join(at('killed'), name)), context).toEqual(
        await treeOf(join(at('undisturbed'), name)),
      );
    expect(await verified(at('killed')), context).toEqual([]);
  });

  it('finds all done when it is made again', async () => {
    const dir = await subset('again', { where: 'WIDTH >= 160' });
    const before = await treeOf(dir);
    await subset('again', { where: 'WIDTH >= 160' });
    expect(await treeOf(dir)).toEqual(before);
  });

  it('has the pairs of a split, which share neither URL, bytes, picture nor caption with those of another', async () => {
    const shares = 'train=0.7,test=0.3';
    const summary = await splitRun({ dir: parent, shares, seed: 3, distance: 0 });
    const table = await readTable(join(parent, 'split', 'split.parquet'));
    expect(table.map(({ uid, key }) => [uid, key])).toEqual(pairs.map(({ row }) => [row.uid, row.key]));
    const keysOf = (name: string) => {
      const ids = new Set(table.filter(({ split }) => split === name).map(({ SAMPLE_ID }) => SAMPLE_ID));
      const rows = pairs.map(({ row }) => row).filter(({ SAMPLE_ID }) => ids.has(SAMPLE_ID));
      return new Set(
        rows.flatMap((row) => [row.URL, row.sha256, row.phash, String(row.TEXT).toLowerCase()].map(String)),
      );
    };
    expect(keysOf('train').intersection(keysOf('test'))).toEqual(new Set());
    expect(JSON.parse(await readFile(join(parent, 'split', 'split.json'), 'utf8'))).toEqual(summary);
    const dirs = [await subset('train', { split: 'train' }), await subset('test', { split: 'test' })];
    const uids = await Promise.all(dirs.map(async (dir) => uidsOf(await readRelease(dir))));
    expect(uids.map(({ length }) => length)).toEqual([summary.splits.train?.rows, summary.splits.test?.rows]);
    expect(uids.flat().toSorted()).toEqual(uidsOf(pairs).toSorted());
    for (const dir of dirs) expect(await verified(dir)).toEqual([]);
    await expect(subset('train', { split: 'test' })).rejects.toThrow(/another split \(--split\)/);
    await rm(join(parent, 'split'), { recursive: true });
  });

  describe('is refused in one line, and nothing is written', () => {
    const refused = async (given: Partial<SubsetOptions>, exitCode: number, line: RegExp) => {
      const before = await readdir(folder);
      const failed = await subsetRun({ dir: parent, out: at('refused'), workers: 1, ...given }).catch(
        (error: unknown) => error,
      );
      expect(failed).toBeInstanceOf(GleanerError);
      expect(failed).toMatchObject({ exitCode, message: expect.stringMatching(line) });
      expect(String(failed)).not.toContain('\n');
      expect(await readdir(folder)).toEqual(before);
    };

    it('on the command line too', async () => {
      const args = ['subset', parent, '--where', 'WIDHT > 5', '--out', at('refused')];
      const failed = await gleaner(args);
      expect(failed).toMatchObject({ code: 2, stdout: '' });
      expect(failed.stderr).toMatch(/^gleaner: --where, character 1: there is no column 'WIDHT'\. .*\n$/);
      const none = await gleaner(['subset', parent, '--sample', '0', '--out', at('refused')]);
      expect(none).toMatchObject({ code: 2, stderr: expect.stringMatching(/whole number of at least 1/) });
    });

    it('where the condition is none, or no pair fulfils it', async () => {
      await refused({ where: 'WIDTH > 5; DELETE FROM x' }, 2, /--where, character 10: .*no second statement/);
      await refused({ where: 'WIDTH' }, 2, /it is a number, not true or false/);
      await refused(
        { where: 'WIDTH > 100000' },
        1,
        /parent: no pair fulfils the condition\. Nothing was written/,
      );
    });

    it('where there are not as many to draw', async () => {
      const line = new RegExp(
        `${pairs.length + 1} pairs are to be drawn, but there are only ${pairs.length}`,
      );
      await refused({ sample: pairs.length + 1 }, 1, line);
      const where = 'WIDTH > 100000';
      await refused({ where, sample: 2 }, 1, /2 pairs are to be drawn, but the condition leaves only 0/);
    });

    it('where the split is none, or would be empty', async () => {
      await refused({ split: 'train' }, 1, /holds no finished split\. Make one with 'gleaner split'/);
      await expect(splitRun({ dir: parent, shares: 'train=0.9999,test=0.0001' })).rejects.toMatchObject({
        exitCode: 1,
        message: expect.stringMatching(
          /parent: split 'test' is empty: \d+ rows are \d+ groups; give it a larger share/,
        ),
      });
      expect(await readdir(parent)).not.toContain('split');
    });

    it('where options are missing, or do not go together', async () => {
      await refused({}, 2, /give '--where <condition>', '--sample <n>', '--split <name>', or several/);
      await refused({ where: 'TRUE', seed: 1 }, 2, /'--seed' goes with '--sample'/);
    });

    it('where there is no release, or the folder is not its own', async () => {
      const where = 'TRUE';
      await refused({ where, dir: at('crawl') }, 1, /crawl: holds no finished release/);
      await refused({ where, out: join(parent, 'x') }, 2, /is inside .*parent\. Name a folder beside it/);
      await refused({ where, out: parent }, 2, /is the release itself/);
      await refused({ where, out: folder }, 2, /is inside it, or around/);
      await refused({ where, out: at('crawl') }, 2, /crawl: holds something else \(crawl-0/);
    });

    it('where the folder holds another subset, or a run', async () => {
      const dir = await subset('held', { where: 'WIDTH >= 160' });
      const before = await treeOf(dir);
      await refused({ where: 'WIDTH >= 161', out: dir }, 1, /another condition \(--where\)/);
      await refused({ dir, where: 'TRUE', out: parent }, 1, /another parent release/);
      const run = { ...options, out: dir };
      await expect(runLocally(run)).rejects.toMatchObject({
        code: 'RUN_MISMATCH',
        message: expect.stringMatching(/parent release/),
      });
      await expect(retryRunLocally({ dir, reasons: ['timeout'] })).rejects.toThrow(
        /It is a subset of .*parent: retry that, and make the subset again/,
      );
      expect(await treeOf(dir)).toEqual(before);
    });

    it('where a file of the release is missing, or does not fit', async () => {
      const broken = await subset('broken', { where: 'WIDTH >= 100' });
      const image = join(broken, 'release', 'images', '00001.tar');
      const whole = await readFile(image);
      await writeFile(image, whole.subarray(0, whole.length - 512));
      const where = 'TRUE';
      await refused({ dir: broken, where }, 1, /images\/00001\.tar: is missing or has another size/);
      // Of the right size, with another sample in the place of the first.
      const moved = Buffer.from(whole);
      moved.write('x', 0);
      await writeFile(image, moved);
      const halted = subsetRun({ dir: broken, out: at('halted'), where, workers: 1 });
      await expect(halted).rejects.toThrow(
        /images\/00001\.tar: sample 0 is x0+\d+, where its metadata has 0/,
      );
      // It goes on when what was broken is mended.
      await writeFile(image, whole);
      expect(await verified(await subset('halted', { where }, broken))).toEqual([]);
    });
  });
});
