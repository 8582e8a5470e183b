import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { routePath } from 'hono/route';
import { GleanerError } from '../schema/index.ts';
import { apiRoutes } from './api/routes.ts';
import { clipRetrievalRoutes } from './clip-retrieval.ts';
import type { Embedder } from './embedder.ts';
import { RequestError } from './errors.ts';
import { FETCH_COST, Guard, guardLimits, PICTURE_COST, requestContext } from './guard/index.ts';
import { imageRoutes } from './image-routes.ts';
import { createMetrics } from './metrics.ts';
import { type OpenedIndex, shownCount } from './opened-index.ts';
import { pageFileRoutes } from './page-files.ts';
import { pageSecurity } from './page-security.ts';
import type { FetchImage } from './query.ts';
import { rememberTexts } from './remembered-texts.ts';
import { REPORT_PAGE, reportPageRoutes, reportSecurity } from './report-page.ts';
import { reportRoutes } from './report-routes.ts';

export interface AppOptions {
  readonly index: OpenedIndex;
  /** Does the work of a request with one index from beginning to end (`LiveIndex`). @default it stays the same */
  readonly hold?: (work: () => Promise<void>) => Promise<void>;
  readonly embedder: Embedder;
  /** Fetches `image_url`. @default none: such a request is refused */
  readonly fetchImage?: FetchImage;
  /** Folder of the run, where reports are put. @default none: they are not taken */
  readonly dir?: string;
  /** Prices, places and deadlines. @default one with the default limits */
  readonly guard?: Guard;
  /** Origins of other web pages that may ask, as 'https://example.org'; '*': all. @default [] */
  readonly corsOrigins?: readonly string[];
  /** Told of every failure that is ours. @default standard error */
  readonly onError?: (error: unknown) => void;
}

/** All routes of the service, without a socket: a test can ask `app.request`. */
export async function createApp(options: AppOptions): Promise<Hono> {
  const { index, guard = new Guard(guardLimits()), corsOrigins = [], onError = console.error } = options;
  const embedder = priced(rememberTexts(options.embedder));
  const fetchImage = options.fetchImage && pricedFetch(options.fetchImage);
  const metrics = createMetrics(() => shownCount(index), guard);
  const app = new Hono();

  app.use(async (c, next) => {
    await next();
    metrics.requests.inc({ route: routePath(c, -1), status: c.res.status });
  });
  const [ofReport, ofOthers] = [reportSecurity(), pageSecurity({ crossOrigin: corsOrigins.length > 0 })];
  app.use((c, next) => (c.req.path === REPORT_PAGE ? ofReport : ofOthers)(c, next));
  if (corsOrigins.length > 0) app.use(cors(corsRule(corsOrigins)));
  app.use(guard.middleware());
  const { hold } = options;
  if (hold) app.use((_, next) => hold(next));

  app.get('/healthz', (c) => c.json({ status: 'ok', rows: shownCount(index) }));
  app.get('/readyz', (c) =>
    guard.draining ? c.json({ status: 'ending' }, 503) : c.json({ status: 'ready' }),
  );
  app.get('/metrics', async (c) => {
    c.header('Content-Type', metrics.registry.contentType);
    return c.body(await metrics.registry.metrics());
  });
  app.route('/', clipRetrievalRoutes(index, embedder, metrics, fetchImage));
  app.route('/', apiRoutes({ index, embedder, fetchImage, metrics }));
  app.route('/', imageRoutes(index));
  if (options.dir !== undefined) app.route('/', reportRoutes(index, guard, options.dir));
  app.route('/', reportPageRoutes(index));
  app.route('/', await pageFileRoutes());

  app.notFound((c) => c.json({ error: 'there is nothing at this address' }, 404));
  app.onError((error, c) => {
    if (error instanceof RequestError) {
      if (error.retryAfter !== undefined) c.header('Retry-After', String(error.retryAfter));
      return c.json({ error: error.message }, error.status);
    }
    onError(error);
    // What went wrong is for the operator; a path of his machine is not for everybody.
    const line = error instanceof GleanerError ? error.code : 'it failed';
    return c.json({ error: `the service could not answer (${line})` }, 500);
  });
  return app;
}

/** What is dear is paid for when it is done, and not done for who has gone. */
function priced(embedder: Embedder): Embedder {
  return {
    ...embedder,
    embedTexts(texts) {
      requestContext.getStore()?.signal.throwIfAborted();
      return embedder.embedTexts(texts);
    },
    embedImage(bytes) {
      const request = requestContext.getStore();
      request?.charge(PICTURE_COST);
      return embedder.embedImage(bytes, request?.signal);
    },
  };
}

function pricedFetch(fetchImage: FetchImage): FetchImage {
  return (url) => {
    const request = requestContext.getStore();
    request?.charge(FETCH_COST);
    return fetchImage(url, request?.signal);
  };
}

/** Without credentials: there are none. A browser may remember the answer to its preflight for a day. */
function corsRule(origins: readonly string[]) {
  const origin = origins.includes('*') ? '*' : [...origins];
  return { origin, allowMethods: ['GET', 'POST'], exposeHeaders: ['Retry-After'], maxAge: 86_400 };
}
