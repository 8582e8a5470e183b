import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GleanerError } from '../schema/index.ts';
import { KNN_ENGINE_NAMES } from './types.ts';

/** Beside an engine's own files: what they are. Written last, so that a folder with it is a whole index. */
const LAYOUT_FILE = 'knn.json';

const layoutSchema = z.strictObject({
  layout: z.literal(1),
  engine: z.enum(KNN_ENGINE_NAMES),
  version: z.string(),
  dimension: z.int().positive(),
  parameters: z.record(z.string(), z.union([z.string(), z.number()])),
});
export type Layout = Readonly<z.infer<typeof layoutSchema>>;

export async function writeLayout(path: string, index: Omit<Layout, 'layout'>): Promise<void> {
  const { engine, version, dimension, parameters } = index;
  const layout = { layout: 1, engine, version, dimension, parameters } satisfies Layout;
  await writeFile(join(path, LAYOUT_FILE), `${JSON.stringify(layout, null, 2)}\n`);
}

/** @throws GleanerError DAMAGED */
export async function readLayout(path: string): Promise<Layout> {
  try {
    return layoutSchema.parse(JSON.parse(await readFile(join(path, LAYOUT_FILE), 'utf8')));
  } catch (cause) {
    throw new GleanerError(
      'DAMAGED',
      { path, problem: 'holds no index. Make it with gleaner index.' },
      { cause },
    );
  }
}
