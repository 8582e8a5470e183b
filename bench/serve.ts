import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { measureTree, residentBytes } from './process-tree.ts';
import type { Load, LoadOptions } from './serve-load.ts';
import { makeServedRelease } from './serve-release.ts';
import { head, row } from './table.ts';

const ROOT = join(import.meta.dirname, '..');
const HARNESS = join(ROOT, '../shared/peers/knn');
const GLEANER = join(ROOT, 'bin/gleaner.js');
const BACK_PORT = 18_234;
/** What starting may take: clip-retrieval reads its metadata first. */
const START_MS = 120_000;

/** A server under load. */
interface Server {
  readonly name: string;
  readonly port: number;
  readonly child: ChildProcess;
}

/** A line of load.mjs. */
interface Case {
  readonly k: number;
  readonly deduplicate: boolean;
  readonly clients: number;
  readonly qps: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly server_cpu_ms: number;
  readonly failures: number;
}

interface Measured {
  readonly name: string;
  readonly cases: readonly Case[];
  /** Resident after the load, of all its processes, in MB; pages that they share count once. */
  readonly megabytes: number;
}

const OPTIONS = {
  peers: { type: 'string', default: '' },
  back: { type: 'string', default: '' },
  rows: { type: 'string', default: '200000' },
  index: { type: 'string', default: 'hnsw32-sq8' },
  seconds: { type: 'string', default: '4' },
  record: { type: 'string', default: '60' },
  soak: { type: 'string', default: '0' },
  ways: { type: 'string', default: 'own,arrow,parquet,record' },
} as const;
type Flags = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

/**
 * `gleaner serve` beside `clip-retrieval back` in one run, over the same vectors and rows: requests of embeddings by 1, 8 and
 * 32 clients (load.mjs of ../shared/peers/knn), then 32 clients for `--record` seconds, by embeddings and by texts that were
 * asked before and not. `--soak MINUTES` watches memory under the same load. `--peers` names the folder whose `venv` the setup.sh
 * there made and in whose `work` an `--index` of faiss lies, `--back` the one whose `venv` has clip-retrieval. Linux alone.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values: flags } = parseArgs({ args: [...args], options: OPTIONS });
  const work = resolve(flags.peers, 'work');
  const data = join(work, `data-${flags.rows}`);
  if (flags.peers === '' || !existsSync(join(data, 'base.npy'))) {
    process.stdout.write(
      'skipped: make vectors with `npm run bench -- knn --peers DIR` first, then --peers DIR --back DIR\n',
    );
    return;
  }
  const ways = new Set(flags.ways.split(','));
  const all: Measured[] = [];
  await using servers = new AsyncDisposableStack();
  const own = servers.adopt(await startOwn(flags, work, data), stop);
  if (ways.has('own')) all.push(await measure(flags, own, data));
  for (const kind of ['arrow', 'parquet'])
    if (ways.has(kind) && existsSync(resolve(flags.back, 'venv/bin/python'))) {
      const back = await startBack(flags, work, kind);
      all.push(await measure(flags, back, data));
      await stop(back);
    }
  printCases(all);
  if (ways.has('record')) await record(own, data, Number(flags.record));
  if (Number(flags.soak) > 0) await soak(own, data, Number(flags.soak));
}

async function startOwn(flags: Flags, work: string, data: string): Promise<Server> {
  // clip-retrieval's clients name the index by its folder: load.mjs asks for 'bench'.
  const dir = join(work, `served-${flags.rows}`, 'bench');
  if (!existsSync(join(dir, 'release/stats.json')))
    await makeServedRelease(dir, join(data, 'base.npy'), Number(flags.rows));
  if (!existsSync(join(dir, 'index/index.json'))) {
    const { cpu, wall, peakMB } = await measureTree([process.execPath, GLEANER, 'index', dir]);
    process.stdout.write(
      `gleaner index, image and text vectors: ${cpu.toFixed(0)} CPU-s, ${wall.toFixed(0)} s, ${peakMB.toFixed(0)} MB at most\n`,
    );
  }
  const child = spawn(process.execPath, [GLEANER, 'serve', dir, '--port', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('gleaner serve ended'))),
  ]);
  const { url }: { url: string } = JSON.parse(String(line));
  return { name: 'gleaner serve', port: Number(new URL(url).port), child };
}

async function startBack(flags: Flags, work: string, kind: string): Promise<Server> {
  const index = join(work, `index-${flags.rows}`, `${flags.index}.faiss`);
  const python = resolve(flags.back, 'venv/bin/python');
  const child = spawn(
    python,
    [join(HARNESS, 'serve-clip-back.py'), index, flags.rows, work, String(BACK_PORT), kind],
    { stdio: 'ignore' },
  );
  for (const until = performance.now() + START_MS; !(await listens(BACK_PORT)); await sleep(500))
    if (child.exitCode !== null || performance.now() > until)
      throw new Error(`clip-retrieval back (${kind}) does not start: ${python}, ${basename(index)}`);
  return { name: `clip-retrieval back, ${kind}`, port: BACK_PORT, child };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function stop({ child }: Server): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill();
  await ended;
}

async function measure(flags: Flags, server: Server, data: string): Promise<Measured> {
  const { name, port, child } = server;
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(HARNESS, 'load.mjs'),
    ...[String(port), join(data, 'queries-text.npy'), String(child.pid), flags.seconds],
  ]);
  const cases = stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): Case => JSON.parse(line));
  return { name, cases, megabytes: residentMB(server) };
}

function residentMB({ child }: Server): number {
  return Math.round(residentBytes(child.pid ?? 0, true).pss / 1e6);
}

async function load(server: Server, options: Omit<LoadOptions, 'port' | 'pid'>): Promise<Load> {
  const asked: LoadOptions = { ...options, port: server.port, pid: server.child.pid ?? 0 };
  const script = join(import.meta.dirname, 'serve-load.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(asked)]);
  return JSON.parse(stdout);
}

async function record(server: Server, data: string, seconds: number): Promise<void> {
  head(
    `32 clients, ${seconds} s`,
    'a second',
    'p50 ms',
    'p99 ms',
    'longest ms',
    'CPU ms',
    'memory MB',
    'failures',
  );
  for (const [ask, k, deduplicate] of [
    ['embedding', 10, false],
    ['embedding', 40, true],
    ['text', 10, false],
    ['new text', 10, false],
  ] as const) {
    const { qps, p50, p99, max, cpuMs, failures } = await load(server, {
      ...{ ask, k, deduplicate, seconds, data },
      clients: 32,
    });
    const name = `${ask}, k = ${k}${deduplicate ? ' with deduplicate' : ''}`;
    row(
      ...[name, qps.toFixed(0), p50.toFixed(1), p99.toFixed(1), max.toFixed(0), cpuMs.toFixed(2)],
      ...[residentMB(server), failures],
    );
  }
}

/** Memory once a minute under the load of 32 clients. */
async function soak(server: Server, data: string, minutes: number): Promise<void> {
  const seen: number[] = [];
  const watch = setInterval(() => seen.push(residentMB(server)), 60_000);
  const { qps, p99, failures } = await load(server, {
    ...{ ask: 'embedding', k: 10, deduplicate: false, data, clients: 32 },
    seconds: 60 * minutes + 1,
  }).finally(() => clearInterval(watch));
  process.stdout.write(
    `\n${minutes} minutes, 32 clients: ${qps.toFixed(0)}/s, p99 ${p99.toFixed(1)} ms, failures ${failures}; MB after each minute: ${seen.join(', ')}\n`,
  );
}

