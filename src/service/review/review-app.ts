import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { GleanerError, refusedBySystem } from '../../schema/index.ts';
import { releaseFiles } from '../../stages/released.ts';
import { type ReviewReport, reviewReport, SAFE_CLASS } from '../../stages/review/index.ts';
import type { Storage } from '../../storage/index.ts';
import { parseBody, RequestError } from '../errors.ts';
import { pageFileRoutes } from '../page-files.ts';
import { pageSecurity } from '../page-security.ts';
import { ownPagesOnly } from './guard.ts';
import type { JudgementFile } from './judgement-file.ts';
import type { LocatedSample } from './locate-images.ts';
import type { OpenedReview } from './open-review.ts';
import type { PageReview, PageSample } from './page-types.ts';

export interface ReviewAppOptions {
  readonly storage: Storage;
  /** Name of the release for the page. */
  readonly name: string;
  readonly reviewer: string;
  readonly review: OpenedReview;
  readonly judgements: JudgementFile;
  /** What is listened at. */
  readonly host: string;
  /** Told of every failure that is ours. @default standard error */
  readonly onError?: (error: unknown) => void;
}

/** A judgement is some hundred bytes. */
const MAX_BODY_BYTES = 4096;
/** Larger than any picture that gleaner stores, in bytes: `ImageStore` has the same limit. */
const MAX_IMAGE_BYTES = 64 << 20;
/** Of a tar: a member's header stands before its content. */
const TAR_BLOCK = 512;

const answer = z.enum(['yes', 'no', 'unsure']);
const judgementRequest = z.strictObject({
  place: z.int().min(0),
  uid: z.string(),
  answers: z.strictObject({ match: answer, safe: answer }).nullable(),
});

/** All routes of the review, without a socket: a test can ask `app.request`. */
export async function createReviewApp(options: ReviewAppOptions): Promise<Hono> {
  const { storage, name, reviewer, review, judgements, host, onError = console.error } = options;
  const { stats, sampling } = review;
  const app = new Hono();
  app.use(pageSecurity());
  app.use(ownPagesOnly(host));
  app.use(
    bodyLimit({
      maxSize: MAX_BODY_BYTES,
      onError: (c) => c.json({ error: `the body is above ${MAX_BODY_BYTES} bytes` }, 413),
    }),
  );
  // Pictures and texts of strangers stay in no cache of the disk.
  app.use(async (c, next) => {
    await next();
    if (!c.res.headers.has('Cache-Control')) c.header('Cache-Control', 'no-store');
  });

  app.get('/api/review', (c) => {
    const answers = sampling.samples.map(({ uid }) => judgements.answers(uid));
    return c.json({ name, rows: stats.rows, reviewer, answers } satisfies PageReview);
  });
  app.get('/api/samples/:place', (c) => {
    const sample = sampleAt(sampling.samples, c.req.param('place'));
    const { uid, text, url, pageUrl } = sample;
    return c.json({ uid, text, url, pageUrl, isFlagged: isFlagged(review, sample) } satisfies PageSample);
  });
  app.get('/images/:place', async (c) => {
    const sample = sampleAt(sampling.samples, c.req.param('place').replace(/\.jpg$/, ''));
    c.header('Content-Type', 'image/jpeg');
    return c.body(await readImage(storage, sample, stats.parts));
  });
  app.post('/api/judgements', async (c) => {
    const { place, uid, answers } = await parseBody(c.req.raw, judgementRequest);
    if (sampleAt(sampling.samples, String(place)).uid !== uid)
      throw new RequestError(404, 'the sample has changed since: load the page again');
    await judgements.add(uid, answers);
    return c.json({ saved: true });
  });
  app.get('/api/report', (c) =>
    c.json(reviewReport(stats, sampling, judgements.judged) satisfies ReviewReport),
  );
  app.route('/', await pageFileRoutes(undefined, { '/': 'review.html' }));

  app.notFound((c) => c.json({ error: 'there is nothing at this address' }, 404));
  app.onError((error, c) => {
    if (error instanceof RequestError) return c.json({ error: error.message }, error.status);
    // This service is its operator's own: he is told what he can mend, a full disk or a damaged file.
    const told = refusedBySystem(error);
    if (!told) onError(error);
    return c.json({ error: told?.message ?? 'it failed, and the terminal says why' }, 500);
  });
  return app;
}

/** @throws RequestError 404 */
function sampleAt(samples: readonly LocatedSample[], place: string): LocatedSample {
  const sample = /^\d{1,9}$/.test(place) ? samples[Number(place)] : undefined;
  if (!sample) throw new RequestError(404, 'there is no such sample');
  return sample;
}

function isFlagged({ sampling }: OpenedReview, { cell }: LocatedSample): boolean {
  const from = sampling.cells[cell];
  return from?.nsfw !== SAFE_CLASS || from.tags === null || from.tags.length > 0;
}

/**
 * The stored picture of a sample.
 *
 * @throws GleanerError DAMAGED where another lies there by now: pairs may have been taken out of the release since
 */
async function readImage(
  storage: Storage,
  sample: LocatedSample,
  parts: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { offset, length, key, part } = sample;
  const path = releaseFiles(part, parts).images;
  const tar = await storage.open(path);
  try {
    const end = offset + Math.min(length, MAX_IMAGE_BYTES);
    const bytes = new Uint8Array(await tar.slice(Math.max(0, offset - TAR_BLOCK), end));
    const name = new TextDecoder('latin1').decode(bytes.subarray(0, key.length + 5));
    if (name !== `${key}.jpg\0` || bytes.length !== TAR_BLOCK + length) {
      const problem = 'has changed since the sample was drawn. Start gleaner review again.';
      throw new GleanerError('DAMAGED', { path, problem });
    }
    return bytes.subarray(TAR_BLOCK);
  } finally {
    await tar.close();
  }
}
