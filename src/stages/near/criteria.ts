import type { Reason } from '../../schema/index.ts';

/** In the order in which they are applied: each sees what those before it have left. */
export const CRITERIA = ['same_bytes', 'same_picture', 'same_meaning'] as const satisfies readonly Reason[];
export type Criterion = (typeof CRITERIA)[number];
