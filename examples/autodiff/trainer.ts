/** Training: AdamW by a schedule over the steps of a graph, with checkpoints that survive whatever ends the process. */
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { GleanerError } from '../../src/schema/index.ts';
import { AdamW } from './adamw.ts';
import type { Parameters } from './parameters.ts';
import type { RunOptions } from './runtime.ts';
import { type NamedArray, readSafetensors, writeSafetensors } from './safetensors.ts';
import { type BuildLoss, type Feeds, openStep, type Results, type Step } from './step.ts';

export interface Schedule {
  readonly steps: number;
  /** Highest learning rate, reached after `warmUp` steps, then down by a cosine to a twentieth. */
  readonly rate: number;
  readonly warmUp: number;
  /** Weight decay of matrices; vectors have none. */
  readonly decay: number;
  /** Memory of AdamW's second moment. @default .98 */
  readonly beta2?: number;
  /** Longest gradient, over all weights together; longer ones are shortened. @default 1 */
  readonly clip?: number;
}

/** Learning rate at a step, from 0. */
export function rateAt(step: number, { steps, rate, warmUp }: Schedule): number {
  if (step < warmUp) return (rate * (step + 1)) / warmUp;
  const done = (step - warmUp) / Math.max(1, steps - warmUp);
  return rate * (0.05 + 0.95 * (0.5 + 0.5 * Math.cos(Math.PI * done)));
}

/** A curve: what was noted under a name, by step. */
export type Curves = Readonly<Record<string, readonly (readonly [step: number, value: number])[]>>;

export interface TrainerOptions extends RunOptions {
  readonly build: BuildLoss;
  readonly parameters: Parameters;
  readonly schedule: Schedule;
  /** Checkpoint; without one nothing is kept. */
  readonly path?: string;
  /** All that decides about the result, as JSON: a checkpoint of another is refused. */
  readonly recipe: unknown;
  /** Seconds between checkpoints. @default 60 */
  readonly every?: number;
}

/** What one step came to. */
export interface StepReport {
  /** From 1. */
  readonly step: number;
  readonly loss: number;
  readonly rate: number;
  /** Length of the gradient over all weights, before it was shortened. */
  readonly norm: number;
  readonly outputs: Results;
}

const Meta = z.object({
  recipe: z.unknown(),
  step: z.int().nonnegative(),
  data: z.unknown().optional(), // left out of the JSON where nothing was given
  curves: z.record(z.string(), z.array(z.tuple([z.number(), z.number()]))),
  seconds: z.number(),
});

/** A loss above this many times the first, for this many steps on end, is taken for exploding. */
const EXPLODED = 3;
const PATIENCE = 50;
/** Most points of a curve: beyond them pairs of neighbours become one. */
const MAX_POINTS = 2000;

function halved(points: readonly [number, number][]): [number, number][] {
  return points.flatMap(([step, value], i) => {
    const next = points[i + 1];
    if (i % 2 === 1) return [];
    return [next ? [next[0], (value + next[1]) / 2] : [step, value]];
  });
}

export class Trainer implements AsyncDisposable {
  readonly parameters: Parameters;
  readonly #step: Step;
  readonly #options: TrainerOptions;
  readonly #optimizers: readonly { readonly name: string; readonly adamW: AdamW }[];
  #done = 0;
  #data: unknown;
  #curves: Record<string, [number, number][]> = {};
  #earlierSeconds = 0;
  readonly #began = performance.now();
  #saved = performance.now();
  #first: number | undefined;
  #above = 0;

