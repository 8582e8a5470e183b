import { Hono } from 'hono';
import { z } from 'zod';
import type { Embedder } from './embedder.ts';
import { badRequest, parseBody } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { type OpenedIndex, shownRows } from './opened-index.ts';
import { embedQuery, type FetchImage, MAX_QUERY_CHARS, type Query } from './query.ts';
import type { ReleasedRow } from './row-store.ts';
import { search } from './search.ts';

/** Most results of one search, and most rows of one request for metadata: clip-front asks for 3,000, to download for 10,000. */
const MAX_RESULTS = 10_000;

/** A number that may come as a text, as clip-front sends aesthetic_score; '' and null are none. */
const looseNumber = z
  .union([z.number(), z.literal(''), z.string().regex(/^-?\d+(\.\d+)?$/), z.null()])
  .optional();

/**
 * The body of POST /knn-service, by the names of clip-retrieval's `KnnService.post` (clip_back.py). Fields that are
 * not listed are passed over, as there.
 */
const knnRequest = z.object({
  text: z.string().max(MAX_QUERY_CHARS).nullish(),
  image: z.string().nullish(),
  image_url: z.string().max(MAX_QUERY_CHARS).nullish(),
  embedding_input: z.array(z.number()).max(65_536).nullish(),
  modality: z.enum(['image', 'text']).default('image'),
  /** Results that come with their metadata. */
  num_images: z.int().min(1).default(100),
  /** Results in all: those beyond num_images come with id and similarity alone. @default num_images */
  num_result_ids: z.int().min(1).nullish(),
  indice_name: z.string().nullish(),
  deduplicate: z.boolean().nullish(),
  /** false shows what is UNSURE or NSFW; unlike clip-retrieval, leaving it out does not. */
  use_safety_model: z.boolean().nullish(),
  /** Ours: true shows what is UNSURE or NSFW. */
  nsfw: z.boolean().nullish(),
  // Checked, then without effect, as in clip-retrieval where it has no such model.
  use_violence_detector: z.boolean().nullish(),
  use_mclip: z.boolean().nullish(),
  aesthetic_score: looseNumber,
  aesthetic_weight: looseNumber,
});

const metadataRequest = z.object({
  ids: z.array(z.int().min(0)).max(MAX_RESULTS),
  indice_name: z.string().nullish(),
});

/** clip-retrieval's API: what its Python client and its front end ask. */
export function clipRetrievalRoutes(
  index: OpenedIndex,
  embedder: Embedder,
  metrics: Metrics,
  fetchImage?: FetchImage,
): Hono {
  const checkName = (name: string | null | undefined) => {
    if (name !== null && name !== undefined && name !== index.name)
      throw badRequest(`indice_name: there is no index of that name, only ${JSON.stringify(index.name)}`);
  };
  const app = new Hono();

  app.get('/indices-list', (c) => c.json([index.name]));

  app.post('/knn-service', async (c) => {
    const requestDone = metrics.requestSeconds.startTimer();
    const request = await parseBody(c.req.raw, knnRequest);
    checkName(request.indice_name);
    const vector = await embedQuery(queryOf(request), embedder, fetchImage, metrics);
    const { num_images, num_result_ids, modality } = request;
    const options = {
      modality,
      k: Math.min(num_result_ids ?? num_images, MAX_RESULTS),
      nsfw: request.nsfw ?? request.use_safety_model === false,
      deduplicate: request.deduplicate ?? false,
    };
    const hits = await search(index, vector, options, metrics);
    const metadataDone = metrics.metadataSeconds.startTimer();
    const rows = shownRows(
      index,
      hits.map((hit) => hit.id),
    );
    metadataDone();
    requestDone();
    return c.json(
      // One that was taken down while it was searched for is none.
      hits.flatMap(({ id, cosine }, i) => {
        const row = rows[i];
        return row ? [{ ...(i < num_images && resultOf(row)), id, similarity: cosine }] : [];
      }),
    );
  });

  app.post('/metadata', async (c) => {
    const { ids, indice_name } = await parseBody(c.req.raw, metadataRequest);
    checkName(indice_name);
    const rows = shownRows(index, ids);
    const missing = rows.indexOf(undefined);
    if (missing >= 0)
      throw badRequest(`ids: there is no row ${ids[missing]}, only some of 0 to ${index.rows.places - 1}`);
    return c.json(rows.flatMap((row, i) => (row ? [{ id: ids[i], metadata: metadataOf(row) }] : [])));
  });

  return app;
}

/** The first that is given counts, in clip-retrieval's order. */
function queryOf({ text, image, image_url, embedding_input }: z.infer<typeof knnRequest>): Query {
  if (text) return { text };
  if (image) return { image };
  if (image_url) return { imageUrl: image_url };
  if (embedding_input) return { embedding: embedding_input };
  throw badRequest('give one of text, image, image_url and embedding_input');
}

/** The columns of a result. `pair_similarity` is the row's own: the `similarity` of a result is that to the query. */
function resultOf(row: ReleasedRow) {
  return {
    url: row.URL,
    caption: row.TEXT,
    NSFW: row.NSFW,
    LICENSE: row.LICENSE,
    width: row.WIDTH,
    height: row.HEIGHT,
    language: row.language,
    page_url: row.page_url,
    pair_similarity: row.similarity,
  };
}

function metadataOf(row: ReleasedRow) {
  const { uid, sha256, phash, format, key, wat } = row;
  return { ...resultOf(row), uid, sha256, phash, format, key, wat };
}
