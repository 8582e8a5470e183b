import { type Context, Hono } from 'hono';
import { parse, RequestError } from '../errors.ts';
import type { MapStore } from '../map-store.ts';
import type { MapInfoAnswer } from '../map-types.ts';
import type { OpenedIndex } from '../opened-index.ts';
import { mapQuery } from './schemas.ts';

/** The map of the embeddings: what is on it, and its points, tile by tile. */
export function mapRoutes(index: OpenedIndex): Hono {
  const app = new Hono();

  app.get('/api/v1/map/info', (c) => {
    const { info } = mapOf(index);
    if (known(c, index, 'info')) return c.body(null, 304);
    const { rows, similarity, languages, finest } = info;
    const tiles = info.tiles.map(({ z, x, y, count }) => ({ z, x, y, count }));
    const regions = info.regions.map((region) => ({
      ...region,
      picture: region.picture !== null && index.removed.has(region.picture) ? null : region.picture,
    }));
    const added = index.summary.sources.reduce((sum, source) => sum + source.rows, 0);
    return c.json({ rows, added, similarity, languages, tiles, finest, regions } satisfies MapInfoAnswer);
  });

  app.get('/api/v1/map', async (c) => {
    const map = mapOf(index);
    const { tile, nsfw } = parse(c.req.query(), mapQuery);
    if (known(c, index, `${tile}-${nsfw}`)) return c.body(null, 304);
    const points = await map.tile(tile, nsfw === 'true', (id) => index.removed.has(id));
    if (!points) throw new RequestError(404, `the map has no tile ${tile}`);
    c.header('Content-Type', 'application/octet-stream');
    return c.body(points);
  });

  return app;
}

/** @throws RequestError 404 */
function mapOf({ map }: OpenedIndex): MapStore {
  if (!map) throw new RequestError(404, 'this index was made without a map: gleaner index DIR makes one');
  return map;
}

/** Names an answer, and whether the browser has it: it changes only with the release and by takedowns. */
function known(c: Context, { contents, removed }: OpenedIndex, name: string): boolean {
  const etag = `"map-${contents}-${removed.size}-${name}"`;
  c.header('Cache-Control', 'private, no-cache');
  c.header('ETag', etag);
  return c.req.header('If-None-Match') === etag;
}
