import { Hono } from 'hono';
import { GleanerError } from '../../schema/index.ts';
import { RequestError } from '../errors.ts';
import { Guard, guardLimits } from '../guard/index.ts';
import { pageFileRoutes } from '../page-files.ts';
import { pageSecurity } from '../page-security.ts';
import { ownPagesOnly } from '../review/guard.ts';
import type { FleetMetrics } from './fleet-metrics.ts';
import type { LiveStatus } from './live-status.ts';
import type { PageStatus } from './page-types.ts';
import { publicView } from './public-view.ts';

export interface FleetAppOptions {
  readonly live: LiveStatus;
  readonly metrics: FleetMetrics;
  /** What is listened at. */
  readonly host: string;
  /** Whether others than this machine can reach it. */
  readonly isPublic: boolean;
  /** @default one with the default limits */
  readonly guard?: Guard;
  /** Told of every failure that is ours. @default standard error */
  readonly onError?: (error: unknown) => void;
}

/** All routes of the fleet's page, without a socket: a test can ask `app.request`. Nothing can be changed by them. */
export async function createFleetApp(options: FleetAppOptions): Promise<Hono> {
  const {
    live,
    metrics,
    host,
    isPublic,
    guard = new Guard(guardLimits()),
    onError = console.error,
  } = options;
  const app = new Hono();
  app.use(pageSecurity());
  app.use(async (c, next) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD')
      return c.json({ error: 'this page can only be read' }, 405, { Allow: 'GET, HEAD' });
    await next();
    if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store');
  });
  // One that everybody may read has no pages of others to fear, and a name of its operator's choice.
  if (!isPublic) app.use(ownPagesOnly(host));
  app.use(guard.middleware());

  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) =>
    live.works && !guard.draining ? c.json({ status: 'ready' }) : c.json({ status: 'not ready' }, 503),
  );
  app.get('/metrics', async (c) => {
    await live.read();
    c.header('Content-Type', metrics.registry.contentType);
    return c.body(await metrics.registry.metrics());
  });
  app.get('/api/status', async (c) => {
    const status = await live.read();
    return c.json({
      status: isPublic ? publicView(status) : status,
      history: live.history.toJSON(),
      isPublic,
    } satisfies PageStatus);
  });
  app.route('/', await pageFileRoutes(undefined, { '/': 'fleet.html' }));

  app.notFound((c) => c.json({ error: 'there is nothing at this address' }, 404));
  app.onError((error, c) => {
    if (error instanceof RequestError) {
      if (error.retryAfter !== undefined) c.header('Retry-After', String(error.retryAfter));
      return c.json({ error: error.message }, error.status);
    }
    if (error instanceof GleanerError && error.code.startsWith('DATABASE_')) {
      c.header('Retry-After', '5');
      return c.json({ error: isPublic ? "the fleet's database does not answer" : error.message }, 503);
    }
    onError(error);
    return c.json({ error: 'it failed, and the terminal says why' }, 500);
  });
  return app;
}
