import { createHash } from 'node:crypto';
import { type Context, Hono } from 'hono';
import type { OwnGrants, SignedGrant } from '../../executors/fleet/volunteer/grants.ts';
import { RequestRefused } from '../../executors/fleet/volunteer/refused.ts';
import { runStorage } from '../../pipeline/index.ts';

/**
 * Files of runs that lie in a folder, by URLs that were given out for each: what an object store's presigned URLs do for those
 * that lie in one.
 */
export function fileRoutes(own: OwnGrants): Hono {
  const routes = new Hono();
  const opened = (c: Context, method: SignedGrant['method']): SignedGrant => {
    const grant = own.open(c.req.param('sealed') ?? '', method);
    if (!grant) throw new RequestRefused(403, 'this URL is good for nothing, or not any more');
    return grant;
  };
  routes.get('/:sealed', async (c) => {
    const { location, path } = opened(c, 'GET');
    const storage = runStorage(location);
    const size = await storage.size(path);
    if (size === undefined) throw new RequestRefused(404, 'the file is not there any more');
    c.header('Content-Type', 'application/octet-stream');
    c.header('Content-Length', String(size));
    c.header('Cache-Control', 'no-store');
    return c.body(ReadableStream.from(storage.stream(path)) as ReadableStream<Uint8Array>);
  });
  routes.put('/:sealed', async (c) => {
    const { location, path, bytes = 0, sha256 } = opened(c, 'PUT');
    if (c.req.header('Content-Length') !== String(bytes))
      throw new RequestRefused(400, `the file was declared with ${bytes} bytes`);
    const file = await runStorage(location).create(path);
    const digest = createHash('sha256');
    let received = 0;
    try {
      for await (const chunk of c.req.raw.body ?? []) {
        received += chunk.length;
        if (received > bytes) throw new RequestRefused(413, `the file was declared with ${bytes} bytes`);
        digest.update(chunk);
        await file.write(chunk);
      }
      if (received !== bytes || digest.digest('hex') !== sha256)
        throw new RequestRefused(400, 'the file is not the one that was declared');
      await file.commit({ lasting: false });
    } catch (error) {
      await file.abort();
      throw error;
    }
    return c.json({});
  });
  return routes;
}
