import { isMarkedAsUntransferable } from 'node:worker_threads';

/**
 * Gives memory back at once; whoever looks at it afterwards finds nothing. The collector would do so too, but late, and
 * at a price: V8 walks the whole heap for every few megabytes that are allocated outside of it and not given back.
 *
 * @param view a whole buffer, or the first part of one; nobody else may hold another part of it
 */
export function freeBytes({ buffer, byteOffset }: ArrayBufferView): void {
  if (!(buffer instanceof ArrayBuffer) || buffer.detached || byteOffset > 0) return;
  // Small Buffers share a pool, which is other people's too. Node marks it.
  if (!isMarkedAsUntransferable(buffer)) buffer.transfer(0);
}
