import type { Storage } from '../storage/index.ts';

/** Says that a takedown has begun and not ended. */
export const UNDER_WAY = 'removing.json';

/** Whether a takedown was begun and not ended: then nothing else may be done with the run before it is. */
export async function isRemovalUnderWay(storage: Storage): Promise<boolean> {
  return (await storage.size(UNDER_WAY)) !== undefined;
}
