import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createParquetWriter } from '../../src/formats/index.ts';
import { readTakedownList } from '../../src/pipeline/index.ts';
import { formatTombstones } from '../../src/safety/index.ts';
import { fileStorage } from '../../src/storage/index.ts';

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const UID = '0123456789abcdef0123456789abcdef';
const SHA = `${UID}${UID}`;

describe('a list of what is to be taken down', () => {
  let folder: string;
  const write = async (name: string, content: string | Uint8Array) => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-list-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const all = [
    { kind: 'url', hash: sha256('https://example.org/a%20b.jpg?x=1') },
    { kind: 'domain', hash: sha256('example.org') },
    { kind: 'sha256', hash: SHA },
    { kind: 'uid', hash: UID },
  ];

  it('is lines of any kind, plain or gzip', async () => {
    const text = `# reports\nHTTPS://Example.org:443/a b.jpg?x=1#top\n\n*.EXAMPLE.org  # all of it\n${SHA.toUpperCase()}\r\n${UID}\n`;
    expect(await readTakedownList(await write('list.txt', text))).toEqual(all);
    expect(await readTakedownList(await write('list.txt.gz', gzipSync(text)))).toEqual(all);
  });

  it('is JSON lines, as a queue of reports', async () => {
    const lines = [
      { url: 'https://example.org/a%20b.jpg?x=1', from: 'somebody@example.org', reason: 'mine' },
      { domain: 'example.org', sha256: SHA, uid: UID },
    ];
    const path = await write('queue.jsonl', lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    expect(await readTakedownList(path)).toEqual(all);
  });

  it('is the tombstones of another run', async () => {
    const grounds = { reason: 'asked for', at: '2026-11-21T12:00:00.000Z' };
    const text = formatTombstones({
      takedowns: [{ kind: 'domain', hash: sha256('example.org'), ...grounds }],
      pairs: [{ uid: UID, url: sha256('https://example.org/'), sha256: SHA, by: 'domain', ...grounds }],
    });
    expect(await readTakedownList(await write('removed.jsonl', text))).toEqual([
      all[1],
      { kind: 'url', hash: sha256('https://example.org/') },
      { kind: 'uid', hash: UID },
    ]);
  });

  it('is a table with columns of these names', async () => {
    const csv = `Note,URL,Domain,sha256,UID\nx,https://example.org/a b.jpg?x=1,,,\n"a, b",,example.org,${SHA},${UID}\n`;
    expect(await readTakedownList(await write('list.csv', csv))).toEqual(all);
    expect(
      await readTakedownList(await write('list.tsv', csv.replaceAll('"a, b"', 'y').replaceAll(',', '\t'))),
    ).toEqual(all);
    const columns = [
      { name: 'SHA256', type: 'string', nullable: true },
      { name: 'uid', type: 'string' },
    ] as const;
    const file = await fileStorage(folder).create('list.parquet');
    const writer = createParquetWriter(file, columns);
    await writer.writeRowGroup([
      { SHA256: null, uid: UID },
      { SHA256: SHA, uid: UID },
    ]);
    await writer.finish();
    await file.commit();
    expect(await readTakedownList(join(folder, 'list.parquet'))).toEqual([all[3], all[2], all[3]]);
  });

  it.each([
    ['lines.txt', 'example.org\nprivate words: here\n', /lines\.txt: cannot be read \(line 2 is no URL/],
    ['ftp.txt', 'ftp://private.example/a.jpg\n', /line 1 is no URL/],
    ['words.jsonl', '{"url":"private words"}\n', /line 1 is no URL/],
    ['none.jsonl', '{"private":"words"}\n', /line 1 is no URL/],
    [
      'cell.csv',
      'url\nhttps://example.org/\nprivate words\n',
      /line 3 has a value that is none of its column's kind/,
    ],
    ['head.csv', 'address\nhttps://private.example/\n', /it has no column url, domain, sha256, uid/],
  ])('that is none is refused by its line, which is not repeated: %s', async (name, content, message) => {
    const refused = readTakedownList(await write(name, content));
    await expect(refused).rejects.toThrow(message);
    await expect(refused).rejects.not.toThrow(/private/);
  });
});
