import { cp, mkdir, mkdtemp, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { fileStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';
import { treeOf } from '../support/tree.ts';

/** One line on standard error, and no stack trace. */
const oneLine = (text: RegExp) =>
  expect.stringMatching(new RegExp(`^gleaner: [^\\n]*${text.source}[^\\n]*\\n$`));

describe('--seen', () => {
  let folder: string;
  /** The first two WAT files of June are those of May: the crawl is made the same way each time. */
  let may: SmallCrawl;
  let june: SmallCrawl;
  let recipe: string;

  const inFolder = (...names: string[]) => join(folder, ...names);
  const run = (crawl: SmallCrawl, out: string, ...more: string[]) =>
    gleaner([
      'run',
      ...['--recipe', recipe, '--workers', '2', '--wat', ...crawl.wats],
      ...['--images-from', june.archive, '--out', inFolder(out), ...more],
    ]);
  const dedup = (out: string, ...more: string[]) =>
    gleaner(['dedup', '--pairs', inFolder('pairs'), '--out', inFolder(out), '--json', ...more]);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-seen-cli-'));
    may = await makeSmallCrawl(inFolder('crawl-may'), { wats: 2, pagesPerWat: 4 });
    june = await makeSmallCrawl(inFolder('crawl-june'), { wats: 3, pagesPerWat: 4 });
    recipe = inFolder('everything.yaml');
    // Several buckets: dedup runs in several threads, each of which opens the earlier runs itself.
    await writeFile(recipe, 'name: own\nextract: { minTextChars: 1 }\ndedup: { watBytesPerBucket: 1000 }\n');
    expect(await run(may, 'may')).toMatchObject({ code: 0 });
    const extract = ['extract', '--recipe', recipe, '--out', inFolder('pairs')];
    expect(await gleaner([...extract, '--wat', ...june.wats])).toMatchObject({ code: 0 });
  });

  const expected = () => ({
    in: june.withText,
    out: june.unique - may.unique,
    dropped: { duplicate: june.withText - june.unique, seen: may.unique },
  });

  it('run drops what an earlier run had, and says so in funnel, report and explain', async () => {
    const { code, stdout } = await run(june, 'june', '--seen', inFolder('may'));
    expect(code).toBe(0);
    const line = new RegExp(`^ +− URL and text in an earlier run +${may.unique} `, 'm');
    expect(stdout).toMatch(line);
    expect((await gleaner(['stats', inFolder('june')])).stdout).toMatch(line);
    const { funnel } = JSON.parse((await gleaner(['stats', inFolder('june'), '--json'])).stdout);
    const unique = funnel.find(({ name }: { name: string }) => name === 'unique');
    expect(unique).toMatchObject({ in: expected().in, out: expected().out });
    expect(unique.dropped).toContainEqual(expect.objectContaining({ reason: 'seen', count: may.unique }));
    expect(await readFile(inFolder('june', 'release', 'report.html'), 'utf8')).toContain(
      'URL and text in an earlier run',
    );
    expect((await gleaner(['explain', inFolder('june'), 'http://img.example/0.png'])).stdout).toMatch(
      /^dropped +seen: .*\(may\)$/m,
    );
    expect(await gleaner(['verify', inFolder('june')])).toMatchObject({ code: 0 });
    // More than one bucket, or no thread would have been needed.
    expect((await readdir(inFolder('june', 'keys'))).length).toBeGreaterThan(1);
  });

  it('a run goes on with the same earlier runs, wherever these lie', async () => {
    const before = await treeOf(inFolder('june'));
    await cp(inFolder('may', 'keys'), inFolder('elsewhere', 'may', 'keys'), { recursive: true });
    const moved = inFolder('elsewhere', 'may');
    expect(await run(june, 'june', '--seen', moved)).toMatchObject({ code: 0 });
    // Where they lie now is what is kept, and nothing else has changed.
    const { 'run.json': kept, ...rest } = await treeOf(inFolder('june'));
    expect({ ...rest, 'run.json': before['run.json'] }).toEqual(before);
    expect(kept).not.toBe(before['run.json']);
    expect(await readFile(inFolder('june', 'run.json'), 'utf8')).toContain(JSON.stringify(moved));
    // A task of dedup that has to be done again drops the same ones.
    await fileStorage(inFolder('june')).remove('unique/00001.parquet');
    expect(await run(june, 'june', '--seen', moved)).toMatchObject({ code: 0 });
    const releaseOf = (tree: Record<string, string>) =>
      Object.entries(tree).filter(([path]) => /^(?:release|unique)\b/.test(path));
    expect(releaseOf(await treeOf(inFolder('june')))).toEqual(releaseOf(before));
  });

  it('a folder is refused to a run with other earlier ones', async () => {
    const list = { code: 1, stdout: '', stderr: oneLine(/holds a run with another list of earlier runs/) };
    expect(await run(june, 'june')).toEqual(list);
    expect(await run(june, 'june', '--seen', inFolder('may'), '--seen', inFolder('may'))).toEqual(list);
    expect(await run(may, 'may', '--seen', inFolder('june'))).toEqual(list);
    // The same name, other keys.
    await cp(inFolder('june', 'keys'), inFolder('other', 'may', 'keys'), { recursive: true });
    expect(await run(june, 'june', '--seen', inFolder('other', 'may'))).toEqual({
      ...list,
      stderr: oneLine(/holds a run with another content of its earlier runs \(--seen\)/),
    });
  });

  it('dedup drops the same by the folder of a run, and by a Bloom filter of it', async () => {
    const exact = await dedup('exact', '--seen', inFolder('may'));
    expect(exact).toMatchObject({ code: 0 });
    expect(JSON.parse(exact.stdout)).toEqual({ unique: expected() });

    const extract = ['extract', '--recipe', recipe, '--wat', ...may.wats, '--out', inFolder('may-pairs')];
    expect(await gleaner(extract)).toMatchObject({ code: 0 });
    const out = ['--pairs', inFolder('may-pairs'), '--out', inFolder('may-unique')];
    const bloom = ['--export-bloom', inFolder('may.bloom'), '--bloom-rate', '1e-9'];
    expect(await gleaner(['dedup', ...out, ...bloom])).toMatchObject({ code: 0 });
    const { stdout } = await dedup('by-bloom', '--seen', inFolder('may.bloom'));
    expect(JSON.parse(stdout)).toEqual({ unique: expected() });
    expect(await treeOf(inFolder('by-bloom', 'unique'))).toEqual(await treeOf(inFolder('exact', 'unique')));

    const byRun = await run(june, 'june-by-bloom', '--seen', inFolder('may.bloom'), '--json');
    expect(byRun).toMatchObject({ code: 0 });
    expect(await treeOf(inFolder('june-by-bloom', 'unique'))).toEqual(
      await treeOf(inFolder('june', 'unique')),
    );
    // The filter is part of the run by its content.
    await truncate(inFolder('may.bloom'), 70);
    expect(await run(june, 'june-by-bloom', '--seen', inFolder('may.bloom'))).toMatchObject({
      code: 1,
      stderr: oneLine(/may\.bloom: is a Bloom filter that is not whole/),
    });
  });

  it.each([
    [
      'that is not there',
      'none',
      /none: no such file\. Name the folder of an earlier run, or a \.bloom file\./,
    ],
    ['that has no keys', 'keyless', /keyless: holds no finished dedup/],
    ['of which keys are missing', 'partial', /holds 1 key files.*finish that run first/],
    ['that is a filter cut short', 'short.bloom', /short\.bloom: is a Bloom filter that is not whole/],
    ['that is no filter', 'text.bloom', /text\.bloom: is no Bloom filter of gleaner/],
  ])('an earlier run %s is named before anything is written', async (_, name, problem) => {
    await mkdir(inFolder('keyless'), { recursive: true });
    const keys = await readdir(inFolder('may', 'keys'));
    expect(keys.length).toBeGreaterThan(1);
    await cp(inFolder('may', 'keys', '00000.keys'), inFolder('partial', 'keys', '00000.keys'));
    // A header that speaks of one slice, and nothing after it.
    const header = Buffer.concat([Buffer.from('GLNRBLOM'), Buffer.alloc(32)]);
    header.writeUInt32LE(1, 8);
    header.writeUInt32LE(1, 12);
    await writeFile(inFolder('short.bloom'), header);
    await writeFile(inFolder('text.bloom'), 'x'.repeat(200));
    const failed = { code: 1, stdout: '', stderr: oneLine(problem) };
    expect(await run(june, 'new', '--seen', inFolder(name))).toEqual(failed);
    expect(await dedup('new', '--seen', inFolder(name))).toEqual(failed);
    expect(await readdir(folder)).not.toContain('new');
  });

  it('a run is not its own earlier run', async () => {
    const usage = { code: 2, stdout: '', stderr: oneLine(/may is what is written to; --seen names earlier/) };
    expect(await run(may, 'may', '--seen', inFolder('may'))).toEqual(usage);
    expect(await dedup('may', '--seen', inFolder('may'))).toEqual(usage);
    expect(await gleaner(['verify', inFolder('may')])).toMatchObject({ code: 0 });
  });
});
