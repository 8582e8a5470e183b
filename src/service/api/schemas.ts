import { z } from 'zod';
import { MAX_QUERY_CHARS } from '../query.ts';

/*
 * What /api/v1 takes and gives. The OpenAPI document is made of these; the types that the page is built with are in
 * ../page-types.ts.
 */

/** Results of one page at most, and rows of one file. */
const MAX_PAGE = 200;
const MAX_EXPORT = 10_000;
/** How far down a list one can go, and one without near-duplicates. */
export const MAX_DEPTH = 10_000;
export const MAX_DISTINCT_DEPTH = 2000;
const MAX_PARTS = 16;
const MAX_VALUES = 100;
const MAX_WEIGHT = 100;

const weight = z
  .number()
  .min(-MAX_WEIGHT)
  .max(MAX_WEIGHT)
  .default(1)
  .describe('What the part of length 1 is multiplied with; below 0: less like this.');
const queryPart = z.union([
  z.strictObject({ text: z.string().trim().min(1).max(MAX_QUERY_CHARS), weight }),
  z.strictObject({ image: z.string().min(1).describe('A JPEG, PNG or WebP file in base64.'), weight }),
  z.strictObject({ imageUrl: z.string().max(MAX_QUERY_CHARS), weight }),
  z.strictObject({ embedding: z.array(z.number()).min(1).max(65_536), weight }),
  z.strictObject({ id: z.int().min(0).describe('SAMPLE_ID of a row: what is like it.'), weight }),
]);
export type ParsedPart = z.infer<typeof queryPart>;

const values = z.array(z.string().max(MAX_QUERY_CHARS)).max(MAX_VALUES);
const range = z.strictObject({ min: z.number().optional(), max: z.number().optional() });
const filter = z.strictObject({
  language: values.optional().describe('ISO 639-1 codes, or und.'),
  license: values.optional().describe('URLs of licences, or ?.'),
  host: values.optional().describe("Hosts of the pictures' URLs, as cdn.example.org."),
  nsfw: values.optional().describe('UNLIKELY, UNSURE or NSFW; nsfw has to be true for the latter two.'),
  width: range.optional().describe('Pixels of the picture as published.'),
  height: range.optional(),
  similarity: range.optional().describe('Cosine of the picture and its own caption.'),
  aspect: range.optional().describe('Width divided by height.'),
});
export type ParsedFilter = z.infer<typeof filter>;

const shown = {
  nsfw: z.boolean().default(false).describe('Whether rows that are UNSURE or NSFW are among the results.'),
  deduplicate: z
    .boolean()
    .default(false)
    .describe('Leaves out a picture that is like one before it (cosine of at least 0.94).'),
  offset: z.int().min(0).max(MAX_DEPTH).default(0),
};
const search = {
  query: z
    .array(queryPart)
    .max(MAX_PARTS)
    .default([])
    .describe('Each part becomes a vector of length 1; the sum of all by their weights is searched for.'),
  keywords: z
    .string()
    .max(MAX_QUERY_CHARS)
    .default('')
    .describe(
      'Words of captions: alone, best by BM25; with query, both lists merged by reciprocal rank (k = 60).',
    ),
  modality: z.enum(['image', 'text']).default('image').describe('Whose vectors are searched.'),
  filter: filter.default({}),
  minScore: z.number().min(-1).max(1).optional().describe('Least cosine to the query.'),
  ...shown,
  seed: z
    .int()
    .min(0)
    .max(2 ** 31)
    .default(0)
    .describe('Of the sample that is given without query and keywords.'),
};
export const searchRequest = z.strictObject({ ...search, limit: z.int().min(1).max(MAX_PAGE).default(60) });
export const exportRequest = z.strictObject({
  ...search,
  limit: z.int().min(1).max(MAX_EXPORT).default(1000),
  format: z.enum(['json', 'parquet']),
});
export type ParsedSearch = Omit<z.infer<typeof exportRequest>, 'format'>;

/** The query string of a request for what is like a row: texts. */
export const likeRequest = z.strictObject({
  nsfw: z.enum(['true', 'false']).default('false'),
  deduplicate: z.enum(['true', 'false']).default('false'),
  offset: z.coerce.number().int().min(0).max(MAX_DEPTH).default(0),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(60),
});

export const countsRequest = z.strictObject({ filter: filter.default({}), nsfw: z.boolean().default(false) });

