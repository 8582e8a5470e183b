import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Ports } from './fetch-server.ts';
import { mixedUrl, mixOfOrigins } from './mix.ts';
import { measureTree } from './process-tree.ts';

/** Per cent of the URLs: the last ones wait for what stalls, however long the list is. */
const MOST = 90;

const ROOT = join(import.meta.dirname, '..');

/**
 * A whole `gleaner download` of what 10,000 origins have, all of them good or a fifth dead, slow or failing: what bad ones
 * cost good ones when everything is written in the order of the list. Nothing is re-encoded: it is about waiting.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      urls: { type: 'string', default: '60000' },
      origins: { type: 'string', default: '10000' },
      rounds: { type: 'string', default: '2' },
    },
  });
  const built = join(ROOT, 'dist/cli/gleaner.js');
  if (!existsSync(built)) {
    process.stdout.write('skipped: run npm run build first: what users run is measured\n');
    return;
  }
  const server = fork(new URL('./fetch-server.ts', import.meta.url), ['serve']);
  const ports = await new Promise<Ports>((resolve) => server.once('message', (m) => resolve(m as Ports)));
  const folder = await mkdtemp(join(tmpdir(), 'gleaner-bench-'));
  const recipe = join(folder, 'bench.yaml');
  await writeFile(
    recipe,
    `name: bench\nfetch:\n  respectRobots: false\n  dns: { servers: ['127.0.0.1:${ports.dns}'] }\n`,
  );
  process.stdout.write(
    `| origins | URLs | images | wall s | ${MOST} % decided after s | URLs/s until then | CPU-s / 1,000 | peak MB |\n`,
  );
  try {
    for (let round = 0; round < Number(values.rounds); round++)
      for (const mixed of [false, true]) {
        const origins = mixOfOrigins(Number(values.origins), ports, mixed);
        const urls = Array.from({ length: Number(values.urls) }, (_, i) => mixedUrl(origins, i));
        const most = (MOST / 100) * urls.length;
        const list = join(folder, 'urls.txt');
        const out = join(folder, 'out');
        await writeFile(list, urls.map(({ url }) => `${url}\n`).join(''));
        const began = performance.now();
        let mostAt = Number.NaN;
        const { cpu, wall, peakMB } = await measureTree(
          [
            ...[process.execPath, built, 'download', '--urls', list, '--out', out, '--recipe', recipe],
            ...['--disable-all-reencoding', '--allow-host', ...origins.map(({ host }) => host)],
          ],
          {},
          (text) => {
            const done = Number(/([\d,]+) URLs /.exec(text)?.[1]?.replaceAll(',', ''));
            if (Number.isNaN(mostAt) && done >= most) mostAt = (performance.now() - began) / 1000;
          },
        );
        await rm(out, { recursive: true });
        const good = urls.filter(({ kind }) => kind === 'good' || kind === 'slow').length;
        const cells = [mixed ? 'a fifth bad' : 'all good', urls.length, good, wall.toFixed(1)];
        const rate = (most / mostAt).toFixed(0);
        const figures = [mostAt.toFixed(1), rate, ((1000 * cpu) / urls.length).toFixed(2), peakMB.toFixed(0)];
        process.stdout.write(`| ${[...cells, ...figures].join(' | ')} |\n`);
      }
  } finally {
    server.kill();
    await rm(folder, { recursive: true, force: true });
  }
}
