import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { downloadLocally } from '../src/executors/download.ts';
import { startPhotoOrigin } from './photo-origin.ts';

/**
 * Shows that Python's readers take what `gleaner download` leaves: webdataset (as open_clip uses it) and pyarrow, the
 * real packages. `--peers` names the folder that the setup.sh of ../shared/peers/download made.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string', default: '' },
      data: { type: 'string', default: join(import.meta.dirname, '../../shared/data') },
    },
  });
  const python = join(values.peers, 'venv/bin/python');
  if (values.peers === '' || !existsSync(python)) {
    process.stdout.write(
      'skipped: no Python; make it with ../shared/peers/download/setup.sh, then --peers DIR\n',
    );
    return;
  }
  const origin = await startPhotoOrigin(values.data);
  if (!origin) {
    process.stdout.write(`skipped: there are no photos in ${values.data}; name their folder with --data\n`);
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-readers-'));
  try {
    const list = join(folder, 'list.tsv');
    const urls = origin.urls(300).map((url, n) => (n % 10 === 9 ? url.replace('?', '.missing?') : url));
    // Every fifth has no caption.
    const rows = urls.map((url, n) => `${url}\t${n % 5 === 0 ? '' : `Photo ${n} – “quoted”`}`);
    await writeFile(list, `URL\tTEXT\n${rows.join('\n')}\n`);
    const outs = { webdataset: join(folder, 'tars'), parquet: join(folder, 'parquet') };
    for (const [outputFormat, out] of Object.entries(outs) as ['webdataset' | 'parquet', string][])
      await downloadLocally({
        urls: [list],
        out,
        columns: { url: 'URL', caption: 'TEXT' },
        options: { outputFormat, samplesPerShard: 100 },
        overrides: { fetch: { retries: 0 } },
        allowHosts: origin.hosts,
      });
    const script = join(import.meta.dirname, 'download-readers.py');
    const { stdout } = await promisify(execFile)(python, [script, outs.webdataset, outs.parquet]);
    process.stdout.write(stdout);
  } finally {
    origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}
