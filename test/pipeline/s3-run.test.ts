import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStorage } from '../../src/storage/index.ts';
import { makeSmallCrawl, type SmallCrawl } from '../support/crawl.ts';
import { gleaner } from '../support/gleaner.ts';
import { type S3Server, startS3, useS3 } from '../support/s3-server.ts';
import { storedTree } from '../support/s3-tree.ts';
import { treeOf } from '../support/tree.ts';

describe('a run on S3', () => {
  let folder: string;
  let crawl: SmallCrawl;
  let server: S3Server;
  let env: Disposable;
  let local: string;
  let remote: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-s3-run-'));
    crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 3, pagesPerWat: 10 });
    server = await startS3();
    env = useS3(server);
    local = join(folder, 'local');
    remote = `s3://${server.bucket}/runs/remote`;
    const inputs = openStorage(`s3://${server.bucket}/crawl`);
    for (const path of [...crawl.wats, crawl.archive]) await inputs.put(basename(path), await readFile(path));
  });

  afterAll(async () => {
    env[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
  });

  const run = (out: string, at = (path: string) => path) => {
    const inputs = ['--wat', ...crawl.wats.map(at), '--images-from', at(crawl.archive)];
    return gleaner(['run', '--recipe', 'everything', ...inputs, '--out', out, '--workers', '2']);
  };
  const onS3 = (path: string) => `s3://${server.bucket}/crawl/${basename(path)}`;

  it('with its inputs there, leaves byte for byte what one in a folder leaves', async () => {
    expect(await run(local)).toMatchObject({ code: 0 });
    expect(await run(remote, onS3)).toMatchObject({ code: 0, stderr: expect.any(String) });
    const storage = openStorage(remote);
    expect(await storedTree(storage, 'release')).toEqual(await treeOf(join(local, 'release')));
    expect(await server.uploads()).toEqual([]);
    const names = await storage.list('');
    expect(names.filter((name) => /lock|pending/.test(name))).toEqual([]);
  });
});
