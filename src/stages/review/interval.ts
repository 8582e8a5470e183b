/** Quantile of the normal distribution for two-sided intervals of 95 %. */
const Z = 1.959963984540054;

/** Limits of 95 %, both within what the number can be. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** `yes` of `judged` pairs, drawn without replacement from `pairs`. */
export interface Draw {
  readonly yes: number;
  readonly judged: number;
  readonly pairs: number;
}

/**
 * Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927; recommended for small samples by Brown, Cai and
 * DasGupta, Statistical Science 16, 2001). Of a finite number of pairs the sample counts as n (N − 1) / (N − n), since
 * the variance of its share is smaller by the reciprocal (Cochran, Sampling Techniques, 1977, section 2.6); the limits are
 * then taken outward to whole pairs, and no further than the pairs that are not judged can change. Where all have been
 * judged nothing is left open.
 *
 * @param draw judged at least 1; `pairs` may be infinite
 */
export function wilson({ yes, judged, pairs }: Draw): Interval {
  const share = yes / judged;
  if (judged >= pairs) return { low: share, high: share };
  const n = Number.isFinite(pairs) ? (judged * (pairs - 1)) / (pairs - judged) : judged;
  const middle = (share + Z ** 2 / (2 * n)) / (1 + Z ** 2 / n);
  const half = (Z / (1 + Z ** 2 / n)) * Math.sqrt((share * (1 - share)) / n + Z ** 2 / (4 * n ** 2));
  // At none and at all the limit is none or all, which sums of floating-point numbers may miss.
  const low = yes === 0 ? 0 : middle - half;
  const high = yes === judged ? 1 : middle + half;
  if (!Number.isFinite(pairs)) return { low, high };
  return {
    low: Math.max(yes, Math.floor(low * pairs)) / pairs,
    high: Math.min(yes + pairs - judged, Math.ceil(high * pairs)) / pairs,
  };
}

/** A share that is known by a draw of its own, times `weight`, which may be negative. */
export interface Term {
  readonly weight: number;
  readonly draw: Draw;
}

export interface Estimated extends Interval {
  readonly value: number;
}

/**
 * A weighted sum of independent shares, with the interval of Zou, Huang and Zhang (Computational Statistics & Data
 * Analysis 53, 2009): what each share's own limits are away from it is summed as variances are. The interval of one term
 * is Wilson's; of two with the weights 1 and −1 it is Newcombe's for a difference (Statistics in Medicine 17, 1998,
 * p. 873, method 10). Unlike a normal interval it does not shrink to nothing where all judgements of a draw agree.
 */
export function weightedSum(terms: readonly Term[]): Estimated {
  let [value, below, above] = [0, 0, 0];
  for (const { weight, draw } of terms) {
    const share = draw.yes / draw.judged;
    const { low, high } = wilson(draw);
    const [down, up] = [weight * (share - low), weight * (high - share)];
    value += weight * share;
    below += (weight < 0 ? up : down) ** 2;
    above += (weight < 0 ? down : up) ** 2;
  }
  return { value, low: value - Math.sqrt(below), high: value + Math.sqrt(above) };
}

/** Halvings that come to the last bit of a share. */
const HALVINGS = 54;

/**
 * The share A / (A + B) of two weighted sums of positive weights. A share r is within the interval where that of
 * (1 − r) A − r B holds 0: Fieller's way, with the limits of `weightedSum`.
 *
 * @returns null where both are 0: nothing was found that could be shared
 */
export function shareOfSums(a: readonly Term[], b: readonly Term[]): Estimated | null {
  const [part, rest] = [weightedSum(a).value, weightedSum(b).value];
  if (part + rest === 0) return null;
  const value = part / (part + rest);
  const at = (r: number) =>
    weightedSum([
      ...a.map((term) => ({ ...term, weight: term.weight * (1 - r) })),
      ...b.map((term) => ({ ...term, weight: term.weight * -r })),
    ]);
  return {
    value,
    low: lastTrue(value, 0, (r) => at(r).low <= 0),
    high: lastTrue(value, 1, (r) => at(r).high >= 0),
  };
}

/** From `inside`, where `holds`, towards `outside`: the last number where it does. */
function lastTrue(inside: number, outside: number, holds: (r: number) => boolean): number {
  if (holds(outside)) return outside;
  let [near, far] = [inside, outside];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (near + far) / 2;
    if (holds(middle)) near = middle;
    else far = middle;
  }
  return near;
}
