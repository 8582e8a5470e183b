import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type DownloadLocallyOptions, downloadLocally } from '../../src/executors/download.ts';
import { afterDeath } from '../../src/executors/processes.ts';
import { readParquetRows } from '../../src/formats/index.ts';
import { openFile } from '../../src/storage/index.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { treeOf } from '../support/tree.ts';

const CRASHING = `--import=${new URL('./crashing-decoder.ts', import.meta.url)}`;

describe('processes of a download', () => {
  let folder: string;
  let origin: ImageOrigin;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-processes-'));
    origin = await startImageOrigin();
  });
  afterAll(() => origin.close());
  afterEach(() => {
    delete process.env.ENDS_ONCE;
    delete process.env.ENDS_AT_ONCE;
    delete process.env.NODE_OPTIONS;
  });

  async function download(name: string, urls: readonly string[], nodeOptions = '') {
    const list = join(folder, `${name}.txt`);
    const out = join(folder, name);
    await writeFile(list, urls.join('\n'));
    const options: DownloadLocallyOptions = {
      urls: [list],
      out,
      options: { samplesPerShard: 8 },
      allowHosts: [origin.host],
      workers: 1,
    };
    process.env.NODE_OPTIONS = nodeOptions;
    return { out, summary: await downloadLocally(options) };
  }

  async function statuses(out: string, shard: string) {
    const source = await openFile(join(out, `${shard}.parquet`));
    const columns = [
      { name: 'url', type: 'string', nullable: true },
      { name: 'status', type: 'string', nullable: true },
      { name: 'detail', type: 'string', nullable: true },
    ] as const;
    const rows = await Array.fromAsync(readParquetRows(source, columns));
    await source.close();
    return rows;
  }

  it('cost the images that end them, and no other', { timeout: 120_000 }, async () => {
    const urls = Array.from({ length: 20 }, (_, n) => origin.image(n));
    urls[3] = origin.marked(3, 'ends by abort');
    urls[5] = origin.marked(5, 'ends by kill');
    urls[17] = origin.marked(17, 'ends by abort');
    const { out, summary } = await download('deadly', urls, CRASHING);
    expect(summary.ledger).toEqual({ in: 20, out: 17, dropped: { undecodable: 3 } });
    const rows = [
      ...(await statuses(out, '00000')),
      ...(await statuses(out, '00001')),
      ...(await statuses(out, '00002')),
    ];
    expect(rows.map(({ url }) => url)).toEqual(urls);
    expect(
      rows.flatMap(({ status, detail }, row) => (status === 'success' ? [] : [[row, status, detail]])),
    ).toEqual([3, 5, 17].map((row) => [row, 'failed_to_resize', 'ended its worker']));
  });

  it('that are killed from outside cost nothing', { timeout: 120_000 }, async () => {
    const urls = Array.from({ length: 20 }, (_, n) => origin.image(n));
    const { out: undisturbed } = await download('undisturbed', urls);
    process.env.ENDS_ONCE = join(folder, 'ended');
    const { out, summary } = await download('disturbed', urls, CRASHING);
    expect(summary.ledger).toEqual({ in: 20, out: 20, dropped: {} });
    const [one, other] = [await treeOf(undisturbed), await treeOf(out)];
    for (const file of ['00000.tar', '00000.parquet', '00001.tar', '00001.parquet', '00002.tar'])
      expect(other[file]).toBe(one[file]);
  });

  it('that die whatever they do end the download, which says so', { timeout: 120_000 }, async () => {
    process.env.ENDS_AT_ONCE = '1';
    await expect(download('dead', [origin.image(1)], CRASHING)).rejects.toMatchObject({
      code: 'TASK_FAILED',
      message: expect.stringMatching(/^download\/00000: its process died 3 times/),
    });
  });

  const order = { index: 7, work: { kind: 'retry', reasons: [] }, suspects: [], fatal: [] } as const;
  const open = { order, deaths: 0, blameless: 0 };

  it('suspects what was in work, and blames what was in work alone and suspected', () => {
    const first = afterDeath(open, [3, 9], 3);
    expect(first).toMatchObject({ deaths: 1, blameless: 0, order: { suspects: [3, 9], fatal: [] } });
    // Another shard had one in work as well: it is not known whose fault it was.
    expect(afterDeath(first, [3], 2).order).toMatchObject({ suspects: [3, 9], fatal: [] });
    expect(afterDeath(first, [3], 1).order).toMatchObject({ suspects: [9], fatal: [3] });
    expect(afterDeath(first, [4], 1).order).toMatchObject({ suspects: [3, 9, 4], fatal: [] });
    expect(afterDeath(first, [], 0)).toMatchObject({ deaths: 2, blameless: 1 });
  });
});
