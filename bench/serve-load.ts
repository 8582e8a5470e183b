/**
 * Clients that ask a /knn-service of this machine, each one request after the other, in a process of their own:
 * `node bench/serve-load.ts JSON` prints what came of it as JSON. As load.mjs of ../shared/peers/knn, and texts too.
 */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { queriesOf } from './knn-data.ts';

/** Texts that are asked again and again. */
const TEXTS = 1000;

export interface LoadOptions {
  readonly port: number;
  /** Of the server: its CPU time is read from /proc. */
  readonly pid: number;
  /** What is asked: vectors of DATA/queries-text.npy, the same 1,000 texts, or texts that were never asked before. */
  readonly ask: 'embedding' | 'text' | 'new text';
  readonly data: string;
  readonly clients: number;
  readonly k: number;
  readonly deduplicate: boolean;
  readonly seconds: number;
}

export interface Load {
  readonly qps: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Of the server, a request. */
  readonly cpuMs: number;
  /** Answers that were not 200, or not there. */
  readonly failures: number;
}

if (process.argv[1] === import.meta.filename)
  process.stdout.write(JSON.stringify(await load(JSON.parse(process.argv[2] ?? ''))));

async function load({ port, pid, ask, data, clients, k, deduplicate, seconds }: LoadOptions): Promise<Load> {
  const vectors = ask === 'embedding' ? await queriesOf(data, 'text', TEXTS) : [];
  const bodyOf = (query: object) =>
    Buffer.from(
      JSON.stringify({
        ...query,
        modality: 'image',
        num_images: k,
        num_result_ids: k,
        indice_name: 'bench',
        deduplicate,
      }),
    );
  const first = Math.floor(Math.random() * 1e9);
  const textOf = (n: number) => ({ text: `a photo of thing ${n} beside a red house, place ${n % 997}` });
  const bodies =
    vectors.length > 0
      ? vectors.map((vector) => bodyOf({ embedding_input: [...vector] }))
      : Array.from({ length: TEXTS }, (_, n) => bodyOf(textOf(n)));
  const body = (n: number) => (ask === 'new text' ? bodyOf(textOf(first + n)) : bodies[n % bodies.length]);
  const agent = new Agent({ keepAlive: true, maxSockets: 2 * clients });
  // What is asked again and again has been asked before.
  if (ask === 'text') for (let n = 0; n < TEXTS; n++) await post(agent, port, bodies[n]);
  const times: number[] = [];
  let [next, failures] = [0, 0];
  const cpu = cpuOf(pid);
  const began = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (performance.now() - began < seconds * 1000) {
        const asked = performance.now();
        if ((await post(agent, port, body(next++))) === 200) times.push(performance.now() - asked);
        else failures++;
      }
    }),
  );
  const wall = (performance.now() - began) / 1000;
  const used = cpuOf(pid) - cpu;
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
  return {
    qps: times.length / wall,
    p50: at(0.5),
    p99: at(0.99),
    max: at(1),
    cpuMs: (1000 * used) / times.length,
    failures,
  };
}

/** @returns the status; 0 where no whole answer came */
function post(agent: Agent, port: number, body: Buffer | undefined): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json', 'content-length': body?.length ?? 0 };
    const sent = request(
      { host: '127.0.0.1', port, path: '/knn-service', method: 'POST', agent, headers },
      (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode ?? 0)).on('error', () => resolve(0));
      },
    );
    sent.on('error', () => resolve(0));
    sent.end(body);
  });
}

/** User and system time of a process with its threads, in seconds. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  // In hundredths of a second: USER_HZ, proc(5).
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