function printCases(all: readonly Measured[]): void {
  head('server', 'k', 'clients', 'a second', 'p50 ms', 'p99 ms', 'CPU ms', 'memory MB', 'failures');
  for (const { name, cases, megabytes } of all)
    for (const { k, deduplicate, clients, qps, p50_ms, p99_ms, server_cpu_ms, failures } of cases)
      row(
        ...[name, deduplicate ? `${k}, deduplicate` : k, clients, qps, p50_ms, p99_ms, server_cpu_ms],
        ...[megabytes, failures],
      );
  const [own, ...backs] = all;
  if (!own || backs.length === 0) return;
  head('32 clients', 'ours', 'best of clip-retrieval back', 'ratio', 'asked');
  const at = ({ cases }: Measured, k: number) => cases.find((one) => one.k === k && one.clients === 32);
  for (const [k, asked] of [
    [10, '≥ 4, p99 < 60 ms'],
    [40, '≥ 3'],
  ] as const) {
    const ours = at(own, k);
    const theirs = backs.map((back) => at(back, k)).toSorted((a, b) => (b?.qps ?? 0) - (a?.qps ?? 0))[0];
    if (ours && theirs)
      row(
        `k = ${k}${ours.deduplicate ? ' with deduplicate' : ''}`,
        `${ours.qps}/s, p99 ${ours.p99_ms} ms`,
        `${theirs.qps}/s, p99 ${theirs.p99_ms} ms`,
        ...[(ours.qps / theirs.qps).toFixed(2), asked],
      );
  }
  const least = Math.min(...backs.map(({ megabytes }) => megabytes));
  row('memory, MB', own.megabytes, least, (own.megabytes / least).toFixed(2), '< 1');
}
