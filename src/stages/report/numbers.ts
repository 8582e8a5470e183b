/** 1234567 as '1,234,567'. */
export function formatCount(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** 0.1234 as '12.3 %'. What is not none or all never reads as none or all. */
export function formatShare(share: number): string {
  if (share > 0 && share < 0.0005) return '<0.1 %';
  if (share < 1 && share >= 0.9995) return '>99.9 %';
  return `${(share * 100).toFixed(1)} %`;
}

/** part / whole to six decimals, and to more where six would read as none or all; 0 where there is no whole. */
export function shareOf(part: number, whole: number): number {
  if (whole === 0) return 0;
  const rounded = roundTo(part / whole, 6);
  return (rounded === 0 && part > 0) || (rounded === 1 && part < whole) ? part / whole : rounded;
}

export function roundTo(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}

/** A value with as many digits as tell something: 0.3142 as '0.314', 512 as '512'. */
export function formatValue(value: number): string {
  return Number.isInteger(value) ? formatCount(value) : String(roundTo(value, 3));
}

/** A cosine in float arithmetic may pass 1 by a rounding error. */
export function clampCosine(similarity: number): number {
  return Math.min(1, Math.max(-1, similarity));
}

/** An amount of money, in whatever currency: what is not nothing never reads as nothing. */
export function formatCost(cost: number): string {
  if (cost > 0 && cost < 0.01) return '<0.01';
  return cost >= 1000 ? formatCount(Math.round(cost)) : cost.toFixed(2);
}

/** Things in a second: three digits are enough. */
export function formatRate(rate: number): string {
  return rate >= 100 ? formatCount(Math.round(rate)) : String(Number(rate.toPrecision(3)));
}
