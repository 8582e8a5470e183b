import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { routePath } from 'hono/route';
import { GleanerError } from '../schema/index.ts';
import { apiRoutes } from './api/routes.ts';
import { clipRetrievalRoutes } from './clip-retrieval.ts';
import type { Embedder } from './embedder.ts';
import { RequestError } from './errors.ts';
import { imageRoutes } from './image-routes.ts';
import { createMetrics } from './metrics.ts';
import { type OpenedIndex, shownCount } from './opened-index.ts';
import { pageFileRoutes } from './page-files.ts';
import { pageSecurity } from './page-security.ts';
import type { FetchImage } from './query.ts';

export interface AppOptions {
  readonly index: OpenedIndex;
  readonly embedder: Embedder;
  /** Fetches `image_url`. @default none: such a request is refused */
  readonly fetchImage?: FetchImage;
  /** Largest body of a request, in bytes. @default 20 MiB: a picture of 15 MB in base64 */
  readonly maxBodyBytes?: number;
  /** Told of every failure that is ours. @default standard error */
  readonly onError?: (error: unknown) => void;
}

/** All routes of the service, without a socket: a test can ask `app.request`. */
export async function createApp(options: AppOptions): Promise<Hono> {
  const { index, embedder, fetchImage, maxBodyBytes = 20 << 20, onError = console.error } = options;
  const metrics = createMetrics(() => shownCount(index));
  const app = new Hono();

  app.use(async (c, next) => {
    await next();
    metrics.requests.inc({ route: routePath(c, -1), status: c.res.status });
  });
  app.use(pageSecurity());
  app.use(
    bodyLimit({
      maxSize: maxBodyBytes,
      onError: (c) => c.json({ error: `the body is above ${maxBodyBytes} bytes` }, 413),
    }),
  );

  app.get('/healthz', (c) => c.json({ status: 'ok', rows: shownCount(index) }));
  app.get('/metrics', async (c) => {
    c.header('Content-Type', metrics.registry.contentType);
    return c.body(await metrics.registry.metrics());
  });
  app.route('/', clipRetrievalRoutes(index, embedder, metrics, fetchImage));
  app.route('/', apiRoutes({ index, embedder, fetchImage, metrics }));
  app.route('/', imageRoutes(index));
  app.route('/', await pageFileRoutes());

  app.notFound((c) => c.json({ error: 'there is nothing at this address' }, 404));
  app.onError((error, c) => {
    if (error instanceof RequestError) return c.json({ error: error.message }, error.status);
    onError(error);
    // What went wrong is for the operator; a path of his machine is not for everybody.
    const line = error instanceof GleanerError ? error.code : 'it failed';
    return c.json({ error: `the service could not answer (${line})` }, 500);
  });
  return app;
}
