import { createHash } from 'node:crypto';
import type { FileInfo } from './bytes.ts';
import type { CommitOptions, PendingFile } from './storage.ts';

/** Bytes, in order, a chunk at a time; each may be good only until the next is asked for. */
type Chunks = AsyncIterable<Uint8Array>;

/** How many bytes these are, and their SHA-256 (lower-case hexadecimal). @throws the signal's reason, and what they throw */
export async function digestChunks(
  chunks: Chunks,
  signal?: AbortSignal,
): Promise<Pick<FileInfo, 'bytes' | 'sha256'>> {
  const digest = createHash('sha256');
  let bytes = 0;
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    digest.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: digest.digest('hex') };
}

/**
 * Writes these into a file and gives it its name; where that fails, nothing of it is left.
 * @returns as `PendingFile.commit`. @throws the signal's reason, and what they and the file throw
 */
export async function writeChunks(
  file: PendingFile,
  chunks: Chunks,
  signal: AbortSignal,
  options?: CommitOptions,
): Promise<FileInfo | undefined> {
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      await file.write(chunk);
    }
    return await file.commit(options);
  } catch (error) {
    await file.abort();
    throw error;
  }
}
