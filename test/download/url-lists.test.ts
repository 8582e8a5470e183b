import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { createParquetWriter } from '../../src/formats/index.ts';
import { cutShards, inputColumns } from '../../src/pipeline/download/shards.ts';
import { type ListColumns, openLists, readList } from '../../src/pipeline/download/url-lists.ts';
import { fileStorage } from '../../src/storage/index.ts';

const { signal } = new AbortController();
const COLUMNS = { url: 'link', caption: 'text', additional: ['n', 'score', 'code'] };
const ROWS = [
  { link: 'http://a/1', text: 'one, "1"', n: 1, score: 0.5, code: '007' },
  { link: 'http://a/2', text: '', n: 2, score: 2, code: 'x' },
  { link: 'http://a/3', text: 'three\nlines', n: null, score: null, code: '3' },
];

describe('lists of URLs', () => {
  let folder: string;
  const at = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-lists-'));
    const quoted = (value: unknown) => `"${String(value ?? '').replaceAll('"', '""')}"`;
    const delimited = (delimiter: string) =>
      ['n', 'link', 'score', 'text', 'code', 'unused']
        .join(delimiter)
        .concat(
          '\n',
          ROWS.map(({ n, link, score, text, code }) =>
            [n, link, score, text, code, 'z'].map(quoted).join(delimiter),
          ).join('\r\n'),
        );
    await writeFile(at('list.csv'), delimited(','));
    await writeFile(at('list.tsv.gz'), gzipSync(delimited('\t')));
    await writeFile(at('list.jsonl'), ROWS.map((row) => JSON.stringify({ other: [1], ...row })).join('\n'));
    await writeFile(at('list.json'), JSON.stringify(ROWS, null, 2));
    const file = await fileStorage(folder).create('list.parquet');
    const writer = createParquetWriter(file, [
      { name: 'text', type: 'string' },
      { name: 'link', type: 'string' },
      { name: 'n', type: 'int64', nullable: true },
      { name: 'score', type: 'float', nullable: true },
      { name: 'code', type: 'string' },
    ]);
    await writer.writeRowGroup(ROWS.map((row) => ({ ...row, n: row.n === null ? null : BigInt(row.n) })));
    await writer.finish();
    await file.commit();
    await mkdir(at('folder'));
    await writeFile(at('folder/b.txt'), 'http://b/1\n\nhttp://b/2\n');
    await writeFile(at('folder/a.txt.gz'), gzipSync('http://a/1\n'));
    await writeFile(at('folder/notes.md'), 'no list');
  });

  async function shards(names: readonly string[], columns: ListColumns = COLUMNS, samplesPerShard = 2) {
    const lists = await openLists(names.map(at));
    const types = await inputColumns(lists, columns, signal);
    const cut = await Array.fromAsync(
      cutShards(lists, { columns, types, samplesPerShard, first: 5 }, { signal }),
    );
    return { types, cut };
  }

  it.each([
    ['list.csv', 'double'],
    ['list.tsv.gz', 'double'],
    ['list.jsonl', 'double'],
    ['list.json', 'double'],
    ['list.parquet', 'float'],
  ])('are read alike: %s', async (name, scores) => {
    const { types, cut } = await shards([name]);
    expect(types).toEqual([
      { name: 'n', type: 'int64' },
      { name: 'score', type: scores },
      { name: 'code', type: 'string' },
      { name: 'caption', type: 'string' },
      { name: 'url', type: 'string' },
    ]);
    expect(cut.map(({ index, rows, values }) => ({ index, rows, values }))).toEqual([
      {
        index: 5,
        rows: 2,
        values: [
          [1n, 2n],
          [0.5, 2],
          ['007', 'x'],
          ['one, "1"', ''],
          ['http://a/1', 'http://a/2'],
        ],
      },
      { index: 6, rows: 1, values: [[null], [null], ['3'], ['three\nlines'], ['http://a/3']] },
    ]);
  });

  it('are those of a folder, each with shards of its own', async () => {
    const columns = { url: 'url', caption: null, additional: [] };
    const { cut } = await shards(['folder'], columns);
    expect(cut.map(({ index, values }) => [index, ...values])).toEqual([
      [5, ['http://a/1']],
      [6, ['http://b/1', 'http://b/2']],
    ]);
    // The content names a shard: another row is another shard.
    expect(cut[0]?.sha256).not.toBe(cut[1]?.sha256);
  });

  it('name the columns that they have where one is missing', async () => {
    const lists = await openLists([at('list.csv'), at('list.parquet')]);
    for (const list of lists)
      await expect(
        Array.fromAsync(readList(list, { ...COLUMNS, url: 'address' }, signal)),
      ).rejects.toMatchObject({
        code: 'USAGE',
        message: expect.stringMatching(/has no column 'address' \(it has .*link/),
      });
  });

  it('say where a number is none', async () => {
    await writeFile(
      at('odd.csv'),
      `link,text,n,score,code\n${'http://a/1,t,1,1,a\n'.repeat(10_001)}http://a/2,t,many,1,a\n`,
    );
    await expect(shards(['odd.csv'], COLUMNS, 100_000)).rejects.toMatchObject({
      code: 'DAMAGED',
      message: expect.stringMatching(/column 'n' holds "many", but numbers/),
    });
  });

  it('are no lists where they are something else', async () => {
    await expect(openLists([at('none.txt')])).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(openLists([at('folder/notes.md')])).rejects.toMatchObject({
      code: 'USAGE',
      message: expect.stringMatching(/--input-format/),
    });
    await writeFile(at('torn.txt.gz'), gzipSync('http://a/1\n').subarray(0, 20));
    const [torn] = await openLists([at('torn.txt.gz')]);
    if (!torn) throw new Error('one list');
    await expect(Array.fromAsync(readList(torn, COLUMNS, signal))).rejects.toMatchObject({ code: 'DAMAGED' });
  });
});
