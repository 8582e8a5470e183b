import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadRecipe } from '../../src/config/index.ts';
import { decodeImage, readHead } from '../../src/image/index.ts';
import { Tombstones } from '../../src/safety/index.ts';
import {
  dropped,
  type FetchFacts,
  type FetchOutcome,
  GleanerError,
  kept,
  type Pair,
  pairUid,
  REASON_NAMES,
} from '../../src/schema/index.ts';
import { type FetchEngines, fetchImages } from '../../src/stages/fetch.ts';
import { openFetched } from '../../src/stages/fetched-source.ts';
import { Intake } from '../../src/stages/intake.ts';
import { fetchedFiles } from '../../src/stages/outcomes.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';
import { filesWith } from '../support/contents.ts';

let folder: string;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-fetch-'));
  storage = fileStorage(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const recipe = loadRecipe('everything', { image: { minBytes: 8, formats: ['jpeg', 'gif'] } });
const context = (of = storage) => ({
  storage: of,
  signal: new AbortController().signal,
  progress: () => undefined,
});

function pair(n: number, url = `http://h/${n}`): Pair {
  const text = `text ${n}`;
  const uid = pairUid(url, text);
  return {
    ...{ uid, url, text, pageUrl: 'http://page/', wat: `w#${n}` },
    ...{ license: '?', language: 'en', languageConfidence: 0.5 },
  };
}

/** Bytes that are a GIF by their first ones. */
const gif = (text: string) => new Uint8Array(Buffer.from(`GIF89a${text}`));

/** Answers as they are given, each after so many turns of the event loop. */
function enginesOf(answer: (uid: string) => FetchOutcome, turns = 0, more = {}): FetchEngines {
  let asked = 0;
  return {
    intake: new Intake(recipe.fetch, 1),
    images: {
      async get(_url, signal, uid = '') {
        for (let i = (asked++ * 7) % (turns + 1); i > 0; i--) await new Promise(setImmediate);
        signal?.throwIfAborted();
        return answer(uid);
      },
      close: async () => undefined,
    },
    ...more,
  };
}

async function reopen(pairs: readonly Pair[], engines: FetchEngines) {
  const { files, facts } = await fetchImages('fetched/00000-a', pairs, 0, recipe, engines, context());
  const { sha256 = '' } = files.find(({ path }) => path.endsWith('.parquet')) ?? {};
  return { files, facts, source: await openFetched(storage, { folder: 'fetched/00000-a', sha256 }) };
}

test('pairs with one URL have each its own answer, in whatever order answers come', async () => {
  const pairs = Array.from({ length: 40 }, (_, n) => pair(n, 'http://h/same'));
  const { source, facts } = await reopen(
    pairs,
    enginesOf((uid) => kept(image(gif(uid))), 5),
  );
  expect(facts).toEqual({ pairs: 40, images: 40, bytes: 40 * 38 });
  for (const { uid, url } of pairs.toReversed()) {
    const got = await source.get(url, undefined, uid);
    expect(got.kept && Buffer.from(got.value.bytes).toString()).toBe(`GIF89a${uid}`);
  }
  await source.close();
  await expect(source.get('http://h/same', undefined, pairs[0]?.uid)).rejects.toThrow(/closed/);
});

function image(bytes: Uint8Array, finalUrl = 'http://h/same', fetchedAt: number | undefined = undefined) {
  return { bytes, finalUrl, contentType: '', fetchedAt };
}

const int = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const url = fc.webUrl();
const facts: fc.Arbitrary<FetchFacts | undefined> = fc.option(
  fc.record({
    status: fc.option(fc.integer({ min: 100, max: 599 })),
    finalUrl: url,
    tries: int,
    wireBytes: fc.maxSafeNat(),
    ...{ queueMs: int, dnsMs: int, connectMs: int, firstByteMs: int, totalMs: int },
  }),
  { nil: undefined },
);
const answers = fc.array(
  fc.oneof(
    fc.record({
      bytes: fc.uint8Array({ maxLength: 2000 }).map((bytes) => Uint8Array.from([...gif('xx'), ...bytes])),
      finalUrl: url,
      fetchedAt: fc.option(fc.maxSafeNat(), { nil: undefined }),
      facts,
    }),
    fc.record({
      reason: fc.constantFrom(
        ...REASON_NAMES.filter((name) => name !== 'known_content' && name !== 'removed'),
      ),
      detail: fc.string({ unit: 'grapheme' }),
      facts,
    }),
  ),
  { minLength: 1, maxLength: 30 },
);

test('what is read back is what was answered', async () => {
  await fc.assert(
    fc.asyncProperty(answers, async (given) => {
      const pairs = given.map((_, n) => pair(n));
      const outcomes = new Map<string, () => FetchOutcome>(
        given.map((one, n) => {
          const told = one.facts && { facts: one.facts };
          // Of the web both are the same.
          const finalUrl = one.facts?.finalUrl ?? ('bytes' in one ? one.finalUrl : '');
          return [
            pairs[n]?.uid ?? '',
            'bytes' in one
              ? () => ({ ...kept(image(one.bytes.slice(), finalUrl, one.fetchedAt)), ...told })
              : () => ({ ...dropped(one.reason, one.detail), ...told }),
          ];
        }),
      );
      const answerOf = (uid: string) => outcomes.get(uid)?.() ?? dropped('dns');
      const { source } = await reopen(pairs, enginesOf(answerOf, 3));
      for (const { uid, url: of } of pairs)
        expect(await source.get(of, undefined, uid)).toEqual(answerOf(uid));
      await source.close();
    }),
    { numRuns: 40 },
  );
});

test('what is taken down afterwards is refused, by the URL that it came from at last', async () => {
  const [one, other] = [pair(1), pair(2)];
  const engines = enginesOf((uid) => kept(image(gif(uid), uid === one.uid ? 'http://gone/x' : 'http://h/2')));
  const { files } = await fetchImages('fetched/00000-a', [one, other], 0, recipe, engines, context());
  const { sha256 = '' } = files.find(({ path }) => path.endsWith('.parquet')) ?? {};
  const source = await openFetched(storage, { folder: 'fetched/00000-a', sha256 }, (href) =>
    href.startsWith('http://gone/') ? dropped('removed') : undefined,
  );
  expect(await source.get(one.url, undefined, one.uid)).toMatchObject({ kept: false, reason: 'removed' });
  expect(await source.get(other.url, undefined, other.uid)).toMatchObject({ kept: true });
  await source.close();
});

test('bytes that were taken down are not written, and nothing is asked for that is', async () => {
  const secret = gif('something that was taken down');
  const named = pair(1);
  const removed = new Tombstones({
    takedowns: [
      { kind: 'sha256', hash: createHash('sha256').update(secret).digest('hex'), reason: '', at: '' },
      { kind: 'uid', hash: named.uid, reason: '', at: '' },
    ],
    pairs: [],
  });
  const asked: string[] = [];
  const answer = (uid: string) => {
    asked.push(uid);
    return kept(image(secret.slice()));
  };
  const { source, facts } = await reopen([named, pair(2)], enginesOf(answer, 0, { removed }));
  expect([asked, facts]).toEqual([[pair(2).uid], { pairs: 2, images: 0, bytes: 0 }]);
  for (const { uid } of [named, pair(2)])
    expect(await source.get('', undefined, uid)).toEqual({ kept: false, reason: 'removed', detail: '' });
});

test('of what led to something that was taken down it is not said where', async () => {
  const refused: FetchOutcome = { ...dropped('removed'), facts: FACTS };
  const { source } = await reopen(
    [pair(1)],
    enginesOf(() => refused),
  );
  expect(await source.get('', undefined, pair(1).uid)).toEqual(dropped('removed'));
  expect(await filesWith(folder, ['http://gone/'])).toEqual({});
  // One that may be named has what it took.
  const { source: other } = await reopen(
    [pair(2)],
    enginesOf(() => ({ ...dropped('dns'), facts: FACTS })),
  );
  expect(await other.get('', undefined, pair(2).uid)).toEqual({ ...dropped('dns'), facts: FACTS });
  expect(Object.keys(await filesWith(folder, ['http://gone/']))).toEqual([
    'fetched/00000-a/outcomes.parquet',
  ]);
});

const FACTS: FetchFacts = {
  ...{ status: 302, finalUrl: 'http://gone/', tries: 2, wireBytes: 3 },
  ...{ queueMs: 1, dnsMs: 2, connectMs: 3, firstByteMs: 4, totalMs: 10 },
};

test('files that are not what was written are told of by name', async () => {
  const pairs = [pair(1), pair(2)];
  const { files, source } = await reopen(
    pairs,
    enginesOf((uid) => kept(image(gif(uid)))),
  );
  await expect(source.get('', undefined, pair(3).uid)).rejects.toThrow(/outcomes\.parquet: says nothing of/);
  const path = fetchedFiles('fetched/00000-a').images;
  const bytes = new Uint8Array(await storage.read(path));
  bytes[520] = 0;
  await storage.put(path, bytes);
  const again = await openFetched(storage, { folder: 'fetched/00000-a', sha256: files[1]?.sha256 ?? '' });
  await expect(again.get('', undefined, pair(1).uid)).rejects.toThrow(/images\.tar: has other bytes at 512/);
  expect(await again.get('', undefined, pair(2).uid)).toMatchObject({ kept: true });
  await again.close();
  const wrong = openFetched(storage, { folder: 'fetched/00000-a', sha256: '0'.repeat(64) });
  await expect(wrong).rejects.toMatchObject({ code: 'DAMAGED' });
});

test('a full disk ends it at once, not when the slowest answer has come', async () => {
  const full: Storage = {
    ...storage,
    async create(path, options) {
      const file = await storage.create(path, options);
      const write = () => Promise.reject(new GleanerError('DISK_FULL', { path, problem: 'ENOSPC' }));
      return path.endsWith('.tar') ? { ...file, write } : file;
    },
  };
  const first = pair(0);
  const engines: FetchEngines = {
    intake: new Intake(recipe.fetch, 1),
    images: {
      get: (_, signal, uid) =>
        uid === first.uid
          ? // It would never answer.
            new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
          : Promise.resolve(kept(image(new Uint8Array(Buffer.concat([gif(''), Buffer.alloc(2 << 20)]))))),
      close: async () => undefined,
    },
  };
  const pairs = [first, pair(1), pair(2)];
  await expect(
    fetchImages('fetched/00000-a', pairs, 0, recipe, engines, context(full)),
  ).rejects.toMatchObject({
    code: 'DISK_FULL',
  });
  expect(await storage.list('')).toEqual([]);
});

test('what is refused by its head is refused so by the decoder, in the same words', async () => {
  const soi = Buffer.of(0xff, 0xd8, 0xff);
  const size = fc.integer({ min: 0, max: 0xffff });
  const frame = fc
    .tuple(fc.integer({ min: 0xc0, max: 0xcf }), size, size)
    .map(([marker, width, height]) =>
      Buffer.from([
        ...[0xff, 0xd8, 0xff, marker, 0, 11, 8, height >> 8, height & 255, width >> 8, width & 255],
        ...[1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0],
      ]),
    );
  const bytes = fc.oneof(
    frame,
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }).map((rest) => Buffer.concat([soi, rest])),
    fc
      .uint8Array({ maxLength: 60 })
      .map((rest) => Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), rest])),
  );
  const limits = { minBytes: 10, maxPixels: 1 << 24, formats: ['jpeg', 'png'] } as const;
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(bytes, async (body) => {
      const head = readHead(body, limits);
      seen.add(head.kept ? 'kept' : head.reason);
      if (!head.kept) expect(await decodeImage(body, limits)).toEqual(head);
    }),
    { numRuns: 300 },
  );
  expect(seen).toEqual(new Set(['kept', 'body_small', 'format', 'pixels', 'undecodable']));
});
