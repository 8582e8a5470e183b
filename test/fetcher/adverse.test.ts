import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { recipeSchema } from '../../src/config/index.ts';
import { shardDeadlineMs, type WebSourceOptions } from '../../src/fetcher/index.ts';
import { decodeImage } from '../../src/image/index.ts';
import { misbehaviours, serveAdverse } from './adverse-origin.ts';
import { factualSource, serveRaw, serveTcp } from './servers.ts';
import { testClock } from './test-clock.ts';

const { image: imageRecipe } = recipeSchema.parse({ name: 'test' });

/** Noise does not pack: some 60 kB, as photos have. */
const PHOTO = await sharp(
  Buffer.from(Uint8Array.from({ length: 200 * 150 * 3 }, (_, i) => (i * 2_654_435_761) >>> 24)),
  { raw: { width: 200, height: 150, channels: 3 } },
)
  .jpeg({ quality: 95 })
  .toBuffer();
const HALF = PHOTO.length >> 1;
const MAX_BODY = 1_000_000;
/** One piece more than the limit may be read, of at most what a socket gives at once: 64 KiB. */
const PIECE = 65_536;

const LIMITS = { maxBodyBytes: MAX_BODY, retries: 0 } as const;
/** For those that stall; undici keeps the time to the first byte to half a second or so. */
const SHORT: Readonly<Record<string, WebSourceOptions>> = {
  hang: { firstByteTimeoutMs: 100 },
  'hang-mid-body': { totalTimeoutMs: 400 },
  trickle: { totalTimeoutMs: 400 },
  'trickle-headers': { totalTimeoutMs: 400 },
  'trickle-headers-without-end': { totalTimeoutMs: 400 },
};
/** The limits say when each should be over; on a busy machine it may take longer, but none of the default limits. */
const CEILING_MS = 9_000;

/** What has to become of each: 'kept', or the reason; its detail; bytes of bodies read at most; requests. */
const EXPECTED: Readonly<
  Record<string, readonly [outcome: string, detail: string, atMost: number, tries?: number]>
> = {
  ok: ['kept', '', PHOTO.length],
  'ok-chunked': ['kept', '', PHOTO.length],
  'ok-no-length': ['kept', '', PHOTO.length],
  '404': ['http_status', '404', 9],
  '403': ['http_status', '403', 9],
  '410': ['http_status', '410', 4],
  '429': ['http_status', '429', 4],
  '500': ['http_status', '500', 4],
  '503': ['http_status', '503', 4],
  'redirect-1': ['kept', '', PHOTO.length, 2],
  'redirect-loop': ['redirects', 'in a circle', 0],
  'redirect-long': ['redirects', 'more than 5', 0, 6],
  'redirect-file': ['redirects', 'to file:', 0],
  hang: ['timeout', 'first byte', 0],
  'hang-mid-body': ['timeout', 'total, in the body', HALF],
  trickle: ['timeout', 'total, in the body', 1000],
  'trickle-headers': ['timeout', '', 0],
  'trickle-headers-without-end': ['timeout', '', 0],
  truncated: ['body_broken', 'ended early', HALF],
  'truncated-no-length': ['undecodable', '', HALF],
  'length-too-small': ['undecodable', '', PHOTO.length],
  empty: ['format', '', 0],
  '204': ['http_status', '204', 0],
  'wrong-type': ['kept', '', PHOTO.length],
  html: ['format', '', 100],
  'html-as-jpeg': ['format', '', 100],
  'big-50mb': ['body_large', '50000000 bytes', 0],
  'big-no-length': ['body_large', `above ${MAX_BODY} bytes`, MAX_BODY + PIECE],
  'bomb-400mp': ['pixels', '', 20_000],
  'bomb-1600mp': ['pixels', '', 20_000],
  gzip: ['kept', '', PHOTO.length + 100],
  'robots-noai': ['robots_header', 'noai', 0],
  'robots-two': ['robots_header', 'noimageai', 0],
  'tdm-reservation': ['robots_header', 'tdm-reservation', 0],
  'robots-mixed': ['kept', '', PHOTO.length],
  'robots-nofollow': ['kept', '', PHOTO.length],
  reset: ['connection', 'ECONNRESET', 0],
  // After 'Connection: close' undici takes a reset for the end.
  'reset-mid-body': ['body_broken', 'ended early', HALF],
  close: ['connection', 'closed', 0],
  'not-http': ['connection', 'not HTTP', 0],
};

