import type { ByteSource } from './bytes.ts';

export interface BlockOptions {
  /** Of one read. */
  readonly blockBytes: number;
  /** Blocks that are held. */
  readonly maxBlocks: number;
}

/**
 * Reads a source in whole blocks, and holds those that were asked for last: of an object store each read is a request with
 * its price and its wait, and what is asked for lies near what was asked for before. Ranges of more than half of what may
 * be held are read as they are. Who asks at once for one block shares its read.
 *
 * Memory: blockBytes × maxBlocks, and what is being read.
 */
export function inBlocks(source: ByteSource, { blockBytes, maxBlocks }: BlockOptions): ByteSource {
  const { byteLength } = source;
  /** In the order in which they were asked for last. */
  const blocks = new Map<number, Promise<ArrayBuffer>>();

  const blockOf = (number: number): Promise<ArrayBuffer> => {
    const start = number * blockBytes;
    const block = blocks.get(number) ?? source.slice(start, Math.min(byteLength, start + blockBytes));
    blocks.delete(number);
    blocks.set(number, block);
    for (const oldest of blocks.keys()) {
      if (blocks.size <= maxBlocks) break;
      blocks.delete(oldest);
    }
    // Whoever asks next asks the source again.
    block.catch(() => {
      if (blocks.get(number) === block) blocks.delete(number);
    });
    return block;
  };

  return {
    byteLength,
    async slice(start, end = byteLength) {
      const from = Math.max(0, start < 0 ? byteLength + start : start);
      const to = Math.min(end, byteLength);
      if (to - from > (blockBytes * maxBlocks) / 2) return source.slice(from, to);
      const bytes = new Uint8Array(Math.max(0, to - from));
      const parts: Promise<void>[] = [];
      for (let number = Math.floor(from / blockBytes); number * blockBytes < to; number++) {
        const first = number * blockBytes;
        const copy = (block: ArrayBuffer) => {
          const part = new Uint8Array(block).subarray(Math.max(0, from - first), to - first);
          bytes.set(part, Math.max(0, first - from));
        };
        parts.push(blockOf(number).then(copy));
      }
      await Promise.all(parts);
      return bytes.buffer;
    },
  };
}
