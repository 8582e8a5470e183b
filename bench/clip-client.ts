import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, promisify } from 'node:util';
import { indexRun, runLocally } from '../src/executors/index.ts';
import { releasedPairs } from '../test/support/contents.ts';
import { makeSmallCrawl } from '../test/support/crawl.ts';

/**
 * Shows that clip-retrieval's own Python client, unchanged, takes what `gleaner serve` answers, and that clip-retrieval's own
 * service answers the same on the same release. `--peers` names the folder that the setup.sh of ../shared/peers/knn made.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: { peers: { type: 'string', default: '' } } });
  const python = join(values.peers, 'venv/bin/python');
  if (values.peers === '' || !existsSync(python)) {
    process.stdout.write('skipped: no Python; make it with ../shared/peers/knn/setup.sh, then --peers DIR\n');
    return;
  }
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-clip-client-'));
  const out = join(folder, 'out');
  const crawl = await makeSmallCrawl(join(folder, 'crawl'), { wats: 1, pagesPerWat: 40 });
  const sources = { wats: crawl.wats, imagesFrom: [crawl.archive] };
  await runLocally({ recipe: 'everything', ...sources, workers: 1, out });
  await indexRun(out);
  const [first] = await releasedPairs(out);
  if (!first) throw new Error('the small crawl has no pairs');
  const picture = join(folder, 'picture.jpg');
  await writeFile(picture, first.jpeg);
  const pictures = createServer((_, response) => response.end(first.jpeg)).listen(0, '127.0.0.1');
  await once(pictures, 'listening');
  const { port } = pictures.address() as AddressInfo;
  const service = spawn(
    process.execPath,
    [
      join(import.meta.dirname, '../src/cli/gleaner.ts'),
      ...['serve', out, '--port', '0', '--json', '--allow-host', `127.0.0.1:${port}`],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const [line] = (await once(createInterface(service.stdout), 'line')) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const script = join(import.meta.dirname, 'clip-client.py');
    const { stdout } = await promisify(execFile)(python, [script, url, out, folder, picture, String(port)]);
    process.stdout.write(stdout.replace(/^(?!embedding|text|\/).*\n/gm, ''));
  } finally {
    service.kill('SIGTERM');
    pictures.close();
    await once(service, 'exit');
    await rm(folder, { recursive: true, force: true });
  }
}
