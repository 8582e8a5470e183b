import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { runLocally } from '../src/executors/index.ts';
import { gzipMember } from '../src/formats/index.ts';
import { watRecord } from '../test/support/crawl.ts';
import { startImageOrigin } from '../test/support/image-origin.ts';

/** Pairs of the run; a few of their images are missing. */
const PAIRS = 240;

/**
 * Shows that Python's readers take a release as it is: pyarrow, numpy, webdataset, embedding-reader, DuckDB, and
 * img2dataset, which downloads the images again from a loopback server with the released metadata as its list. The real
 * packages, out of the virtual environment `venv` in the folder that `--peers` names; those that it lacks are named.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { peers: { type: 'string', default: '' } } });
  const python = join(values.peers, 'venv/bin/python');
  if (values.peers === '' || !existsSync(python)) {
    process.stdout.write('skipped: no Python; name the folder of its virtual environment with --peers DIR\n');
    return;
  }
  const origin = await startImageOrigin();
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-readers-'));
  try {
    const wat = join(folder, 'pictures.warc.wat.gz');
    const images = Array.from({ length: PAIRS }, (_, n) => ({
      url: n % 20 === 19 ? `${origin.odd('missing')}?${n}` : origin.image(n),
      alt: `Picture ${n} – “a circle” on a ground, 円`,
    }));
    await writeFile(wat, gzipMember(watRecord('http://site.example/', images)));
    const out = join(folder, 'out');
    await runLocally({
      recipe: 'everything',
      overrides: { release: { parts: 4 }, fetch: { retries: 0 } },
      wats: [wat],
      allowHosts: [origin.host],
      out,
    });
    const script = join(import.meta.dirname, 'release-readers.py');
    const { stdout } = await promisify(execFile)(python, [
      script,
      join(out, 'release'),
      join(folder, 'again'),
    ]);
    process.stdout.write(stdout);
  } finally {
    await origin.close();
    await rm(folder, { recursive: true, force: true });
  }
}
