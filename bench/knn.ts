import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { KNN_ENGINE_NAMES } from '../src/knn/index.ts';
import type { FilterRow } from './knn-filters.ts';
import type { OwnMemory } from './knn-own.ts';
import { head, row } from './table.ts';

const HARNESS = join(import.meta.dirname, '../../shared/peers/knn');
const PEERS =
  'ivf-sq8,ivf-pq128fs-rsq8,ivf-rabitq1fs-rsq8,opq-ivf-pq64-rflat,hnsw32,hnsw32-sq8,autofaiss-72B,autofaiss-40B';

/** How many times the best of faiss, at which part of the ten nearest. */
const ASKED = [
  ['text', 0.95, 1.3],
  ['image', 0.98, 1.5],
] as const;

/** A line of run.sh's *.build.jsonl. */
interface Build {
  readonly name: string;
  readonly cpu_s: number;
  readonly bytes_a_vector: number;
  readonly peak_rss_mb: number;
}

/** A line of run.sh's *.search.jsonl: recall is counted there, by NumPy. */
interface Search {
  readonly name: string;
  readonly queries: 'image' | 'text';
  readonly params: Readonly<Record<string, number>>;
  readonly cpu_ms_k10: number;
  readonly peak_rss_mb: number;
  readonly recall_1_at_1: number;
  readonly recall_10_at_10: number;
  readonly recall_100_at_100?: number;
}

/**
 * Our index beside those of faiss and autofaiss in one run, on the clustered vectors of ../shared/peers/knn: queries a
 * CPU-second at a recall, cost of the build, size on disk and in memory; then recall, and searches among few rows. `--peers`
 * names the folder whose `venv` and `venv-autofaiss` its setup.sh made; data and indices lie in its `work`. `--only` names the
 * indices of faiss that are measured anew, '' for none of them: then the figures of the last time stand beside ours. Searches
 * of ours and of those that come out fastest are timed in `--rounds`, in turns, and the least CPU time of each counts: other
 * work on the machine only ever adds.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      peers: { type: 'string', default: '' },
      rows: { type: 'string', default: '200000' },
      engine: { type: 'string', default: KNN_ENGINE_NAMES[0] },
      queries: { type: 'string', default: '1000' },
      only: { type: 'string', default: PEERS },
      rounds: { type: 'string', default: '3' },
    },
  });
  const python = resolve(values.peers, 'venv/bin/python');
  if (values.peers === '' || !existsSync(python) || !existsSync(HARNESS)) {
    process.stdout.write(
      'skipped: faiss needs Python; make it with ../shared/peers/knn/setup.sh DIR/venv, then --peers DIR\n',
    );
    return;
  }
  const work = resolve(values.peers, 'work');
  const own = [process.execPath, join(import.meta.dirname, 'knn-own.ts')];
  const { engine, queries } = values;
  const [data, out] = [join(work, `data-${values.rows}`), join(work, `index-${values.rows}`)];
  // run.sh puts DATA and OUT behind the command; the engine stands before them here, after them there.
  const command = ['bash', '-c', `exec "$1" "$2" "$5" "$6" "$3" "$4"`, 'own', ...own, engine, queries];
  await run('bash', [join(HARNESS, 'run.sh'), resolve(values.peers, 'venv'), values.rows, work, ...command], {
    ONLY: values.only.replaceAll(',', ' '),
  });
  const builds = await linesOf<Build>(out, '.build.jsonl');
  const first = await linesOf<Search>(out, '.search.jsonl');
  const again: Search[] = [];
  const rivals = new Set(
    ASKED.flatMap(([kind, recall]) => fastest(first.filter(isTheirs), kind, recall)?.name ?? []),
  );
  for (let round = 1; round < Number(values.rounds); round++) {
    for (const name of rivals)
      again.push(
        ...parsed<Search>(await run(python, [join(HARNESS, 'bench-faiss.py'), 'search', data, out, name])),
      );
    await run(own[0] ?? '', [...own.slice(1), data, join(out, 'own'), engine, queries, 'search']);
  }
  await run(python, [join(HARNESS, 'table.py'), 'own', data, out]);
  const searches = leastOf([...(await linesOf<Search>(out, '.search.jsonl')), ...again]);
  const memory: OwnMemory = JSON.parse(await readFile(join(out, 'own/memory.json'), 'utf8'));
  const filters: readonly FilterRow[] = JSON.parse(await readFile(join(out, 'own/filters.json'), 'utf8'));
  printIndices(builds, searches);
  printAsked(builds, searches, memory, Number(values.rows));
  printOwn(searches, filters);
}

/** @returns what it printed */
function run(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    let printed = '';
    child.stdout.on('data', (text) => {
      printed += String(text);
    });
    child.on('error', reject).on('close', (status) => {
      if (status === 0) resolve(printed);
      else reject(new Error(`${command} ${args.join(' ')} ended with ${status}`));
    });
  });
}

