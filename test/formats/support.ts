import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ByteSink, ByteSource } from '../../src/storage/index.ts';

/** Path of a file in the shared data folder beside the checkout. */
export function sharedPath(name: string): string {
  return fileURLToPath(new URL(`../../../shared/${name}`, import.meta.url));
}

/** Whether the shared data folder is there: tests that need it are skipped where it is not. */
export const hasShared = existsSync(sharedPath('data/README.md'));

/** Bytes in portions of the sizes given, over and over. */
export async function* inChunks(bytes: Uint8Array, ...sizes: number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : Math.max(1, sizes[i % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** A sink that keeps what is written to it. */
export function memorySink(): ByteSink & { bytes(): Uint8Array } {
  const parts: Uint8Array[] = [];
  return {
    write(bytes) {
      parts.push(bytes.slice());
    },
    bytes: () => new Uint8Array(Buffer.concat(parts)),
  };
}

export function memorySource(bytes: Uint8Array): ByteSource & { readonly reads: [number, number][] } {
  const reads: [number, number][] = [];
  return {
    reads,
    byteLength: bytes.length,
    async slice(start, end = bytes.length) {
      reads.push([start, end]);
      return new Uint8Array(bytes.subarray(start, end)).buffer;
    },
  };
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
