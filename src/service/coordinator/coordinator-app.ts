import { type Context, Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { z } from 'zod';
import type { Desk } from '../../executors/fleet/volunteer/desk.ts';
import type { OwnGrants } from '../../executors/fleet/volunteer/grants.ts';
import {
  API,
  completeRequest,
  givebackRequest,
  heartbeatRequest,
  type Leaderboard,
  leaseRequest,
  uploadsRequest,
} from '../../executors/fleet/volunteer/protocol.ts';
import { RequestRefused } from '../../executors/fleet/volunteer/refused.ts';
import type { Volunteer } from '../../executors/fleet/volunteer/volunteers.ts';
import { GleanerError } from '../../schema/index.ts';
import { parseBody, RequestError } from '../errors.ts';
import { clientOf } from '../guard/client.ts';
import { TokenBuckets } from '../guard/token-buckets.ts';
import { pageSecurity } from '../page-security.ts';
import { fileRoutes } from './file-routes.ts';
import { leaderboardRoutes } from './leaderboard-page.ts';

/** A claim names six files and some counts. */
const MAX_BODY_BYTES = 256 << 10;
/** Requests a second that one token may make in the long run, and at once: a machine of 64 slots makes two. */
const TOKEN_RATE = 10;
const TOKEN_BURST = 200;
/** The same for an address whose requests have no good token: to try tokens is hopeless, and is to cost us nothing. */
const STRANGER_RATE = 0.5;
const STRANGER_BURST = 20;
/** Tokens and addresses that are remembered. */
const BUCKETS = 65_536;

export interface CoordinatorAppOptions {
  readonly desk: Desk;
  readonly own: OwnGrants;
  readonly whose: (token: string) => Promise<Volunteer | undefined>;
  readonly leaderboard: () => Promise<Leaderboard>;
  /** Proxies of the operator's before it. @default 0 */
  readonly trustedProxies?: number | undefined;
  /** Told of every failure that is ours. */
  readonly onError: (error: unknown) => void;
}

/** All routes of a coordinator, without a socket. */
export function createCoordinatorApp(options: CoordinatorAppOptions): Hono {
  const { desk, own, whose, onError, trustedProxies = 0 } = options;
  const tokens = new TokenBuckets({ rate: TOKEN_RATE, burst: TOKEN_BURST, buckets: BUCKETS });
  const strangers = new TokenBuckets({ rate: STRANGER_RATE, burst: STRANGER_BURST, buckets: BUCKETS });
  const app = new Hono();
  app.use(pageSecurity());

  /** @throws RequestRefused 401, 403, 429 */
  async function authenticate(c: Context): Promise<Volunteer> {
    const address = addressOf(c, trustedProxies);
    const [, token] = /^Bearer ([\w-]{8,100})$/.exec(c.req.header('Authorization') ?? '') ?? [];
    const volunteer = token === undefined ? undefined : await whose(token);
    if (!volunteer || volunteer.expired) {
      if (strangers.take(address, 1) > 0)
        throw new RequestRefused(429, 'too many requests without a good token');
      const problem = volunteer ? 'it has expired' : 'it is none of this coordinator';
      throw new RequestRefused(401, problem, 'TOKEN_REFUSED');
    }
    if (volunteer.blockedFor !== null) throw new RequestRefused(403, volunteer.blockedFor, 'WORKER_BLOCKED');
    if (tokens.take(volunteer.id, 1) > 0) throw new RequestRefused(429, 'too many requests: ask less often');
    return volunteer;
  }

  function answer<T extends z.ZodType>(
    path: string,
    schema: T,
    work: (volunteer: Volunteer, request: z.infer<T>) => Promise<object>,
  ): void {
    app.post(
      `${API}/${path}`,
      bodyLimit({
        maxSize: MAX_BODY_BYTES,
        onError: () => {
          throw new RequestRefused(413, `the body is above ${MAX_BODY_BYTES} bytes`);
        },
      }),
      async (c) => {
        // Before the body is read: strangers' bodies are not.
        const volunteer = await authenticate(c);
        return c.json(await work(volunteer, await parseBody(c.req.raw, schema)));
      },
    );
  }

  answer('lease', leaseRequest, (volunteer, request) => desk.lease(volunteer, request));
  answer('heartbeat', heartbeatRequest, async (volunteer, { machine, leases }) => ({
    lost: await desk.heartbeat(volunteer, machine, leases),
  }));
  answer('uploads', uploadsRequest, async (volunteer, { lease, files }) => ({
    files: await desk.uploads(volunteer, lease, files),
  }));
  answer('complete', completeRequest, async (volunteer, { lease, manifest }) => {
    await desk.complete(volunteer, lease, manifest);
    return { state: 'auditing' };
  });
  answer('giveback', givebackRequest, async (volunteer, { leases }) => {
    await desk.giveBack(volunteer, leases);
    return {};
  });

  app.route(`${API}/files`, fileRoutes(own));
  app.route('/', leaderboardRoutes(options.leaderboard));
  app.get('/healthz', (c) => c.text('ok'));

  app.notFound((c) => c.json({ error: 'there is nothing at this address' }, 404));
  app.onError((error, c) => {
    if (error instanceof RequestRefused)
      return c.json({ error: error.message, ...(error.code && { code: error.code }) }, error.status);
    if (error instanceof RequestError) return c.json({ error: error.message }, error.status);
    onError(error);
    // What is wrong with the operator's storage or database is not a stranger's to read.
    const code = error instanceof GleanerError ? error.code : undefined;
    return c.json({ error: 'it failed here: try again later', ...(code && { code }) }, 500);
  });
  return app;
}

function addressOf(c: Context, trustedProxies: number): string {
  const { incoming }: { readonly incoming?: Parameters<typeof clientOf>[0] } = c.env ?? {};
  return incoming ? clientOf(incoming, trustedProxies).key : '';
}
