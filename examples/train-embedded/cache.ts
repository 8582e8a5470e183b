/** Keeps what is slow to compute between runs, under `.cache` beside this file. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const FOLDER = new URL('./.cache/', import.meta.url);

/**
 * The bytes computed before for the same key, or those of `compute`.
 *
 * @param key - Everything that the bytes depend on; its hash is in the file's name.
 */
export async function cachedBytes(
  name: string,
  key: readonly (string | Uint8Array)[],
  compute: () => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const hash = createHash('sha256');
  for (const part of key) hash.update(part).update('\0');
  const file = new URL(`${name}-${hash.digest('hex').slice(0, 16)}.u8`, FOLDER);
  if (existsSync(file)) return readFileSync(file);
  const bytes = await compute();
  mkdirSync(FOLDER, { recursive: true });
  const partial = new URL(`${file.href}.partial`);
  writeFileSync(partial, bytes);
  renameSync(partial, file);
  return bytes;
}
