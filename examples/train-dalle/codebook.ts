/** Which codes are used, and new places for those that are not. */
import { normal, type Parameters, Rng, seedOf, type Trainer, zeros } from '../autodiff/index.ts';
import { CODEBOOK, type VqSize } from './model.ts';

/** Part of the past that stays with each step. */
const MEMORY = 0.99;
/** A code that is used less than this share of its even share is dead. */
const DEAD = 0.03;
const USAGE = 'vq.codebook.usage';

/**
 * How often each code is used, as a moving share. Kept among the parameters, so that a checkpoint has it; no loss
 * depends on it.
 */
export class Codebook {
  readonly #parameters: Parameters;
  readonly #size: VqSize;

  constructor(parameters: Parameters, size: VqSize) {
    this.#parameters = parameters;
    this.#size = size;
    parameters.ensure(CODEBOOK, [size.codes, size.dims], normal(1));
    parameters.ensure(USAGE, [size.codes], zeros);
  }

  /** Counts the codes of one batch. */
  count(codes: ArrayLike<number | bigint>): void {
    const usage = this.#parameters.get(USAGE).value;
    for (let i = 0; i < usage.length; i++) usage[i]! *= MEMORY;
    const share = (1 - MEMORY) / codes.length;
    for (let i = 0; i < codes.length; i++) usage[Number(codes[i])]! += share;
  }

  /** e to the entropy of usage: as many codes, all used alike, would say as much. */
  perplexity(): number {
    const usage = this.#parameters.get(USAGE).value;
    const sum = usage.reduce((a, b) => a + b, 0);
    return Math.exp(-usage.reduce((h, u) => (u > 0 ? h + (u / sum) * Math.log(u / sum) : h), 0));
  }

  /**
   * Puts dead codes where latents of the last batch are, and forgets how they moved before.
   * @param latents [m, dims] @returns how many were dead
   */
  restart(trainer: Trainer, latents: Float32Array, seed: number): number {
    const { codes, dims } = this.#size;
    const { value } = this.#parameters.get(CODEBOOK);
    const usage = this.#parameters.get(USAGE).value;
    const rng = new Rng(seedOf('restart', seed, trainer.step));
    let dead = 0;
    for (let code = 0; code < codes; code++) {
      if (usage[code]! >= DEAD / codes) continue;
      const from = rng.int(latents.length / dims) * dims;
      value.set(latents.subarray(from, from + dims), code * dims);
      trainer.forget(CODEBOOK, code * dims, (code + 1) * dims);
      usage[code] = 1 / codes; // as if used evenly: it has time to find its place
      dead += 1;
    }
    return dead;
  }
}
