/** Buffers that are kept for the next picture, at most: as many pictures as a process works on at once. */
const KEPT = 8;
/** Larger ones are not kept: a picture of 5 megapixels in RGB, which few on the web exceed. */
const MAX_KEPT_BYTES = 16 << 20;
/** Sizes are rounded up to this, so that pictures of nearly the same size share a buffer. */
const STEP_BYTES = 256 << 10;

const free: ArrayBuffer[] = [];

/**
 * A buffer for the pixels of one picture, with any content. Given back, it serves another: what each picture allocates
 * anew counts as external memory, for which V8 marks the whole heap again and again (docs/decisions.md).
 */
export function takeBuffer(bytes: number): Buffer {
  let best = -1;
  for (const [i, { byteLength }] of free.entries())
    if (byteLength >= bytes && byteLength < (free[best]?.byteLength ?? Number.POSITIVE_INFINITY)) best = i;
  const [found] = best < 0 ? [] : free.splice(best, 1);
  const buffer = found ?? new ArrayBuffer(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
  return Buffer.from(buffer, 0, bytes);
}

/**
 * Gives a buffer back that `takeBuffer` gave, here or within a picture: nobody may look at it any more. Of others, and of
 * too many, nothing is kept.
 */
export function giveBack({ buffer, byteOffset }: Uint8Array): void {
  const ours = byteOffset === 0 && buffer.byteLength > 0 && buffer.byteLength % STEP_BYTES === 0;
  if (!ours || !(buffer instanceof ArrayBuffer) || buffer.byteLength > MAX_KEPT_BYTES) return;
  if (free.includes(buffer)) return;
  // The smallest makes room: large ones serve any picture.
  if (free.length >= KEPT) {
    const least = free.reduce(
      (at, { byteLength }, i) => (byteLength < (free[at]?.byteLength ?? 0) ? i : at),
      0,
    );
    if ((free[least]?.byteLength ?? 0) < buffer.byteLength) free[least] = buffer;
    return;
  }
  free.push(buffer);
}
