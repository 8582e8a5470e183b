/** Keeps what is slow to compute between runs, under `.cache` beside this file. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

const FOLDER = new URL('./.cache/', import.meta.url);

/**
 * The values computed before for the same key, or those of `compute`.
 *
 * @param key - Everything that the values depend on; its hash is in the file's name.
 */
export async function cachedFloats(
  name: string,
  key: readonly (string | Uint8Array)[],
  compute: () => Promise<Float32Array>,
): Promise<Float32Array> {
  const hash = createHash('sha256');
  for (const part of key) hash.update(part).update('\0');
  const file = new URL(`${name}-${hash.digest('hex').slice(0, 16)}.f32`, FOLDER);
  if (existsSync(file)) {
    const bytes = readFileSync(file);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  }
  const values = await compute();
  mkdirSync(FOLDER, { recursive: true });
  const partial = new URL(`${file.href}.partial`);
  writeFileSync(partial, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  renameSync(partial, file);
  return values;
}
