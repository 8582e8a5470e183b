import { z } from 'zod';
import { GleanerError } from '../../schema/index.ts';
import type { Storage } from '../../storage/index.ts';
import type { Runs } from './runs.ts';

const captionSchema = z.object({ TEXT: z.string(), NSFW: z.string() });

/** Rows whose lines are read at once. */
const LINES = 1024;

/**
 * The captions of a sample of rows, out of the tables of an index; of rows alone that may be shown unasked.
 *
 * @param sample of SAMPLE_IDs
 * @param places SAMPLE_IDs in all
 */
export async function* sampledCaptions(
  storage: Storage,
  { metadata, offsets }: { readonly metadata: string; readonly offsets: string },
  sample: Runs,
  places: number,
): AsyncGenerator<{ readonly id: number; readonly caption: string }> {
  const lines = await storage.open(metadata);
  try {
    const table = await storage.open(offsets);
    try {
      for (const [start, end] of sample.within(0, places))
        for (let from = start; from < end; from += LINES) {
          const to = Math.min(end, from + LINES);
          const at = new BigUint64Array(await table.slice(from * 8, (to + 1) * 8));
          const text = Buffer.from(await lines.slice(Number(at[0]), Number(at[to - from]))).toString();
          for (const [i, line] of text
            .split('\n')
            .slice(0, to - from)
            .entries()) {
            if (line.trim() === '') continue;
            const { TEXT, NSFW } = parseLine(line, metadata);
            if (NSFW === 'UNLIKELY') yield { id: from + i, caption: TEXT };
          }
        }
    } finally {
      await table.close();
    }
  } finally {
    await lines.close();
  }
}

function parseLine(line: string, path: string): z.infer<typeof captionSchema> {
  try {
    return captionSchema.parse(JSON.parse(line));
  } catch (cause) {
    throw new GleanerError('DAMAGED', { path, problem: 'holds a line that is no row.' }, { cause });
  }
}
