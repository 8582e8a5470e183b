import { readTar } from '../formats/index.ts';
import type { Storage } from '../storage/index.ts';

/** The images of a tar in its order: where they lie, not what they are. */
export async function* storedImages(storage: Storage, path: string) {
  for await (const { name, offset, length } of readTar(storage.stream(path), {
    maxMemberBytes: 0,
    name: path,
  }))
    if (name.endsWith('.jpg')) yield { name, offset, length };
}
