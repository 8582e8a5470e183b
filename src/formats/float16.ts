/** IEEE 754 binary16, rounded to nearest, ties to even; overflow gives infinity, every NaN gives 0x7e00. */

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The half nearest to a number, as its 16 bits. A number that is no float32 is rounded to one first. */
function halfBits(value: number): number {
  float[0] = value;
  const x = bits[0] ?? 0;
  const sign = (x >>> 16) & 0x8000;
  const magnitude = x & 0x7fffffff;
  if (magnitude > 0x7f800000) return 0x7e00;
  // From 65,520 on, half-way between the largest half and the next power of two, everything is infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Normal halves begin at 2^-14: move the exponent's bias from 127 to 15, then round 13 bits away.
  if (magnitude >= 0x38800000) {
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded - 0x38000000) >>> 13);
  }
  // At most half of the least subnormal (2^-25) is zero, the tie included.
  if (magnitude <= 0x33000000) return sign;
  const shift = 126 - (magnitude >>> 23);
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const half = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return sign | (half + (rest > tie || (rest === tie && (half & 1) === 1) ? 1 : 0));
}

const VALUES = new Float32Array(65_536);
for (let h = 0; h < VALUES.length; h++) {
  const exponent = (h >>> 10) & 0x1f;
  const fraction = h & 0x3ff;
  const magnitude =
    exponent === 0x1f
      ? fraction === 0
        ? Number.POSITIVE_INFINITY
        : Number.NaN
      : exponent === 0
        ? fraction * 2 ** -24
        : (1024 + fraction) * 2 ** (exponent - 25);
  VALUES[h] = h & 0x8000 ? -magnitude : magnitude;
}

/** float32 to float16, as the bits of each half. */
export function toFloat16(values: Float32Array): Uint16Array {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = halfBits(values[i] ?? 0);
  return halves;
}

/** float16, given as the bits of each half, to float32: exact. */
export function toFloat32(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = VALUES[halves[i] ?? 0] ?? 0;
  return values;
}
