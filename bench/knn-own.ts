/**
 * An engine of the knn room as run.sh of ../shared/peers/knn calls it: `node bench/knn-own.ts DATA OUT [ENGINE] [QUERIES]`
 * writes OUT/rows.jsonl, and, for bench/knn.ts, OUT/memory.json and OUT/filters.json. Building, searching, and looking at the
 * memory are processes of their own, so that each peak is the step's own.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { appendFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  KNN_ENGINE_NAMES,
  type KnnEngineName,
  type KnnIndex,
  knnEngines,
  openKnn,
} from '../src/knn/index.ts';
import { baseBatches, QUERY_KINDS, queriesOf, shapeOf } from './knn-data.ts';
import { filteredSearches } from './knn-filters.ts';

/** Multiples of what the index was tuned to. */
const EFFORTS = [0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.2, 1.4, 2];
/** As bench-faiss.py: the median of three repetitions of so many seconds. */
const REPETITIONS = 3;
const SECONDS = 0.25;
/** Searches before anything is timed: the engine is compiled meanwhile. */
const WARM_UP = 100;

/** What a search process holds, in bytes. */
export interface OwnMemory {
  /** Resident before the index is opened, and after 2,000 searches at effort 1. */
  readonly before: number;
  readonly after: number;
  readonly peak: number;
  readonly openSeconds: number;
}

type Step = 'build' | 'search' | 'memory' | 'filters';
const STEPS: Readonly<
  Record<Step, (data: string, out: string, engine: KnnEngineName, queries: number) => Promise<void>>
> = { build, search, memory, filters };

const [data = '', out = '', engine = KNN_ENGINE_NAMES[0], queries = '1000', step] = process.argv.slice(2);
if (!isEngine(engine)) throw new Error(`there is no engine '${engine}'`);
if (step === undefined) {
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'rows.jsonl'), '');
  for (const one of Object.keys(STEPS))
    execFileSync(process.execPath, [import.meta.filename, data, out, engine, queries, one], {
      stdio: 'inherit',
    });
} else if (isStep(step)) await STEPS[step](data, out, engine, Number(queries));

function isEngine(name: string): name is KnnEngineName {
  return Object.hasOwn(knnEngines, name);
}

function isStep(name: string): name is Step {
  return Object.hasOwn(STEPS, name);
}

async function build(data: string, out: string, engine: KnnEngineName): Promise<void> {
  const path = join(out, 'index');
  await rm(path, { recursive: true, force: true });
  const { rows, columns } = await shapeOf(data);
  const began = performance.now();
  const before = process.cpuUsage();
  const stats = await knnEngines[engine].build(
    path,
    { dimension: columns, rows, precision: 'float16', threads: 2 },
    baseBatches(data),
  );
  const { user, system } = process.cpuUsage(before);
  const parameters = Object.entries(stats.parameters).map(([name, value]) => `${name}=${value}`);
  await tell(out, {
    ...{ step: 'build', name: `gleaner-${engine}`, factory: parameters.join(' ') },
    cpu_s: round((user + system) / 1e6, 1),
    wall_s: round((performance.now() - began) / 1000, 1),
    bytes_a_vector: round((await bytesOf(path)) / rows, 1),
    peak_rss_mb: peakMB(),
  });
}

async function search(data: string, out: string, engine: KnnEngineName, most: number): Promise<void> {
  const index = await openKnn(join(out, 'index'));
  for (const kind of QUERY_KINDS) {
    const queries = await queriesOf(data, kind, most);
    for (const effort of engine === 'exact' ? [1] : EFFORTS) {
      const row: Record<string, unknown> = {
        step: 'search',
        name: `gleaner-${engine}`,
        queries: kind,
        params: { effort },
      };
      for (const k of [10, 100]) {
        const file = `${kind}-${effort}-${k}.npy`;
        await writeFile(join(out, file), await answersOf(index, queries, k, effort));
        row[`ids_k${k}`] = file;
        Object.assign(row, await rateOf(index, queries, k, effort));
      }
      await tell(out, { ...row, peak_rss_mb: peakMB() });
    }
  }
  await index.close();
}

/** An npy file of int32 [queries, k], nearest first; -1 where fewer were found. */
async function answersOf(
  index: KnnIndex,
  queries: readonly Float32Array[],
  k: number,
  effort: number,
): Promise<Buffer> {
  const ids = new Int32Array(queries.length * k).fill(-1);
  for (const [i, query] of queries.entries())
    ids.set(
      (await index.search(query, { k, effort })).map(({ id }) => id),
      i * k,
    );
  const shape = `{'descr': '<i4', 'fortran_order': False, 'shape': (${queries.length}, ${k}), }`;
  const head = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${shape.padEnd(117)}\n`, 'latin1');
  head.writeUInt16LE(head.length - 10, 8);
  return Buffer.concat([head, Buffer.from(ids.buffer)]);
}

/** One query a call, one after the other. */
async function rateOf(index: KnnIndex, queries: readonly Float32Array[], k: number, effort: number) {
  const rates: number[] = [];
  const cpus: number[] = [];
  for (let i = 0; i < Math.min(WARM_UP, queries.length); i++) await index.search(queries[i]!, { k, effort });
  for (let repetition = 0; repetition < REPETITIONS; repetition++) {
    const began = performance.now();
    const before = process.cpuUsage();
    let n = 0;
    while (performance.now() - began < SECONDS * 1000)
      await index.search(queries[(repetition * 331 + n++) % queries.length]!, { k, effort });
    const { user, system } = process.cpuUsage(before);
    rates.push((n / (performance.now() - began)) * 1000);
    cpus.push((user + system) / 1000 / n);
  }
  const spread = (Math.max(...rates) - Math.min(...rates)) / median(rates);
  return {
    [`qps_k${k}`]: Math.round(median(rates)),
    [`cpu_ms_k${k}`]: round(median(cpus), 4),
    [`spread_k${k}`]: round(spread, 2),
  };
}

async function memory(data: string, out: string, _engine: KnnEngineName, most: number): Promise<void> {
  const queries = (await Promise.all(QUERY_KINDS.map((kind) => queriesOf(data, kind, most)))).flat();
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  const began = performance.now();
  const index = await openKnn(join(out, 'index'));
  const openSeconds = (performance.now() - began) / 1000;
  for (const query of queries) await index.search(query, { k: 10 });
  const after = process.memoryUsage.rss();
  await index.close();
  const found: OwnMemory = { before, after, peak: peakMB() * 2 ** 20, openSeconds };
  await writeFile(join(out, 'memory.json'), JSON.stringify(found));
}

async function filters(data: string, out: string): Promise<void> {
  const { rows } = await shapeOf(data);
  const index = await openKnn(join(out, 'index'));
  await writeFile(join(out, 'filters.json'), JSON.stringify(await filteredSearches(data, rows, index)));
  await index.close();
}

async function tell(out: string, row: object): Promise<void> {
  await appendFile(join(out, 'rows.jsonl'), `${JSON.stringify(row)}\n`);
}

async function bytesOf(path: string): Promise<number> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async (file) => (await stat(join(file.parentPath, file.name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Of this process's resident memory, in MiB as bench-faiss.py. `ru_maxrss` would be that of the process which began it, where that was larger. */
function peakMB(): number {
  const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Math.round(Number(kilobytes) / 1024);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
