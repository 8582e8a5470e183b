import { hash } from 'node:crypto';

/** An honest shard is refused by chance in fewer cases than this, for each thing that is counted. */
const CHANCE = 1e-4;

/**
 * Whether so many of a sample are more than chance explains: their binomial tail P(X >= found) at the share that honest
 * shards have is below 1 in 10,000.
 *
 * @param share that is expected, 0 to 1
 */
export function tooMany(found: number, sampled: number, share: number): boolean {
  return tail(found, sampled, share) < CHANCE;
}

/** P(X >= k) of a binomial distribution. @param n below 5,000: its least probability is still a number then */
function tail(k: number, n: number, p: number): number {
  let probability = (1 - p) ** n;
  let below = 0;
  for (let x = 0; x < k; x++) {
    below += probability;
    probability *= ((n - x) / (x + 1)) * (p / (1 - p));
  }
  return Math.max(0, 1 - below);
}

/**
 * So many different numbers below `of`; the same for the same seed, and nobody who does not know it can tell them before.
 */
export function drawNumbers(count: number, of: number, seed: string): ReadonlySet<number> {
  const drawn = new Set<number>();
  // Floyd's: each draw adds one number.
  for (let j = of - Math.min(count, of); j < of; j++) {
    // 48 bits: what the remainder favours is below one in a billion.
    const t = hash('sha256', `${seed}/${j}`, 'buffer').readUIntBE(0, 6) % (j + 1);
    drawn.add(drawn.has(t) ? j : t);
  }
  return drawn;
}
