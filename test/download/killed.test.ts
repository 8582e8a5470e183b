import { once } from 'node:events';
import { mkdtemp, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gleaner, startGleaner } from '../support/gleaner.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { treeOf } from '../support/tree.ts';

/** GLEANER_KILLS=20 for more of them. */
const KILLS = Number(process.env.GLEANER_KILLS ?? 4);

describe('a download that is killed', () => {
  let folder: string;
  let origin: ImageOrigin;
  let list: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gleaner-killed-'));
    origin = await startImageOrigin();
    list = join(folder, 'list.txt');
    const urls = Array.from({ length: 500 }, (_, n) =>
      n % 7 === 3 ? origin.odd('missing') : origin.image(n),
    );
    await writeFile(list, urls.join('\n'));
  });
  afterAll(() => origin.close());

  it.each(['webdataset', 'files'])(
    `at ${KILLS} random moments ends byte for byte as an undisturbed one: %s`,
    { timeout: 60_000 + KILLS * 20_000 },
    async (format) => {
      const args = (out: string) => [
        'download',
        ...['--urls', list, '--out', out, '--number-sample-per-shard', '100', '--output-format', format],
        ...['--allow-host', origin.host, '--workers', '2'],
      ];
      const [undisturbed, killed] = [join(folder, `undisturbed-${format}`), join(folder, `killed-${format}`)];
      const began = performance.now();
      expect(await gleaner(args(undisturbed))).toMatchObject({ code: 0 });
      const took = performance.now() - began;
      const moments: number[] = [];
      for (let i = 0; i < KILLS; i++) {
        const run = startGleaner(args(killed));
        // Most of the time goes by before the first image: kills are to fall into the work as well.
        const moment = took * (0.2 + 0.75 * Math.random());
        moments.push(Math.round(moment));
        const timer = setTimeout(() => run.kill('SIGKILL'), moment);
        await once(run, 'exit');
        clearTimeout(timer);
      }
      const context = `killed after ${moments.join(', ')} ms of ${Math.round(took)}`;
      expect(await gleaner(args(killed)), context).toMatchObject({ code: 0 });
      const [expected, tree] = [await treeOf(undisturbed), await treeOf(killed)];
      expect(Object.keys(tree), context).toEqual(Object.keys(expected));
      // Times stand in the statistics, the manifests and gleaner's own folder only.
      const timeless = (name: string) => !name.startsWith('_gleaner') && !name.endsWith('_stats.json');
      for (const name of Object.keys(expected).filter(timeless))
        expect([name, tree[name]], context).toEqual([name, expected[name]]);
      expect(await readdir(join(killed, '_gleaner')), context).not.toContain('staged');
    },
  );
});