const why = z.strictObject({
  cosine: z.number().nullable().describe('To the query; null where there is none.'),
  rank: z.int().min(1).describe('Place among the results, from 1.'),
  parts: z
    .array(z.strictObject({ cosine: z.number(), weight: z.number() }))
    .optional()
    .describe('Cosine to each part of the query, in its order.'),
  keywords: z
    .strictObject({ rank: z.int().min(1), score: z.number(), matched: z.array(z.string()) })
    .optional()
    .describe('Place among the captions with one of the words, BM25, and the words that this one has.'),
  merged: z.number().optional().describe('Sum of reciprocal ranks, where two lists were merged.'),
});
const row = {
  id: z.int().min(0).describe('SAMPLE_ID'),
  score: z.number().nullable().describe('Cosine to the query; null where there is none.'),
  url: z.string(),
  pageUrl: z.string(),
  text: z.string(),
  width: z.int(),
  height: z.int(),
  license: z.string(),
  language: z.string(),
  nsfw: z.string(),
  similarity: z.number().describe('Cosine of the picture and its own caption.'),
  format: z.string(),
  storedWidth: z.int(),
  storedHeight: z.int(),
  why,
};
export const pageRow = z.strictObject(row);
export const rowDetails = z.strictObject({
  ...row,
  kept: z
    .array(z.strictObject({ step: z.string(), said: z.string() }))
    .describe('The steps that kept the row, each with what it went by.'),
});
export const searchResponse = z.strictObject({
  results: z.array(pageRow),
  hidden: z.int().min(0).describe('Rows on the way to here that are not shown because they may not be safe.'),
  duplicates: z.int().min(0).describe('Rows that were left out on the way to here.'),
  more: z.boolean(),
});
const counted = z.array(z.strictObject({ value: z.string(), count: z.int().min(1) }));
const bounds = z.strictObject({ min: z.number().optional(), max: z.number().optional() });
export const countsResponse = z.strictObject({
  rows: z.int().min(0),
  fields: z.strictObject({ language: counted, license: counted, host: counted, nsfw: counted }),
  width: bounds,
  height: bounds,
  similarity: bounds,
  aspect: bounds,
});
export const releaseResponse = z.strictObject({
  name: z.string(),
  rows: z.int().min(0),
  model: z.string(),
  unsafe: z.int().min(0).describe('Rows that are hidden unless asked for.'),
  hasMap: z.boolean(),
  hasReport: z.boolean(),
});
export const exportedRow = z.strictObject({
  ...{ id: row.id, score: row.score, url: row.url, text: row.text, page_url: row.pageUrl },
  ...{ width: row.width, height: row.height, license: row.license, language: row.language },
  ...{ nsfw: row.nsfw, similarity: row.similarity },
});
export const errorResponse = z.strictObject({ error: z.string().describe('One line.') });

/** The query string of a request for points of the map. */
export const mapQuery = z.strictObject({
  tile: z
    .string()
    .regex(/^\d{1,2}\/\d{1,4}\/\d{1,4}$/, 'is not as 2/1/3: depth, x and y of a tile')
    .default('0/0/0')
    .describe('Depth, x and y of a tile, as /api/v1/map/info lists them.'),
  nsfw: z.enum(['true', 'false']).default('false'),
});

export const mapInfo = z.strictObject({
  rows: z.int(),
  added: z.int().describe('Rows that were added since the map was drawn: they are not on it.'),
  similarity: z.strictObject({ min: z.number(), max: z.number() }),
  languages: z
    .array(z.strictObject({ value: z.string(), rows: z.int() }))
    .describe('By the number that points have for them.'),
  tiles: z.array(z.strictObject({ z: z.int(), x: z.int(), y: z.int(), count: z.int() })),
  finest: z.int().describe('How many of the first regions are of the finest level: those that points name.'),
  regions: z.array(
    z.strictObject({
      level: z.int().describe('0 for those that are seen from afar.'),
      parent: z.int().min(-1).describe('The region around it, by its place in the list; -1 at level 0.'),
      x: z.int(),
      y: z.int(),
      words: z.array(z.string()).describe('Words of its captions that tell it from the rest, best first.'),
      rows: z.int(),
      unsafe: z.int().describe('Rows among them that are UNSURE or NSFW.'),
      picture: z.int().nullable().describe('A row that stands for it.'),
    }),
  ),
});