describe('an adverse origin', () => {
  it('has no case without an expectation', () => {
    expect(Object.keys(misbehaviours(PHOTO)).toSorted()).toEqual(Object.keys(EXPECTED).toSorted());
  });

  it.each(Object.entries(EXPECTED))('%s: %j', async (name, [outcome, detail, atMost, tries = 1]) => {
    const origin = await serveAdverse(PHOTO);
    const source = factualSource([origin], { ...LIMITS, ...SHORT[name] });
    const fetched = await source.get(`${origin.origin}/${name}/0`);
    const end = fetched.kept ? await decodeImage(fetched.value.bytes, imageRecipe) : fetched;
    expect(end.kept ? 'kept' : end.reason).toBe(outcome);
    if (!end.kept && detail) expect(end.detail).toBe(detail);
    expect(fetched.facts?.wireBytes).toBeLessThanOrEqual(atMost);
    expect(fetched.facts?.tries).toBe(tries);
    expect(origin.asked).toHaveLength(tries);
    expect(fetched.facts?.totalMs).toBeLessThan(CEILING_MS);
    // Nothing is left open where the other side would go on or keep still.
    const slow = ['timeout', 'body_large', 'robots_header'].includes(outcome);
    if (slow)
      for (const socket of origin.sockets) await new Promise((resolve) => socket.once('close', resolve));
  });

  it('a local file is never read', async () => {
    expect(await factualSource([]).get('file:///etc/hostname')).toMatchObject({ reason: 'url_scheme' });
  });

  it.each(['429', '503'])('%s: tried again when its Retry-After is over, once', async (name) => {
    const origin = await serveAdverse(PHOTO);
    const clock = testClock();
    const source = factualSource([origin], { ...LIMITS, retries: 1, clock });
    expect(await source.get(`${origin.origin}/${name}/0`)).toMatchObject({ reason: 'http_status' });
    expect(origin.asked).toHaveLength(2);
    expect(clock.sleeps[0]).toBe(2000);
  });

  it('one that trickles among many that do not holds up nobody', async () => {
    const origin = await serveAdverse(PHOTO);
    const source = factualSource([origin], { ...LIMITS, totalTimeoutMs: 60_000, perDomainConcurrency: 4 });
    const giveUp = new AbortController();
    const bad = source.get(`${origin.origin}/trickle/0`, giveUp.signal);
    while (!origin.asked.includes('/trickle/0')) await new Promise(setImmediate);
    const good = Array.from({ length: 200 }, (_, i) => source.get(`${origin.origin}/ok/${i}`));
    for (const { kept } of await Promise.all(good)) expect(kept).toBe(true);
    giveUp.abort(new Error('enough'));
    await expect(bad).rejects.toThrow('enough');
  });

  it('32 bodies of 50 MB at once are read as far as the limit, each', async () => {
    const origin = await serveAdverse(PHOTO);
    const patient = { firstByteTimeoutMs: 30_000, totalTimeoutMs: 30_000, perDomainConcurrency: 32 };
    const source = factualSource([origin], { ...LIMITS, ...patient });
    const all = Array.from({ length: 32 }, (_, i) => source.get(`${origin.origin}/big-no-length/${i}`));
    for (const outcome of await Promise.all(all)) expect(outcome).toMatchObject({ reason: 'body_large' });
    expect(source.stats.bytes).toBeLessThanOrEqual(32 * (MAX_BODY + PIECE));
  });
});

describe('a shard', () => {
  it('ends before its deadline, wherever its origins stall', async () => {
    const photo = await serveAdverse(PHOTO);
    const silent = await serveTcp((socket) => socket.resume());
    const handshake = await serveTcp((socket) => socket.resume(), 'https');
    const toSilent = await serveRaw(
      `HTTP/1.1 302 Found\r\nLocation: ${silent.origin}/\r\nContent-Length: 0\r\n\r\n`,
      () => {},
    );
    const cases = [
      'hang',
      'hang-mid-body',
      'trickle',
      'trickle-headers',
      'trickle-headers-without-end',
      'ok',
    ];
    const urls = [
      ...cases.map((name) => `${photo.origin}/${name}/0`),
      `${silent.origin}/robots-that-never-come.png`,
      `${handshake.origin}/no-handshake.png`,
      `${toSilent.origin}/redirect-to-silence.png`,
      'http://never-resolves.example/dns.png',
    ];
    const options = {
      queueTimeoutMs: 200,
      totalTimeoutMs: 100,
      connectTimeoutMs: 60,
      firstByteTimeoutMs: 60,
      retries: 1,
      retryBackoffMs: 10,
      maxRetryAfterMs: 20,
    };
    const source = factualSource([photo, silent, handshake, toSilent], {
      ...options,
      respectRobots: true,
      resolve: () => new Promise(() => {}),
    });
    const began = performance.now();
    const outcomes = await Promise.all([...urls, ...urls, ...urls].map((url) => source.get(url)));
    const deadlineMs = shardDeadlineMs(options, outcomes.length, outcomes.length);
    // Timers are late on a busy machine; an origin that was waited for would take for ever.
    expect(performance.now() - began).toBeLessThan(deadlineMs + 5_000);
    // Whatever waited for nothing but its turn is there or has waited for as long as it may.
    for (const outcome of outcomes)
      expect(outcome.kept || ['timeout', 'robots', 'host_down'].includes(outcome.reason)).toBe(true);
  });
});
