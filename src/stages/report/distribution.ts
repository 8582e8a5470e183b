import { roundTo } from './numbers.ts';
import type { Distribution, Quantiles } from './statistics.ts';

/** Which values a column can have, and how finely they are told apart. */
export interface Scale {
  /** Edges of the histogram's bins, ascending. */
  readonly edges: readonly number[];
  /** Quantiles are read from steps of 1 / `perUnit`, from `lower` on, `steps` of them; more than that is the maximum. */
  readonly lower: number;
  readonly perUnit: number;
  readonly steps: number;
}

/** Cosines: bins of 0.01. */
export const SIMILARITY_SCALE: Scale = {
  edges: Array.from({ length: 201 }, (_, i) => (i - 100) / 100),
  lower: -1,
  perUnit: 10_000,
  steps: 20_000,
};

/** Counts and pixels: two bins an octave, at whole numbers; 65,535 is JPEG's largest side. */
export const INTEGER_SCALE: Scale = {
  edges: [...new Set(Array.from({ length: 33 }, (_, i) => Math.round(2 ** (i / 2))))],
  lower: 0,
  perUnit: 1,
  steps: 65_536,
};

/** Width by height: four bins an octave; the one of square images reaches from 0.917 to 1.091. */
export const ASPECT_SCALE: Scale = {
  edges: Array.from({ length: 34 }, (_, i) => roundTo(2 ** ((2 * i - 33) / 8), 3)),
  lower: 0,
  perUnit: 1_000,
  steps: 20_000,
};

/** Counts values in bins and in fine steps, in memory that does not grow with their number. */
export class DistributionCounter {
  readonly #scale: Scale;
  readonly #bins: Float64Array;
  readonly #fine: Float64Array;
  /** The bin of each step, which saves searching for it; MIXED where an edge lies within a step. */
  readonly #binOfStep: Int16Array;
  #below = 0;
  #above = 0;
  #n = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  constructor(scale: Scale) {
    this.#scale = scale;
    this.#bins = new Float64Array(scale.edges.length - 1);
    this.#fine = new Float64Array(scale.steps + 1);
    this.#binOfStep = binsOfSteps(scale);
  }

  add(value: number): void {
    this.#n++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    const step = this.#stepOf(value);
    this.#fine[step] = (this.#fine[step] ?? 0) + 1;
    const bin = this.#binOfStep[step] ?? MIXED;
    this.#count(bin === MIXED ? binOf(this.#scale.edges, value) : bin);
  }

  #count(bin: number): void {
    if (bin < 0) this.#below++;
    else if (bin >= this.#bins.length) this.#above++;
    else this.#bins[bin] = (this.#bins[bin] ?? 0) + 1;
  }

  distribution(): Distribution {
    const { edges } = this.#scale;
    const first = this.#bins.findIndex((n) => n > 0);
    const last = this.#bins.findLastIndex((n) => n > 0);
    const some = this.#n > 0;
    return {
      n: this.#n,
      min: some ? this.#min : null,
      max: some ? this.#max : null,
      mean: some ? roundTo(this.#sum / this.#n, 6) : null,
      quantiles: some ? this.#quantiles() : null,
      quintiles: some ? [20, 40, 60, 80].map((percent) => this.#quantile(percent)) : null,
      edges: first < 0 ? [] : edges.slice(first, last + 2),
      counts: first < 0 ? [] : [...this.#bins.slice(first, last + 1)],
      below: this.#below,
      above: this.#above,
    };
  }

  #stepOf(value: number): number {
    const { lower, perUnit, steps } = this.#scale;
    const edge = (i: number) => (lower * perUnit + i) / perUnit;
    let step = Math.min(steps, Math.max(0, Math.floor((value - lower) * perUnit)));
    // The product may be a rounding error away from the edge that the value stands on.
    if (step > 0 && value < edge(step)) step--;
    else if (step < steps && value >= edge(step + 1)) step++;
    return step;
  }

  #quantiles(): Quantiles {
    const at = (p: number) => this.#quantile(p);
    return { p1: at(1), p5: at(5), p25: at(25), p50: at(50), p75: at(75), p95: at(95), p99: at(99) };
  }

  /** Nearest rank. `percent` is whole, so that the rank of a whole number of values is exact. */
  #quantile(percent: number): number {
    const { lower, perUnit, steps } = this.#scale;
    const rank = Math.max(1, Math.ceil((percent * this.#n) / 100));
    let seen = 0;
    for (let step = 0; step < steps; step++) {
      seen += this.#fine[step] ?? 0;
      if (seen >= rank) return Math.max(this.#min, (lower * perUnit + step) / perUnit);
    }
    return this.#max;
  }
}

/** No bin: the values of a step lie in several. */
const MIXED = -2;

const KNOWN = new WeakMap<Scale, Int16Array>();

function binsOfSteps(scale: Scale): Int16Array {
  let bins = KNOWN.get(scale);
  if (!bins) {
    bins = Int16Array.from({ length: scale.steps + 1 }, (_, step) => binOfStep(scale, step));
    KNOWN.set(scale, bins);
  }
  return bins;
}

function binOfStep({ edges, lower, perUnit, steps }: Scale, step: number): number {
  // The first step has all values below it too, the last one all above.
  if (step === 0 || step === steps) return MIXED;
  const from = (lower * perUnit + step) / perUnit;
  const to = (lower * perUnit + step + 1) / perUnit;
  const isParted = from === edges.at(-1) || edges.some((edge) => from < edge && edge < to);
  return isParted ? MIXED : binOf(edges, from);
}

/** The bin of a value: -1 below the first, `edges.length - 1` above the last, whose upper edge is its own. */
function binOf(edges: readonly number[], value: number): number {
  const bins = edges.length - 1;
  if (value === edges[bins]) return bins - 1;
  let low = -1;
  let high = edges.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((edges[middle] ?? Number.POSITIVE_INFINITY) <= value) low = middle;
    else high = middle;
  }
  return low;
}
