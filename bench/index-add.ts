/** What adding a later release to an index costs, and how soon and at what price a service that runs has it. */
import { cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { addToIndex, indexRun } from '../src/executors/index.ts';
import { createNpyWriter, npyInfo, readNpyRows } from '../src/formats/index.ts';
import { FullTextIndex, FullTextThread, type TextSearcher } from '../src/fulltext/index.ts';
import { LiveIndex } from '../src/service/live-index.ts';
import { INDEX_FILES } from '../src/stages/index-files.ts';
import { takePlace } from '../src/stages/index-place.ts';
import { fileStorage } from '../src/storage/index.ts';
import { makeServedRelease } from './serve-release.ts';

const OPTIONS = {
  /** An npy file of vectors: of `npm run bench -- knn`. */
  vectors: { type: 'string', default: '' },
  rows: { type: 'string', default: '20000' },
  swaps: { type: 'string', default: '10' },
} as const;
const STEP = 4096;

export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const root = await mkdtemp(join(tmpdir(), 'gleaner-bench-add-'));
  const [dir, later] = [join(root, 'first'), join(root, 'later')];
  try {
    const rows = await rowsOf(values.vectors);
    await makeServedRelease(dir, values.vectors, rows);
    const cut = join(root, 'later.npy');
    await mixVectors(values.vectors, cut, Number(values.rows));
    await makeServedRelease(later, cut, Number(values.rows), rows);
    await measured(`index of ${rows} rows`, () => indexRun(dir, { map: false }));
    const whole = join(root, 'whole');
    await cp(join(dir, 'index'), whole, { recursive: true });

    await searches(join(dir, INDEX_FILES.captions));
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const live = await LiveIndex.open(dir, { searchThreads: 1 });
    for (let swap = 1; swap <= Number(values.swaps); swap++) {
      await measured(`added ${values.rows}`, () => addToIndex(dir, later));
      const stalls = longestStall();
      const ended = performance.now();
      while (live.index.rows.places === rows) await sleep(2);
      const found = performance.now() - ended;
      const stall = await stalls();
      // Others had the old one; so that the next is one too, it comes back as it was.
      await cp(whole, join(dir, 'index-again'), { recursive: true });
      await takePlace(dir, 'index-again');
      while (live.index.rows.places !== rows) await sleep(20);
      collect();
      const { rss, arrayBuffers } = process.memoryUsage();
      say(
        `swap ${swap}: found after ${found.toFixed(0)} ms, the service stood still for ${stall.toFixed(0)} ms at most; resident ${mb(rss)}, buffers ${mb(arrayBuffers)}`,
      );
    }
    await live.close();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

/** How long a search in frequent words keeps the thread of the caller, on it and beside it. */
async function searches(path: string): Promise<void> {
  say(`words of captions: ${mb((await stat(path)).size)}`);
  const one = async (name: string, index: TextSearcher) => {
    await index.search('photo', { k: 1 });
    const stalls = longestStall();
    const began = performance.now();
    for (let i = 0; i < 10; i++) await index.search('photo of a thing in place', { k: 1000 });
    const each = (performance.now() - began) / 10;
    const stall = await stalls();
    say(`${name}: ${each.toFixed(1)} ms a search; the caller stood still for ${stall.toFixed(0)} ms at most`);
    await index.close();
  };
  await one('on this thread', await FullTextIndex.open(path));
  await one('on a thread of its own', await FullTextThread.open(path));
}

/** Measures from now on for how long nothing else had a turn. @returns what ends it: the longest time, in milliseconds */
function longestStall(): () => Promise<number> {
  let [longest, over] = [0, false];
  const watching = (async () => {
    for (let last = performance.now(); !over; ) {
      await setImmediate();
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    }
  })();
  return async () => {
    over = true;
    await watching;
    return longest;
  };
}

async function measured(name: string, work: () => Promise<unknown>): Promise<void> {
  const [before, began] = [process.cpuUsage(), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - began) / 1000;
  say(`${name}: ${((user + system) / 1e6).toFixed(1)} CPU-s, ${seconds.toFixed(1)} s`);
}

async function rowsOf(path: string): Promise<number> {
  const source = await fileStorage('/').open(path.slice(1));
  const { rows } = await npyInfo(source, path);
  await source.close();
  return rows;
}

/** Vectors between those of a file: of the same kind, and none of them. */
async function mixVectors(from: string, to: string, rows: number): Promise<void> {
  const source = await fileStorage('/').open(from.slice(1));
  const info = await npyInfo(source, from);
  const file = await fileStorage('/').create(to.slice(1));
  const { columns } = info;
  const writer = await createNpyWriter(file, { dtype: 'float16', rows, columns });
  for (let rowStart = 0; rowStart < rows; rowStart += STEP) {
    const rowEnd = Math.min(rowStart + STEP, rows);
    const vectors = await readNpyRows(source, { rowStart, rowEnd, info, name: from });
    for (let i = 0; i + columns < vectors.length; i++)
      vectors[i] = 0.9 * (vectors[i] ?? 0) + 0.4 * (vectors[i + columns] ?? 0);
    await writer.writeRows(vectors);
  }
  await writer.finish();
  await file.commit();
  await source.close();
}

const mb = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
const say = (line: string) => process.stdout.write(`${line}\n`);
