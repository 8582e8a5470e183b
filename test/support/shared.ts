import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './gleaner.ts';

const SHARED = join(ROOT, '..', 'shared');

/** Whether the larger real data lies beside the checkout; tests that read it skip where it does not. */
export const hasShared = existsSync(SHARED);

/** A path of it. */
export const shared = (path: string) => join(SHARED, path);
