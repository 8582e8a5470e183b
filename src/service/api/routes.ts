import { Hono } from 'hono';
import { describeModel } from '../../clip/index.ts';
import { sourceOf } from '../../stages/index-files.ts';
import { parse, parseBody } from '../errors.ts';
import { type OpenedIndex, shownCount } from '../opened-index.ts';
import type { CountsResponse, PageRelease, PageRowDetails, SearchResponse } from '../page-types.ts';
import { rowId, rowOf } from '../row-of.ts';
import { SAFE_CLASS } from '../search.ts';
import { countsOf } from './counts.ts';
import { exportFile } from './export-file.ts';
import { findRows, knnFilter, pageRow } from './find-rows.ts';
import { keptSteps } from './kept-steps.ts';
import { mapRoutes } from './map-routes.ts';
import { openApi } from './open-api.ts';
import type { QueryTools } from './query-vector.ts';
import { countsRequest, exportRequest, likeRequest, type ParsedSearch, searchRequest } from './schemas.ts';

const FILE_TYPES = { json: 'application/json', parquet: 'application/vnd.apache.parquet' };
/** Answers to /counts that are remembered: everybody who opens the page asks for the first. */
const REMEMBERED_COUNTS = 64;

/** Our own API: what the page asks, and everybody may. GET /api/v1/openapi.json says all of it. */
export function apiRoutes(tools: QueryTools): Hono {
  const { index, metrics } = tools;
  const app = new Hono();

  app.get('/api/v1/release', (c) => c.json(describeRelease(index)));

  const answer = async (search: ParsedSearch): Promise<SearchResponse> => {
    const done = metrics.requestSeconds.startTimer();
    const { rows, ...rest } = await findRows(search, tools);
    done();
    const { hidden, duplicates, more } = rest;
    return { results: rows.map(pageRow), hidden, duplicates, more };
  };

  app.post('/api/v1/search', async (c) => c.json(await answer(await parseBody(c.req.raw, searchRequest))));

  app.get('/api/v1/rows/:id/like', async (c) => {
    const id = rowId(index, c.req.param('id'));
    const { nsfw, deduplicate, offset, limit } = parse(c.req.query(), likeRequest);
    const shown = { nsfw: nsfw === 'true', deduplicate: deduplicate === 'true', offset, limit };
    return c.json(await answer({ ...searchRequest.parse({ query: [{ id }] }), ...shown }));
  });

  app.get('/api/v1/rows/:id', (c) => {
    const id = rowId(index, c.req.param('id'));
    const row = rowOf(index, id);
    const found = { id, score: null, row, why: { cosine: null, rank: 1 } };
    // A row that was added went through another run.
    const recipe = sourceOf(index.summary, id) ? undefined : index.recipe;
    const details: PageRowDetails = { ...pageRow(found), kept: keptSteps(id, row, recipe) };
    return c.json(details);
  });

  const remembered = new Map<string, CountsResponse>();
  app.post('/api/v1/counts', async (c) => {
    const { filter, nsfw } = await parseBody(c.req.raw, countsRequest);
    const key = JSON.stringify([filter, nsfw, index.removed.size, index.contents]);
    const counts = remembered.get(key) ?? countsOf(index.fields, knnFilter(filter), nsfw);
    remembered.delete(key);
    remembered.set(key, counts);
    for (const oldest of remembered.keys()) {
      if (remembered.size <= REMEMBERED_COUNTS) break;
      remembered.delete(oldest);
    }
    return c.json(counts);
  });

  app.post('/api/v1/export', async (c) => {
    const { format, ...search } = await parseBody(c.req.raw, exportRequest);
    const { rows } = await findRows(search, tools);
    c.header('Content-Type', FILE_TYPES[format]);
    c.header('Content-Disposition', `attachment; filename="${fileName(index.name)}.${format}"`);
    return c.body(await exportFile(rows, format));
  });

  app.route('/', mapRoutes(index));

  app.get('/api/v1/openapi.json', (c) => c.json(openApi()));

  return app;
}

function describeRelease({ fields, ...index }: OpenedIndex): PageRelease {
  const { name, summary, hasMap, hasReport } = index;
  const safe = fields.matching({ nsfw: [SAFE_CLASS] }).count;
  return {
    ...{ name, rows: shownCount({ fields, ...index }), model: describeModel(summary.model.name) },
    ...{ unsafe: fields.matching({}).count - safe, hasMap, hasReport },
  };
}

/** A name that needs no quoting in a header, whatever the folder is called. */
function fileName(name: string): string {
  return `${name.replace(/[^\w.-]+/g, '-').slice(0, 60) || 'release'}-search`;
}
