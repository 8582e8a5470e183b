import { join } from 'node:path';
import { GleanerError } from '../schema/index.ts';

/** A GleanerError MODEL_INVALID about one file of a model. */
export function invalid(dir: string, file: string, problem: string, cause?: unknown): GleanerError {
  return new GleanerError('MODEL_INVALID', { path: join(dir, file), problem }, { cause });
}
