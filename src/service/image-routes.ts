import { Hono } from 'hono';
import { sourceOf } from '../stages/index-files.ts';
import { RequestError } from './errors.ts';
import type { OpenedIndex } from './opened-index.ts';
import { rowId, rowOf } from './row-of.ts';

/** GET /images/ID.jpg: the stored picture of a row. */
export function imageRoutes(index: OpenedIndex): Hono {
  const app = new Hono();
  app.get('/images/:id', async (c) => {
    const id = rowId(index, c.req.param('id').replace(/\.jpg$/, ''));
    const { key, uid } = rowOf(index, id);
    // Asked for again each time: of a picture that is taken down no copy is to be shown either.
    const { release } = sourceOf(index.summary, id) ?? index.summary;
    const etag = `"${release.slice(0, 16)}-${uid}"`;
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
