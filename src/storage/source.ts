import type { ByteSource } from './bytes.ts';
import type { Storage } from './storage.ts';

/** Opens a file for some work and closes it, however the work ends. @throws GleanerError FILE_NOT_FOUND */
export async function withSource<T>(
  storage: Pick<Storage, 'open'>,
  path: string,
  work: (source: ByteSource) => Promise<T>,
): Promise<T> {
  const source = await storage.open(path);
  try {
    return await work(source);
  } finally {
    await source.close();
  }
}

/**
 * The same for what is read bit by bit: the file is closed at the end, at an error, and when no more is asked for.
 * @throws GleanerError FILE_NOT_FOUND
 */
export async function* streamSource<T>(
  storage: Pick<Storage, 'open'>,
  path: string,
  read: (source: ByteSource) => AsyncIterable<T>,
): AsyncGenerator<T, void, undefined> {
  const source = await storage.open(path);
  try {
    yield* read(source);
  } finally {
    await source.close();
  }
}
