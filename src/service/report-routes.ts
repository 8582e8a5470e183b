import { Hono } from 'hono';
import { z } from 'zod';
import { appendReport, MAX_CONTACT_CHARS, MAX_MESSAGE_CHARS, REPORT_REASONS } from '../pipeline/index.ts';
import { parseBody, RequestError } from './errors.ts';
import type { Guard } from './guard/index.ts';
import { TokenBuckets } from './guard/token-buckets.ts';
import { type OpenedIndex, shownRow } from './opened-index.ts';

/** The body of POST /api/v1/reports. */
export const reportRequest = z.strictObject({
  /** SAMPLE_ID of the row. */
  id: z.int().min(0),
  reason: z.enum(REPORT_REASONS),
  message: z.string().max(MAX_MESSAGE_CHARS).default(''),
  /** How the operator can answer, as a mail address. Kept until the report is handled, and shown to nobody else. */
  contact: z.string().max(MAX_CONTACT_CHARS).default(''),
});

/**
 * Reports a client may make: so many at once, as somebody does who finds an album of his, and one a minute from then on.
 * In all, so that a flood from everywhere cannot fill the disk in a night: 6 a minute are 8,640 a day, some 5 MB.
 */
const OF_ONE_CLIENT = { rate: 1 / 60, burst: 30, buckets: 65_536 };
const IN_ALL = { rate: 1 / 10, burst: 1000, buckets: 1 };

/**
 * Takes reports into the queue of the operator, who sees them with `gleaner reports`. No route tells of them again.
 * @param dir folder of the run
 */
export function reportRoutes(index: OpenedIndex, guard: Guard, dir: string): Hono {
  const ofOneClient = new TokenBuckets(OF_ONE_CLIENT);
  const inAll = new TokenBuckets(IN_ALL);
  /** One after the other: each is a line of its own. */
  let appending: Promise<unknown> = Promise.resolve();
  const app = new Hono();

  app.post('/api/v1/reports', async (c) => {
    // A form of somebody else's page can post anything but this without asking us first (Fetch, "CORS-safelisted").
    if (!/^application\/json\b/i.test(c.req.header('Content-Type') ?? ''))
      throw new RequestError(415, 'send the report as application/json');
    const { id, reason, message, contact } = await parseBody(c.req.raw, reportRequest);
    const row = await shownRow(index, id);
    if (!row) throw new RequestError(404, `there is no row ${id}`);
    const client = guard.clientOf(c);
    const seconds = (client === undefined ? 0 : ofOneClient.take(client, 1)) || inAll.take('', 1);
    if (seconds > 0) throw new RequestError(429, 'too many reports: write to the operator instead', seconds);
    const { uid, URL: url, sha256 } = row;
    const report = { row: id, uid, url, sha256, reason, message, contact };
    const appended = appending.then(() => appendReport(dir, report, new Date()));
    appending = appended.catch(() => undefined);
    const name = await appended;
    if (name === undefined)
      throw new RequestError(503, 'the queue of reports is full: write to the operator instead', 3600);
    return c.json({ report: name }, 202);
  });

  return app;
}
