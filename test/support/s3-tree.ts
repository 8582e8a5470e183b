import { createHash } from 'node:crypto';
import type { Storage } from '../../src/storage/index.ts';

/** As `treeOf`, of a folder of any storage. */
export async function storedTree(storage: Storage, folder: string): Promise<Record<string, string>> {
  const tree: Record<string, string> = {};
  for (const path of await storage.list(folder))
    tree[path.slice(folder.length + 1)] = createHash('sha256')
      .update(await storage.read(path))
      .digest('hex');
  return tree;
}
