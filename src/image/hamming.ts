/** Ones of 32 bits (Hacker's Delight, 5-1). */
export function countBits(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** All patterns of `width` bits with so many ones at most, the one without any first. */
export function bitFlips(width: number, most: number): readonly number[] {
  const flips = [0];
  for (let bit = 0, done = 1; bit < width; bit++, done = flips.length)
    for (let i = 0; i < done; i++) {
      const flip = (flips[i] ?? 0) | (1 << bit);
      if (countBits(flip) <= most) flips.push(flip);
    }
  return flips;
}
