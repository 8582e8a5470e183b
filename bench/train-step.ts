import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import {
  causalMask,
  crossEntropy,
  gather,
  linear,
  normal,
  openStep,
  Parameters,
  transformer,
} from '../examples/autodiff/index.ts';
import { head, row } from './table.ts';

/** A GPT as that of examples/train-dalle: 3.7 million weights, 1,536 tokens a step. */
const SHAPE = { batch: 16, tokens: 96, width: 256, heads: 4, layers: 4, vocabulary: 1024 } as const;

/** One step, forward and backward. */
interface Timed {
  readonly loss: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function own(steps: number, threads: number): Promise<Timed[]> {
  const { batch, tokens, width, heads, layers, vocabulary } = SHAPE;
  const rows = batch * tokens;
  const step = await openStep(
    (g) => {
      const [ids, labels] = [g.input('ids', [batch, tokens], 'int64'), g.input('labels', [rows], 'int64')];
      const places = g.parameter('places', [tokens, width], normal(0.02));
      const x = gather(g.parameter('tokens', [vocabulary, width], normal(0.02)), ids).add(places);
      const y = transformer(x, 'gpt', { layers, heads, mask: causalMask(x, tokens) });
      return {
        loss: crossEntropy(linear(y, 'head', vocabulary).reshape([rows, vocabulary]), labels).meanAll(),
      };
    },
    new Parameters(1),
    { threads },
  );
  const numbers = (factor: number) =>
    BigInt64Array.from({ length: rows }, (_, i) => BigInt((i * factor) % vocabulary));
  const feeds = { ids: numbers(7919), labels: numbers(104_729) };
  const timed: Timed[] = [];
  for (let i = 0; i < steps; i++) {
    const [cpu, began] = [process.cpuUsage(), performance.now()];
    const { loss } = await step.run(feeds);
    const { user, system } = process.cpuUsage(cpu);
    timed.push({ loss, seconds: (performance.now() - began) / 1000, cpuSeconds: (user + system) / 1e6 });
  }
  await step.close();
  return timed;
}

async function peer(command: string, args: readonly string[]): Promise<Timed[]> {
  const env = { ...process.env, SHAPE: JSON.stringify(SHAPE) };
  const { stdout } = await promisify(execFile)(command, args, { env });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Timed);
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/**
 * A training step, forward and backward, beside PyTorch and jax-js, in turns. `--python` names a Python with torch, `--jax` the folder of
 * the package `@jax-js/jax` (`npm install @jax-js/jax` in an empty folder); what is not named is left out.
 */
export async function bench(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      python: { type: 'string' },
      jax: { type: 'string' },
      steps: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const [steps, rounds] = [Number(values.steps), Number(values.rounds)];
  const ways: Record<string, () => Promise<Timed[]>> = {};
  for (const threads of [1, 2]) ways[`ours, threads: ${threads}`] = () => own(steps, threads);
  const { python, jax } = values;
  if (python !== undefined) {
    for (const threads of [1, 2]) {
      const script = join(import.meta.dirname, 'train-step.py');
      ways[`PyTorch, threads: ${threads}`] = () => peer(python, [script, String(steps), String(threads)]);
    }
  } else process.stdout.write('without PyTorch: name a Python that has it by --python\n');
  if (jax !== undefined && existsSync(jax)) {
    const script = join(import.meta.dirname, 'train-step-jax.mjs');
    ways['jax-js, one thread'] = () => peer(process.execPath, [script, resolve(jax), String(steps)]);
  } else process.stdout.write('without jax-js: name its folder by --jax\n');
  const found = new Map(Object.keys(ways).map((name) => [name, [] as Timed[]]));
  // The first two steps of each make what later ones use.
  for (let round = 0; round < rounds; round++)
    for (const [name, run] of Object.entries(ways)) found.get(name)?.push(...(await run()).slice(2));
  head('median of a step', 'CPU-ms', 'wall ms', 'loss at first');
  for (const [name, timed] of found) {
    const of = (key: 'cpuSeconds' | 'seconds') => Math.round(1000 * median(timed.map((t) => t[key])));
    row(name, of('cpuSeconds'), of('seconds'), timed[0]?.loss.toFixed(3) ?? '');
  }
}
