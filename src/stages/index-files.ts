import { z } from 'zod';
import { KNN_ENGINE_NAMES } from '../knn/index.ts';
import { GleanerError } from '../schema/index.ts';
import type { Storage } from '../storage/index.ts';

/** Files of DIR/index. `image` and `text` are folders of the knn room. */
export const INDEX_FILES = {
  image: 'index/image',
  text: 'index/text',
  /** Folder of the columns that searches filter by (`FieldTable`). */
  fields: 'index/fields',
  /** Words of the captions (`FullTextIndex`). */
  captions: 'index/captions.sqlite',
  /** Line i is the released row of SAMPLE_ID i, as JSON, without its SAMPLE_ID; blank where there is none. */
  metadata: 'index/metadata.jsonl',
  /** Where line i begins, and at last where the file ends: rows + 1 numbers, uint64. */
  metadataOffsets: 'index/metadata.offsets',
  /** Where the stored image of each row lies: `IMAGE_RECORD_BYTES` a row. */
  images: 'index/images.table',
  /** How much of the truth searches find, measured when the index was made (`IndexCertificate`). */
  recall: 'index/recall.json',
  /** SAMPLE_IDs without a row: what was taken down since, or before (`src/stages/unindex.ts`). */
  removed: 'index/removed.json',
  /** Written last. */
  summary: 'index/index.json',
} as const;

/**
 * uint64 offset in the tar, uint32 length, uint32 part; offset and length 0 where there is no row. All numbers in the
 * tables are little-endian.
 */
export const IMAGE_RECORD_BYTES = 16;

export const modelSchema = z.object({
  name: z.string(),
  dimension: z.int().positive(),
  files: z.record(z.string(), z.string()),
});
const knnSchema = z.object({
  engine: z.enum(KNN_ENGINE_NAMES),
  version: z.string(),
  rows: z.int().min(0),
  dimension: z.int().positive(),
  parameters: z.record(z.string(), z.union([z.string(), z.number()])),
});
const sourceSchema = z.object({
  /** The folder of its run, from that of the index on, with '/' as separator. */
  path: z.string(),
  /** SHA-256 of its release/stats.json. */
  release: z.string(),
  /** SAMPLE_ID, in the index, of its first row; those of the others follow. */
  first: z.int().min(0),
  /** Rows that came from it, those among them that were taken down since. */
  rows: z.int().min(0),
  /** Of its release: records of pictures name one of them. */
  parts: z.int().positive(),
});
/** A release whose rows were added to an index (`addRelease`). Its pictures stay where they are. */
export type IndexSource = Readonly<z.infer<typeof sourceSchema>>;

/** DIR/index/index.json. */
export const indexSummarySchema = z.object({
  /** 1 had no columns to filter by and no words of captions. */
  version: z.literal(2),
  /** SHA-256 of release/stats.json: the index of another release is not served. */
  release: z.string(),
  rows: z.int().min(0),
  /** SAMPLE_IDs without a row: the tables have rows + removed places. */
  removed: z.int().min(0).default(0),
  parts: z.int().positive(),
  /** Releases that were added since the index was made, in their order. */
  sources: z.array(sourceSchema).default([]),
  /** The model that the release was embedded with, by its files' SHA-256. */
  model: modelSchema,
  /** Rows by NSFW class. */
  nsfw: z.record(z.string(), z.int()),
  knn: z.object({ image: knnSchema, text: knnSchema }),
});
export type IndexSummary = Readonly<z.infer<typeof indexSummarySchema>>;

/** DIR/index/index.json. @throws GleanerError DAMAGED */
export async function readSummary(storage: Storage): Promise<IndexSummary> {
  const path = INDEX_FILES.summary;
  try {
    return indexSummarySchema.parse(JSON.parse(new TextDecoder().decode(await storage.read(path))));
  } catch (cause) {
    const problem = 'is not what this version of gleaner writes. Make the index again with gleaner index.';
    throw new GleanerError('DAMAGED', { path, problem }, { cause });
  }
}

/** The release that a row was added from; undefined for those of the release that the index was made of. */
export function sourceOf({ sources }: IndexSummary, id: number): IndexSource | undefined {
  return sources.findLast(({ first, rows }) => id >= first && id < first + rows);
}

/** SAMPLE_IDs of the index, those without a row among them, and of the release that it was made of. */
export function placesOf({ rows, removed, sources }: IndexSummary): { places: number; own: number } {
  const places = rows + removed;
  return { places, own: sources[0]?.first ?? places };
}
