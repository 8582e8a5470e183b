import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type BuildLoss, normal, Parameters, Trainer, zeros } from '../../examples/autodiff/index.ts';
import { readSafetensors } from '../../examples/autodiff/safetensors.ts';
import { rateAt } from '../../examples/autodiff/trainer.ts';

const SCHEDULE = { steps: 60, rate: 0.2, warmUp: 5, decay: 0 };

/** A line through points: y = 2 x − 1. */
const line: BuildLoss = (g) => {
  const [x, y] = [g.input('x', [8, 1]), g.input('y', [8, 1])];
  const w = g.parameter('w', [1, 1], normal(0.1));
  return {
    loss: x
      .matMul(w)
      .add(g.parameter('b', [1], zeros))
      .sub(y)
      .square()
      .meanAll(),
  };
};
const pointsOf = (step: number) => {
  const x = Float32Array.from({ length: 8 }, (_, i) => Math.sin(step * 8 + i));
  return { x, y: x.map((v) => 2 * v - 1) };
};
const open = (path?: string, recipe = 'line', { steps = SCHEDULE.steps, every = 60 } = {}) =>
  Trainer.open({
    build: line,
    parameters: new Parameters(3),
    schedule: { ...SCHEDULE, steps },
    ...{ recipe, every },
    ...(path !== undefined && { path }),
  });
async function go(trainer: Trainer, until: number): Promise<number[]> {
  const losses: number[] = [];
  while (trainer.step < until) losses.push((await trainer.take(pointsOf(trainer.step), trainer.step)).loss);
  return losses;
}
const folder = () => mkdtemp(join(tmpdir(), 'gleaner-trainer-'));

it('finds the line, and goes on from its checkpoint as if nothing had been', async () => {
  const path = join(await folder(), 'line.safetensors');
  await using whole = await open();
  const losses = await go(whole, 60);
  expect(whole.finished).toBe(true);
  expect(losses.at(-1)).toBeLessThan(losses[0]! / 100);

  await using first = await open(path);
  await go(first, 20);
  first.save();
  await go(first, 23); // lost: the process ends here
  await using second = await open(path);
  expect([second.step, second.data, second.curves.loss?.length]).toEqual([20, 19, 20]);
  expect(await go(second, 60)).toEqual(losses.slice(20));
  for (const { name, value } of whole.parameters.all())
    expect([...second.parameters.get(name).value]).toEqual([...value]);
  expect(readSafetensors(path).arrays.get('w')?.value).toEqual(whole.parameters.get('w').value);
});

it('keeps with a step what finished it, the last one too', async () => {
  const path = join(await folder(), 'line.safetensors');
  await using first = await open(path, 'line', { steps: 1, every: 3600 });
  const noted = await first.take(pointsOf(0), 0, ({ step }) => {
    first.parameters.get('w').value[0] = 7;
    first.note('seen', step);
  });
  expect([noted.step, first.finished]).toEqual([1, true]);
  await using second = await open(path, 'line', { steps: 1 });
  expect([second.parameters.get('w').value[0], second.curves.seen]).toEqual([7, [[1, 1]]]);
});

it('goes on where steps said nothing of their data', async () => {
  const path = join(await folder(), 'line.safetensors');
  await using first = await open(path);
  await first.take(pointsOf(0));
  first.save();
  await using second = await open(path);
  expect([second.step, second.data]).toEqual([1, undefined]);
});

it('writes what the format says: a header as long as its first eight bytes say, then the numbers', async () => {
  const path = join(await folder(), 'line.safetensors');
  await using trainer = await open(path);
  trainer.save();
  const bytes = await readFile(path);
  const length = Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length));
  expect(header.w).toEqual({ dtype: 'F32', shape: [1, 1], data_offsets: [0, 4] });
  expect(bytes.readFloatLE(8 + length)).toBe(trainer.parameters.get('w').value[0]);
  expect((8 + length) % 8).toBe(0);
});

it('stops where the loss is no number, and keeps the checkpoint of before', async () => {
  const path = join(await folder(), 'line.safetensors');
  await using trainer = await open(path);
  await go(trainer, 3);
  trainer.save();
  const before = await readFile(path);
  const broken = { ...pointsOf(3), y: new Float32Array(8).fill(Number.NaN) };
  await expect(trainer.take(broken)).rejects.toThrow(
    /^step 4: the loss is NaN\. Try a learning rate below 0\.2.*is of before/,
  );
  expect(await readFile(path)).toEqual(before);
  expect(trainer.step).toBe(3);
});

it('stops where the loss explodes, but not for a few bad steps', async () => {
  await using trainer = await open();
  const far = () => ({ ...pointsOf(trainer.step), y: new Float32Array(8).fill(1000) });
  await go(trainer, 1);
  for (let i = 0; i < 49; i++) await trainer.take(far());
  await expect(trainer.take(far())).rejects.toThrow(/over 3 times its first value .* for 50 steps/);
});

it('refuses a checkpoint of another recipe, and one that is damaged', async () => {
  const path = join(await folder(), 'line.safetensors');
  await using trainer = await open(path);
  trainer.save();
  await expect(open(path, 'another')).rejects.toThrow('holds a run with another recipe');
  const bytes = await readFile(path);
  for (const length of [0, 5, 40, bytes.length - 1]) {
    await writeFile(path, bytes.subarray(0, length));
    await expect(open(path), `${length} bytes`).rejects.toMatchObject({ code: 'TRAINING_FAILED' });
  }
});

it('warms up, then goes down by a cosine to a twentieth', () => {
  const schedule = { steps: 110, rate: 1, warmUp: 10, decay: 0 };
  expect([0, 4, 9].map((step) => rateAt(step, schedule))).toEqual([0.1, 0.5, 1]);
  expect(rateAt(60, schedule)).toBeCloseTo(0.525);
  expect(rateAt(110, schedule)).toBeCloseTo(0.05);
});