  private constructor(options: TrainerOptions, step: Step) {
    const { parameters, schedule } = options;
    this.parameters = parameters;
    this.#step = step;
    this.#options = options;
    this.#optimizers = [...step.gradients.keys()].map((name) => {
      const { value, shape } = parameters.get(name);
      const decay = shape.length > 1 ? schedule.decay : 0;
      return { name, adamW: new AdamW(value, { beta1: 0.9, beta2: schedule.beta2 ?? 0.98, decay }) };
    });
  }

  /**
   * Opens a training, where its checkpoint is if there is one.
   * @throws GleanerError RUN_MISMATCH where that is of another recipe; TRAINING_FAILED where it is damaged
   */
  static async open(options: TrainerOptions): Promise<Trainer> {
    const trainer = new Trainer(options, await openStep(options.build, options.parameters, options));
    if (options.path !== undefined && existsSync(options.path)) trainer.#load(options.path);
    return trainer;
  }

  /** Steps that are done. */
  get step(): number {
    return this.#done;
  }

  get finished(): boolean {
    return this.#done >= this.#options.schedule.steps;
  }

  /** What was given with the last step: where the data went on. */
  get data(): unknown {
    return this.#data;
  }

  /** Noted by hand; `loss` by each step. */
  get curves(): Curves {
    return this.#curves;
  }

  /** Of training, over all processes that took part. */
  get seconds(): number {
    return this.#earlierSeconds + (performance.now() - this.#began) / 1000;
  }

  /** The optimizer's memory of a weight: whoever overwrites a part of the weight forgets that part. */
  forget(name: string, start: number, end: number): void {
    this.#optimizers.find((optimizer) => optimizer.name === name)?.adamW.forget(start, end);
  }

  /** Adds a point to a curve. */
  note(name: string, value: number): void {
    const points = this.#curves[name] ?? [];
    points.push([this.#done, value]);
    this.#curves[name] = points.length > MAX_POINTS ? halved(points) : points;
  }

  /**
   * One step on a batch.
   * @param data where the data goes on behind this batch, as JSON
   * @param finish what belongs to the step, notes and changes to weights: done before a checkpoint is written
   * @throws GleanerError TRAINING_FAILED where the loss is no number any more or explodes; the last checkpoint stays
   */
  async take(
    feeds: Feeds,
    data: unknown = undefined,
    finish?: (report: StepReport) => unknown,
  ): Promise<StepReport> {
    const { schedule } = this.#options;
    const { loss, outputs } = await this.#step.run(feeds);
    const norm = this.#norm();
    this.#check(loss, norm);
    const rate = rateAt(this.#done, schedule);
    const scale = Math.min(1, (schedule.clip ?? 1) / norm);
    for (const { name, adamW } of this.#optimizers) adamW.step(this.#step.gradients.get(name)!, rate, scale);
    this.#done += 1;
    this.#data = data;
    this.note('loss', loss);
    const report = { step: this.#done, loss, rate, norm, outputs };
    await finish?.(report);
    const { every = 60 } = this.#options;
    if (this.finished || performance.now() - this.#saved >= 1000 * every) this.save();
    return report;
  }

  /** Writes the checkpoint. */
  save(): void {
    const { path, recipe, parameters } = this.#options;
    this.#saved = performance.now();
    if (path === undefined) return;
    mkdirSync(dirname(path), { recursive: true });
    const meta = { recipe, step: this.#done, data: this.#data, curves: this.#curves, seconds: this.seconds };
    const moments = this.#optimizers.flatMap(({ name, adamW }): NamedArray[] => {
      const { shape } = parameters.get(name);
      return [
        { name: `adamw.mean.${name}`, shape, value: adamW.mean },
        { name: `adamw.square.${name}`, shape, value: adamW.square },
      ];
    });
    writeSafetensors(path, [...parameters.all(), ...moments], { gleaner: JSON.stringify(meta) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#step.close();
  }

  #load(path: string): void {
    const { recipe, parameters } = this.#options;
    const { metadata, arrays } = readSafetensors(path);
    const meta = Meta.safeParse(JSON.parse(metadata.gleaner ?? 'null'));
    if (!meta.success || !isDeepStrictEqual(meta.data.recipe, JSON.parse(JSON.stringify(recipe))))
      throw new GleanerError('RUN_MISMATCH', { path, what: 'recipe' });
    const { step, data, curves, seconds } = meta.data;
    const fill = (name: string, value: Float32Array) => {
      const saved = arrays.get(name);
      if (saved?.value.length !== value.length)
        throw new GleanerError('RUN_MISMATCH', { path, what: `shape of ${name}` });
      value.set(saved.value);
    };
    for (const { name, value } of parameters.all()) fill(name, value);
    for (const { name, adamW } of this.#optimizers) {
      fill(`adamw.mean.${name}`, adamW.mean);
      fill(`adamw.square.${name}`, adamW.square);
      adamW.steps = step;
    }
    this.#done = step;
    this.#data = data;
    this.#curves = curves;
    this.#earlierSeconds = seconds;
    this.#first = curves.loss?.[0]?.[1];
  }

  #norm(): number {
    let sum = 0;
    for (const gradient of this.#step.gradients.values())
      for (let i = 0; i < gradient.length; i++) sum += gradient[i]! * gradient[i]!;
    return Math.sqrt(sum);
  }

  #check(loss: number, norm: number): void {
    const { path, schedule } = this.#options;
    const step = this.#done + 1;
    this.#first ??= loss;
    this.#above = loss > EXPLODED * this.#first ? this.#above + 1 : 0;
    const problem = !Number.isFinite(loss)
      ? `the loss is ${loss}`
      : !Number.isFinite(norm)
        ? `the gradient is ${norm}`
        : this.#above >= PATIENCE
          ? `the loss has been over ${EXPLODED} times its first value (${this.#first.toPrecision(3)}) for ${PATIENCE} steps`
          : undefined;
    if (problem === undefined) return;
    const kept = path !== undefined && existsSync(path) ? ` ${path} is of before.` : '';
    throw new GleanerError('TRAINING_FAILED', {
      what: `step ${step}`,
      problem,
      hint: `Try a learning rate below ${schedule.rate}, or look at the data of this step.${kept}`,
    });
  }
}