async function linesOf<T>(dir: string, end: string): Promise<T[]> {
  const names = (await readdir(dir)).filter((name) => name.endsWith(end)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')));
  return texts.flatMap((text) => parsed<T>(text));
}

function parsed<T>(lines: string): T[] {
  return lines
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): T => JSON.parse(line));
}

/** Of searches with the same setting the one of least CPU time. */
function leastOf(searches: readonly Search[]): readonly Search[] {
  const least = new Map<string, Search>();
  for (const one of searches) {
    const setting = JSON.stringify([one.name, one.queries, one.params]);
    if (one.cpu_ms_k10 < (least.get(setting)?.cpu_ms_k10 ?? Infinity)) least.set(setting, one);
  }
  return [...least.values()];
}

function isOwn({ name }: { readonly name: string }): boolean {
  return name.startsWith('gleaner-');
}

function isTheirs(one: { readonly name: string }): boolean {
  return !isOwn(one);
}

/** The most queries a CPU-second where at least this part of the ten nearest is found. */
function fastest(searches: readonly Search[], queries: string, recall: number): Search | undefined {
  return searches
    .filter((one) => one.queries === queries && one.recall_10_at_10 >= recall)
    .toSorted((a, b) => a.cpu_ms_k10 - b.cpu_ms_k10)[0];
}

function rateOf(search: Search | undefined): string {
  if (!search) return '-';
  const setting = Object.entries(search.params).map(([name, value]) => `${name} ${value}`);
  return `${Math.round(1000 / search.cpu_ms_k10)} at ${search.recall_10_at_10.toFixed(3)} (${setting.join(', ')})`;
}

function printIndices(builds: readonly Build[], searches: readonly Search[]): void {
  head(
    ...['index', 'build CPU-s', 'peak MB', 'bytes a vector on disk', 'search process peak MB'],
    ...['text ≥ .95: queries a CPU-s', 'image ≥ .98', 'best 10-recall@10 text, image'],
  );
  for (const { name, cpu_s, peak_rss_mb, bytes_a_vector } of builds) {
    const mine = searches.filter((one) => one.name === name);
    // Of one that was stopped there is no search.
    if (mine.length === 0) continue;
    const best = (kind: string) =>
      Math.max(...mine.filter(({ queries }) => queries === kind).map((one) => one.recall_10_at_10)).toFixed(
        3,
      );
    row(
      ...[name, cpu_s, peak_rss_mb, bytes_a_vector, Math.max(...mine.map((one) => one.peak_rss_mb))],
      rateOf(fastest(mine, 'text', 0.95)),
      rateOf(fastest(mine, 'image', 0.98)),
      `${best('text')}, ${best('image')}`,
    );
  }
}

function printAsked(
  builds: readonly Build[],
  searches: readonly Search[],
  { before, after, peak, openSeconds }: OwnMemory,
  rows: number,
): void {
  head('what', 'ours', 'best of faiss', 'ratio', 'asked');
  for (const [kind, recall, asked] of ASKED) {
    const ours = fastest(searches.filter(isOwn), kind, recall);
    const theirs = fastest(searches.filter(isTheirs), kind, recall);
    const ratio = ours && theirs ? (theirs.cpu_ms_k10 / ours.cpu_ms_k10).toFixed(2) : '-';
    const name = theirs ? `${theirs.name}: ` : '';
    row(
      `${kind} queries a CPU-s at ≥ ${recall}`,
      rateOf(ours),
      `${name}${rateOf(theirs)}`,
      ratio,
      `≥ ${asked}`,
    );
  }
  const own = builds.find(isOwn);
  row('build, CPU-s', own?.cpu_s ?? '-', '', '', rows <= 200_000 ? '≤ 250' : '');
  const resident = (bytes: number) => `${Math.round(bytes / rows)} (${Math.round(bytes / 1e6)} MB)`;
  row(
    'resident bytes a vector, the index alone',
    resident(after - before),
    '',
    '',
    rows >= 1e6 ? '< 600' : '',
  );
  row('the same, the whole process at its peak', resident(peak), '', '', '');
  row('opening, s', openSeconds.toFixed(2), '', '', '');
}

function printOwn(searches: readonly Search[], filters: readonly FilterRow[]): void {
  head('ours, queries', 'effort', 'recall@1', '@10', '@100', 'queries a CPU-s, k = 10');
  for (const one of searches.filter(isOwn))
    row(
      ...[one.queries, one.params.effort ?? '', one.recall_1_at_1.toFixed(3), one.recall_10_at_10.toFixed(3)],
      ...[one.recall_100_at_100?.toFixed(3) ?? '', Math.round(1000 / one.cpu_ms_k10)],
    );
  head('a filter leaves', 'queries', '10-recall@10', 'queries a CPU-s');
  for (const { share, queries, recall, cpuMs } of filters)
    row(`${share * 100} %`, queries, recall.toFixed(3), Math.round(1000 / cpuMs));
}
