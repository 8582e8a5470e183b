/** Bytes that are kept for the next pictures, at most: some pictures of 1 megapixel, or one of 5. */
const MAX_KEPT_BYTES = 8 << 20;
/** Sizes are rounded up to this, so that pictures of nearly the same size share a buffer. */
const STEP_BYTES = 256 << 10;

const free: ArrayBuffer[] = [];
let kept = 0;

/**
 * A buffer for the pixels of one picture, with any content. Given back, it serves another: what each picture allocates
 * anew counts as external memory, for which V8 marks the whole heap again and again (docs/decisions.md).
 */
export function takeBuffer(bytes: number): Buffer {
  let best = -1;
  for (const [i, { byteLength }] of free.entries())
    if (byteLength >= bytes && byteLength < (free[best]?.byteLength ?? Number.POSITIVE_INFINITY)) best = i;
  const [found] = best < 0 ? [] : free.splice(best, 1);
  kept -= found?.byteLength ?? 0;
  const buffer = found ?? new ArrayBuffer(Math.ceil(bytes / STEP_BYTES) * STEP_BYTES);
  return Buffer.from(buffer, 0, bytes);
}

/**
 * Gives a buffer back that `takeBuffer` gave, here or within a picture: nobody may look at it any more. Of others nothing
 * is kept, and where there is no room for one its memory is free at once.
 */
export function giveBack({ buffer, byteOffset }: Uint8Array): void {
  const ours = byteOffset === 0 && buffer.byteLength > 0 && buffer.byteLength % STEP_BYTES === 0;
  if (!ours || !(buffer instanceof ArrayBuffer) || free.includes(buffer)) return;
  if (kept + buffer.byteLength > MAX_KEPT_BYTES) {
    buffer.transfer(0);
    return;
  }
  kept += buffer.byteLength;
  free.push(buffer);
}
