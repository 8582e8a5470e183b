import { createHash } from 'node:crypto';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';
import { modelSchema } from './index-files.ts';

/** What an index needs to know of release/stats.json. */
const statsSchema = z.object({
  rows: z.int().min(0),
  removed: z.int().min(0).default(0),
  parts: z.int().positive(),
  model: modelSchema,
});
export type ReleaseStats = Readonly<z.infer<typeof statsSchema>>;

const PATH = 'release/stats.json';

/**
 * What a release says of itself, and the SHA-256 of the file that says so: the name of the release.
 * @throws GleanerError RUN_NOT_FOUND, DAMAGED
 */
export async function readReleaseStats(
  storage: Storage,
): Promise<{ readonly stats: ReleaseStats; readonly release: string }> {
  if ((await storage.size(PATH)) === undefined)
    throw new GleanerError('RUN_NOT_FOUND', {
      path: storage.location,
      what: 'release',
      hint: 'Make one with gleaner run.',
    });
  const bytes = await storage.read(PATH);
  const release = createHash('sha256').update(bytes).digest('hex');
  try {
    return { stats: statsSchema.parse(JSON.parse(new TextDecoder().decode(bytes))), release };
  } catch (cause) {
    throw new GleanerError('DAMAGED', { path: PATH, problem: 'lacks rows, parts or model.' }, { cause });
  }
}
