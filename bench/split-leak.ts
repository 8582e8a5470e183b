import { parseArgs } from 'node:util';
import { parquetInfo, readParquetRows } from '../src/formats/index.ts';
import { countBits } from '../src/image/hamming.ts';
import { mix } from '../src/knn/k-means.ts';
import { readParent } from '../src/pipeline/index.ts';
import { normalCaption } from '../src/stages/split/group-rows.ts';
import { fileStorage, withSource } from '../src/storage/index.ts';

const COLUMNS = [
  { name: 'URL', type: 'string' },
  { name: 'sha256', type: 'string' },
  { name: 'TEXT', type: 'string' },
  { name: 'phash', type: 'string' },
] as const;
/** Rows held out of a hundred. */
const HELD_OUT = 10;
const SEEDS = [1, 2, 3];

/**
 * What a random split of a release leaks: of rows held out, how many have a duplicate among those that are trained on, by what.
 * Every held-out row is compared with every other, so for small releases.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { dir: { type: 'string', default: '' }, distance: { type: 'string', default: '4' } },
  });
  if (values.dir === '') {
    process.stdout.write('skipped: no release; name the folder of a run with --dir DIR\n');
    return;
  }
  const rows = await readRows(values.dir);
  for (const seed of SEEDS) {
    const isHeldOut = (n: number) => mix(n, seed) % 100 < HELD_OUT;
    const train = rows.filter((_, n) => !isHeldOut(n));
    const heldOut = rows.filter((_, n) => isHeldOut(n));
    const counts = leaked(heldOut, train, Number(values.distance));
    const said = Object.entries(counts).map(
      ([what, n]) => `${what} ${n} (${((100 * n) / heldOut.length).toFixed(1)} %)`,
    );
    process.stdout.write(`seed ${seed}: of ${heldOut.length} rows held out in train: ${said.join(', ')}\n`);
  }
}

interface Keys {
  readonly url: string;
  readonly bytes: string;
  readonly caption: string;
  readonly high: number;
  readonly low: number;
}

async function readRows(dir: string): Promise<readonly Keys[]> {
  const { parent } = await readParent(dir);
  const rows: Keys[] = [];
  for (const { files } of parent.parts)
    await withSource(fileStorage(dir), files.metadata.path, async (source) => {
      const info = await parquetInfo(source, files.metadata.path);
      for await (const { URL: url, sha256: bytes, TEXT: text, phash } of readParquetRows(source, COLUMNS, {
        info,
      }))
        rows.push({
          ...{ url, bytes, caption: normalCaption(text) },
          high: Number.parseInt(phash.slice(0, 8), 16),
          low: Number.parseInt(phash.slice(8), 16),
        });
    });
  return rows;
}

function leaked(heldOut: readonly Keys[], train: readonly Keys[], distance: number) {
  const counts = { url: 0, bytes: 0, caption: 0, picture: 0, any: 0 };
  const sets = { url: new Set<string>(), bytes: new Set<string>(), caption: new Set<string>() };
  for (const row of train)
    for (const [what, set] of Object.entries(sets)) set.add(row[what as keyof typeof sets]);
  for (const row of heldOut) {
    const by = {
      ...{
        url: sets.url.has(row.url),
        bytes: sets.bytes.has(row.bytes),
        caption: sets.caption.has(row.caption),
      },
      picture: train.some(
        ({ high, low }) => countBits(high ^ row.high) + countBits(low ^ row.low) <= distance,
      ),
    };
    for (const what of ['url', 'bytes', 'caption', 'picture'] as const) counts[what] += Number(by[what]);
    counts.any += Number(Object.values(by).some(Boolean));
  }
  return counts;
}
