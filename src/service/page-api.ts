import { Hono } from 'hono';
import { z } from 'zod';
import { describeModel } from '../clip/index.ts';
import type { Embedder } from './embedder.ts';
import { badRequest, parse, parseBody, RequestError } from './errors.ts';
import type { Metrics } from './metrics.ts';
import { type OpenedIndex, shownCount, shownRow, shownRows } from './opened-index.ts';
import type { PageRelease, PageResults, PageRow } from './page-types.ts';
import { embedQuery, MAX_QUERY_CHARS } from './query.ts';
import type { ReleasedRow } from './row-store.ts';
import { countHidden, SAFE_CLASS, search } from './search.ts';

/** Results on one page at most, and how far down the list one can go. */
const MAX_PAGE = 200;
const MAX_DEPTH = 2000;

const searchRequest = z.strictObject({
  text: z.string().trim().min(1).max(MAX_QUERY_CHARS).optional(),
  image: z.string().min(1).optional(),
  /** A row whose like is wanted. */
  like: z.int().min(0).optional(),
  offset: z.int().min(0).default(0),
  limit: z.int().min(1).max(MAX_PAGE).default(60),
  nsfw: z.boolean().default(false),
});

const sampleRequest = z.object({
  seed: z.coerce
    .number()
    .int()
    .min(0)
    .max(2 ** 31)
    .default(0),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(60),
  nsfw: z.enum(['0', '1']).default('0'),
});

/** What the search page asks. */
export function pageRoutes(index: OpenedIndex, embedder: Embedder, metrics: Metrics): Hono {
  const { summary } = index;
  const app = new Hono();

  app.get('/api/release', (c) => {
    const unsafe = summary.rows - (summary.nsfw[SAFE_CLASS] ?? 0);
    return c.json({
      name: index.name,
      rows: shownCount(index),
      model: describeModel(summary.model.name),
      unsafe,
    } satisfies PageRelease);
  });

  app.get('/api/rows/:id', async (c) => {
    const id = rowId(index, c.req.param('id'));
    return c.json(pageRow(id, await rowOf(index, id), null));
  });

  app.get('/api/sample', async (c) => {
    const { seed, limit, nsfw } = parse(c.req.query(), sampleRequest);
    return c.json(await sample(index, seed, limit, nsfw === '1'));
  });

  app.post('/api/search', async (c) => {
    const requestDone = metrics.requestSeconds.startTimer();
    const { text, image, like, offset, limit, nsfw } = await parseBody(c.req.raw, searchRequest);
    if ([text, image, like].filter((one) => one !== undefined).length !== 1)
      throw badRequest('give one of text, image and like');
    if (offset + limit > MAX_DEPTH) throw badRequest(`offset: the list ends at ${MAX_DEPTH}`);
    const vector =
      like === undefined
        ? await embedQuery(
            text === undefined ? { image: image ?? '' } : { text },
            embedder,
            undefined,
            metrics,
          )
        : await stored(index, like);
    const end = offset + limit;
    // One more than wanted tells whether there are more, another makes up for the row that is left out.
    const options = { modality: 'image', k: end + 2, nsfw, deduplicate: false } as const;
    const [found, hidden] = await Promise.all([
      search(index, vector, options, metrics),
      nsfw ? 0 : countHidden(index, vector, 'image', end),
    ]);
    const hits = found.filter((hit) => hit.id !== like);
    const page = hits.slice(offset, end);
    const rows = shownRows(
      index,
      page.map((hit) => hit.id),
    );
    const results = rows.flatMap((row, i) =>
      row && page[i] ? [pageRow(page[i].id, row, page[i].cosine)] : [],
    );
    requestDone();
    return c.json({ results, hidden, more: hits.length > end && end < MAX_DEPTH } satisfies PageResults);
  });

  app.get('/images/:id', async (c) => {
    const id = rowId(index, c.req.param('id').replace(/\.jpg$/, ''));
    const { key } = await rowOf(index, id);
    // Asked for again each time: of a picture that is taken down no copy is to be shown either.
    const etag = `"${summary.release.slice(0, 16)}-${id}"`;
    c.header('Cache-Control', 'private, no-cache');
    c.header('ETag', etag);
    if (c.req.header('If-None-Match') === etag) return c.body(null, 304);
    const image = await index.images.get(id, key);
    if (!image) throw new RequestError(404, 'there is no such picture');
    c.header('Content-Type', 'image/jpeg');
    return c.body(image);
  });

  return app;
}

/** @throws RequestError 404 */
function rowId(index: OpenedIndex, text: string): number {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!index.rows.has(id)) throw new RequestError(404, 'there is no such row');
  return id;
}

/** @throws RequestError 404 where it was taken down */
async function rowOf(index: OpenedIndex, id: number): Promise<ReleasedRow> {
  const row = shownRow(index, id);
  if (!row) throw new RequestError(404, 'there is no such row');
  return row;
}

async function stored(index: OpenedIndex, id: number): Promise<Float32Array> {
  const row = shownRow(index, id);
  const vector = row && (await index.image.fetch([id])).get(id);
  if (!vector) throw new RequestError(404, `there is no row ${id}`);
  return vector;
}

/** Rows from a place that the seed names, on and round: releases are shuffled, so neighbours are strangers. */
async function sample(index: OpenedIndex, seed: number, limit: number, nsfw: boolean): Promise<PageResults> {
  const { places: rows } = index.rows;
  const results: PageRow[] = [];
  let hidden = 0;
  // Knuth's multiplicative hash (TAOCP 6.4): seeds that follow one another begin far apart.
  const start = rows === 0 ? 0 : Math.floor((((seed * 2654435761) % 2 ** 32) / 2 ** 32) * rows);
  for (let i = 0; i < Math.min(rows, 4 * limit) && results.length < limit; i++) {
    const id = (start + i) % rows;
    const row = shownRow(index, id);
    if (!row) continue;
    if (nsfw || row.NSFW === SAFE_CLASS) results.push(pageRow(id, row, null));
    else hidden++;
  }
  return { results, hidden, more: false };
}

function pageRow(id: number, row: ReleasedRow, score: number | null): PageRow {
  return {
    id,
    score,
    url: row.URL,
    pageUrl: row.page_url,
    text: row.TEXT,
    width: row.WIDTH,
    height: row.HEIGHT,
    license: row.LICENSE,
    language: row.language,
    nsfw: row.NSFW,
    similarity: row.similarity,
  };
}
