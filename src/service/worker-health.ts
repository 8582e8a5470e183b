import { Hono } from 'hono';
import type { Worker } from '../executors/fleet/worker/worker.ts';
import { type Listening, listenOn } from './listen.ts';

/** All interfaces: what asks is a Prometheus or a Kubernetes on another machine. Nothing that it tells is secret. */
const HOST = '0.0.0.0';

/**
 * Answers what watches a worker: GET /metrics, /healthz (it lives) and /readyz (it takes tasks, and its database answers).
 * @throws GleanerError PORT_IN_USE
 */
export function serveWorkerHealth(worker: Worker, port: number): Promise<Listening> {
  return listenOn(workerHealth(worker).fetch, port, HOST);
}

/** The routes without a socket. */
function workerHealth(worker: Worker): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', async (c) =>
    (await worker.isReady()) ? c.json({ status: 'ready' }) : c.json({ status: 'not ready' }, 503),
  );
  app.get('/metrics', async (c) =>
    c.body(await worker.metrics.text(), 200, { 'content-type': worker.metrics.contentType }),
  );
  return app;
}
