import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SampleSize, Verdict } from '../../src/executors/fleet/volunteer/audit-shard.ts';
import type { Claim } from '../../src/executors/fleet/volunteer/protocol.ts';
import { gzipMember } from '../../src/formats/index.ts';
import { encodeJpeg } from '../../src/image/index.ts';
import type { HarvestRow } from '../../src/schema/index.ts';
import type { PastPair } from '../../src/stages/past.ts';
import { watRecord } from '../support/crawl.ts';
import { type ImageOrigin, startImageOrigin } from '../support/image-origin.ts';
import { Forger, type SentFiles } from './forger.ts';

/** Most are kept, some do not match, some cannot be fetched. */
const IMAGES = 90;

let folder: string;
let origin: ImageOrigin;
let forger: Forger;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gleaner-audit-test-'));
  origin = await startImageOrigin();
  const images = Array.from({ length: IMAGES }, (_, n) => ({
    url:
      n % 3 === 1
        ? origin.flaky(n)
        : n % 11 === 5
          ? origin.odd('missing').replace('x', String(n))
          : origin.image(n),
    alt: `A ${n % 4 === 0 ? 'white ball' : 'picture of a circle on a coloured ground'}${', and more'.repeat(n % 9)}`,
  }));
  const wat = join(folder, 'crawl.warc.wat.gz');
  await writeFile(wat, gzipMember(watRecord('http://site.example/', images)));
  const overrides = {
    fetch: { retries: 0 },
    harvest: { recordTime: false },
    score: { batchSize: 5, minSimilarity: 0.05 },
  };
  const named = { recipe: 'everything', overrides, wats: [wat], allowHosts: [origin.host] };
  forger = await Forger.open(named, join(folder, 'run'));
}, 120_000);
beforeEach(() => {
  origin.failing = false;
});
afterAll(async () => {
  await forger[Symbol.asyncDispose]();
  await origin.close();
  await rm(folder, { recursive: true, force: true });
});

type Kept = Extract<PastPair['past'], { kept: true }>;
type KeptItem = PastPair & { readonly past: Kept };
const isKept = (item: PastPair): item is KeptItem => item.past.kept;

/** Changes what is said of the pairs that are kept; `n` counts them. */
function changeKept(change: (item: KeptItem, n: number, all: readonly KeptItem[]) => Kept) {
  return (items: readonly PastPair[]): readonly PastPair[] => {
    const all = items.filter(isKept);
    let n = 0;
    return items.map((item) => (isKept(item) ? { ...item, past: change(item, n++, all) } : item));
  };
}
const changeRow = (
  change: (row: HarvestRow) => Partial<HarvestRow>,
  only: (n: number) => boolean = (n) => n === 0,
) => changeKept(({ past }, n) => (only(n) ? { ...past, row: { ...past.row, ...change(past.row) } } : past));
/** Drops what is kept. */
const dropKept =
  (reason: 'timeout' | 'similarity' | 'http_status', similarity: number | null, detail = '') =>
  (items: readonly PastPair[]): readonly PastPair[] =>
    items.map((item) =>
      item.past.kept ? { ...item, past: { kept: false, reason, detail, similarity } } : item,
    );
const changeJpeg = (change: (jpeg: Uint8Array, n: number) => Promise<Uint8Array> | Uint8Array) =>
  changeKept(({ past }, n) => ({ ...past, jpeg: async () => change(await past.jpeg(), n) }));
const changeFile =
  (name: keyof SentFiles, change: (bytes: Uint8Array) => Uint8Array) =>
  (files: SentFiles): void => {
    files[name] = change(files[name]);
  };
const unit = (seed: number, length: number): Float32Array => {
  const values = Float32Array.from({ length }, (_, i) => Math.sin(seed * 7919 + i * 104_729));
  const norm = Math.hypot(...values);
  return values.map((value) => value / norm);
};
const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);

/** Half of the pairs were dropped for good reasons: twenty of them say too little. */
const ALL: SampleSize = { share: 1, least: 20 };

function refused(verdict: Verdict): { problem: string; forged: boolean } {
  if (verdict.accepted) throw new Error('it was accepted');
  return verdict;
}

describe('an audit', () => {
  it('has what the tests are about: pairs that are kept, do not match, cannot be fetched', () => {
    const kept = forger.honest.filter(isKept);
    const reasons = forger.honest.flatMap(({ past }) => (past.kept ? [] : [past.reason]));
    expect(kept.length).toBeGreaterThan(25);
    expect(new Set(reasons)).toEqual(new Set(['similarity', 'http_status']));
  });

  it('accepts an honest shard, again and again', async () => {
    for (let i = 0; i < 3; i++) {
      const verdict = await forger.audit();
      expect(verdict).toMatchObject({ accepted: true });
      if (verdict.accepted)
        expect(verdict.findings).toMatchObject({
          other: { found: 0 },
          gone: { found: 0 },
          wrong: { found: 0 },
        });
    }
  }, 60_000);

  it('writes what it accepts as an honest harvest has it', async () => {
    const verdict = await forger.audit();
    if (!verdict.accepted) throw new Error(verdict.problem);
    for (const { path, sha256 } of verdict.result.files) {
      const name = path.slice(path.lastIndexOf('/') + 1);
      const honest = await forger.storage.read(`honest/${name}`);
      expect([name, sha256]).toEqual([name, createHash('sha256').update(honest).digest('hex')]);
    }
  });

  it('accepts a shard some of whose pictures have gone since', async () => {
    const all = forger.honest.filter(isKept);
    const flaky = all.filter(({ pair }) => pair.url.includes('/flaky/')).length;
    expect(flaky / all.length).toBeGreaterThan(0.2);
    origin.failing = true;
    const verdict = await forger.audit();
    if (!verdict.accepted) throw new Error(verdict.problem);
    expect(verdict.findings.gone.found).toBeGreaterThan(0);
  });

  it.each<[string, RegExp, (items: readonly PastPair[]) => readonly PastPair[], SampleSize?]>([
    [
      'a similarity that is another',
      /its similarity .* is not that of its embeddings/,
      changeRow(({ similarity }) => ({ similarity: similarity + 0.05 })),
    ],
    ['a similarity that is none', /its similarity NaN/, changeRow(() => ({ similarity: Number.NaN }))],
    [
      'a text that is another',
      /its text is not that of the pair/,
      changeRow(({ text }) => ({ text: `${text}!` })),
    ],
    [
      'a URL that is another',
      /its url is not that of the pair/,
      changeRow(() => ({ url: 'http://elsewhere.example/x.jpg' })),
    ],
    [
      'a licence that is another',
      /its license is not/,
      changeRow(() => ({ license: 'https://creativecommons.org/licenses/by/4.0/' })),
    ],
    ['tags that nobody gave', /tags that nobody gave/, changeRow(() => ({ tags: 'harmless' }))],
    ['a stored size that is another', /is not what .* is stored as/, changeRow(() => ({ storedWidth: 1 }))],
    [
      'a size beyond the limit',
      /is no size of a picture/,
      changeRow(() => ({ width: 100_000, height: 100_000 })),
    ],
    ['a format that is not accepted', /its format bmp is not accepted/, changeRow(() => ({ format: 'bmp' }))],
    [
      'a time where none is asked for',
      /its time is none/,
      changeRow(() => ({ harvestedAt: '2026-01-01T00:00:00Z' })),
    ],
    [
      'classes that are others',
      /safety classes are not those of their embeddings/,
      changeRow(
        ({ nsfw }) => ({ nsfw: nsfw === 'NSFW' ? 'UNLIKELY' : 'NSFW' }),
        () => true,
      ),
    ],
    [
      'pictures that are swapped',
      /pictures are others than their hashes tell of|its image embedding is not that of its picture/,
      changeKept(({ past }, n, all) => {
        const other = all[(n + 7) % all.length]?.past ?? past;
        const { storedWidth, storedHeight, width, height } = other.row;
        return { ...past, row: { ...past.row, storedWidth, storedHeight, width, height }, jpeg: other.jpeg };
      }),
    ],
    [
      'pictures that are swapped, with their hashes',
      /its image embedding is not that of its picture/,
      changeKept(({ past }, n, all) => {
        const other = all[(n + 7) % all.length]?.past ?? past;
        const { similarity, nsfw, ...pair } = past.row;
        const { uid, url, text, pageUrl, wat, license, language, languageConfidence } = pair;
        return {
          ...past,
          row: {
            ...other.row,
            uid,
            url,
            text,
            pageUrl,
            wat,
            license,
            language,
            languageConfidence,
            similarity,
            nsfw,
          },
          jpeg: other.jpeg,
        };
      }),
    ],
    [
      'embeddings that are invented',
      /embedding is (?:not that of its picture|another text's)|safety classes/,
      changeKept(({ past }, n) => {
        const image = unit(n + 1, past.imageEmbedding.length);
        const text = image.map((value, i) => value * 0.8 + (past.textEmbedding[i] ?? 0) * 0.2);
        const norm = Math.hypot(...text);
        const textEmbedding = text.map((value) => value / norm);
        return {
          ...past,
          imageEmbedding: image,
          textEmbedding,
          row: { ...past.row, similarity: dot(image, textEmbedding) },
        };
      }),
    ],
    [
      'text embeddings made of those of images',
      /its text embedding is another text's/,
      changeKept(({ past }) => ({
        ...past,
        textEmbedding: past.imageEmbedding,
        row: { ...past.row, similarity: 1 },
      })),
    ],
    [
      'embeddings that are not of length 1',
      /its image embedding is not of length 1/,
      changeKept(({ past }) => ({ ...past, imageEmbedding: past.imageEmbedding.map((value) => 2 * value) })),
    ],
    [
      'embeddings that are no numbers',
      /its image embedding is not of length 1/,
      changeKept(({ past }) => ({ ...past, imageEmbedding: past.imageEmbedding.map(() => Number.NaN) })),
    ],
    ['everything dropped as timed out', /failures to fetch are none/, dropKept('timeout', null), ALL],
    [
      'everything dropped as missing',
      /dropped pairs come out otherwise/,
      dropKept('http_status', null, '404'),
      ALL,
    ],
    [
      'everything dropped for its similarity',
      /dropped pairs come out otherwise/,
      dropKept('similarity', 0.01),
      ALL,
    ],
    ['pairs dropped for a similarity that is enough', /which is enough/, dropKept('similarity', 0.2)],
    [
      'pairs dropped for a similarity that is not told',
      /dropped for similarity with similarity null/,
      dropKept('similarity', null),
    ],
    [
      'a picture that is a bomb',
      /its picture cannot be decoded/,
      changeJpeg((jpeg) => withSize(jpeg, 60_000, 60_000)),
    ],
    [
      'a picture with something behind it',
      /is not as a release stores it/,
      changeJpeg((jpeg) => Buffer.concat([jpeg, Buffer.from('PK\x03\x04 payload')])),
    ],
    [
      'a picture with a comment in it',
      /is not as a release stores it/,
      changeJpeg((jpeg) =>
        Buffer.concat([jpeg.subarray(0, 2), Buffer.from([0xff, 0xfe, 0, 6, 1, 2, 3, 4]), jpeg.subarray(2)]),
      ),
    ],
    [
      'a picture of one colour',
      /pictures are others than their hashes|its image embedding/,
      changeJpeg(async (jpeg) => grey(jpeg)),
    ],
    [
      'pictures that are no pictures',
      /is not as a release stores it/,
      changeJpeg(() => Buffer.from('<html>')),
    ],
    ['a pair that is missing', /fetched has 89 pairs, and 90 came to it/, (items) => items.slice(1)],
    ['a pair that is there twice', /has \d+ rows, not|came to it/, (items) => [...items, ...items.slice(-1)]],
  ])(
    'refuses %s',
    async (_, problem, change, sample) => {
      const before = await forger.storage.list('harvest');
      expect(refused(await forger.audit(change, undefined, undefined, sample)).problem).toMatch(problem);
      expect(await forger.storage.list('harvest')).toEqual(before);
    },
    60_000,
  );

  it.each<[string, RegExp, (files: SentFiles) => void]>([
    [
      'a table with something behind it',
      /cannot be read/,
      changeFile('rows.parquet', (bytes) =>
        Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(0), bytes.subarray(4), Buffer.from('behind')]),
      ),
    ],
    [
      'a tar with one more member',
      /images\.tar is not as gleaner writes it/,
      changeFile('images.tar', (bytes) => Buffer.concat([bytes, bytes.subarray(0, 10_240)])),
    ],
    [
      'embeddings with something behind them',
      /img_emb\.npy is not as gleaner writes it/,
      changeFile('img_emb.npy', (bytes) => Buffer.concat([bytes, Buffer.alloc(16)])),
    ],
    [
      'embeddings of another shape',
      /text_emb\.npy is \d+ × \d+/,
      changeFile('text_emb.npy', (bytes) =>
        Buffer.from(
          Buffer.from(bytes)
            .toString('latin1')
            .replace(/\((\d+), (\d+)\)/, (_, rows, columns) => `(${Number(rows) - 1}, ${columns})`),
          'latin1',
        ),
      ),
    ],
    [
      'a table that is none',
      /cannot be read/,
      changeFile('dropped.parquet', () => Buffer.from('PAR1 no PAR1')),
    ],
    ['an empty table', /cannot be read/, changeFile('fetched.parquet', () => new Uint8Array())],
    [
      'a table of another shard',
      /cannot be read|has \d+ rows/,
      (files) => {
        files['rows.parquet'] = files['dropped.parquet'];
      },
    ],
  ])(
    'refuses %s',
    async (_, problem, changeFiles) => {
      expect(refused(await forger.audit(undefined, changeFiles)).problem).toMatch(problem);
    },
    60_000,
  );

  it.each<[string, RegExp, (claim: Claim) => Claim]>([
    [
      'a checksum that is another',
      /has not the checksum/,
      (claim) => ({ ...claim, files: claim.files.map((file) => ({ ...file, sha256: '0'.repeat(64) })) }),
    ],
    [
      'a size that is another',
      /has not the size/,
      (claim) => ({ ...claim, files: claim.files.map((file) => ({ ...file, bytes: file.bytes - 1 })) }),
    ],
    [
      'a file that is none of a shard',
      /"..\/..\/run.json" is none/,
      (claim) => ({
        ...claim,
        files: [...claim.files, { name: '../../run.json', bytes: 1, sha256: '0'.repeat(64) }],
      }),
    ],
    [
      'a file in place of another',
      /is not there once/,
      (claim) => ({ ...claim, files: claim.files.map((file) => ({ ...file, name: 'rows.parquet' })) }),
    ],
    [
      'a ledger that does not balance',
      /does not balance/,
      (claim) => changeLedger(claim, 'matched', (ledger) => ({ ...ledger, dropped: {} })),
    ],
    [
      'fewer pairs than were lent',
      /pairs came to it|came to it/,
      (claim) =>
        changeLedger(claim, 'fetched', (ledger) => ({ ...ledger, in: ledger.in - 1, out: ledger.out - 1 })),
    ],
    [
      'a reason of others',
      /is no reason of fetched/,
      (claim) => changeLedger(claim, 'fetched', (ledger) => ({ ...ledger, dropped: { known_content: 1 } })),
    ],
    [
      'more rows than came through',
      /rows, and \d+ pairs came through/,
      (claim) => ({ ...claim, rows: claim.rows + 1 }),
    ],
  ])(
    'refuses %s',
    async (_, problem, changeClaim) => {
      expect(refused(await forger.audit(undefined, undefined, changeClaim)).problem).toMatch(problem);
    },
    60_000,
  );
});

function changeLedger(
  claim: Claim,
  step: string,
  change: (ledger: Claim['ledgers'][string]) => Claim['ledgers'][string],
): Claim {
  const ledger = claim.ledgers[step];
  if (!ledger) throw new Error(step);
  return { ...claim, ledgers: { ...claim.ledgers, [step]: change(ledger) } };
}

/** The JPEG with another size in its frame header (ITU-T T.81, B.2.2). */
function withSize(jpeg: Uint8Array, width: number, height: number): Uint8Array {
  const bytes = Buffer.from(jpeg);
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  bytes.writeUInt16BE(height, frame + 5);
  bytes.writeUInt16BE(width, frame + 7);
  return bytes;
}

async function grey(jpeg: Uint8Array): Promise<Uint8Array> {
  const bytes = Buffer.from(jpeg);
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  const [height, width] = [bytes.readUInt16BE(frame + 5), bytes.readUInt16BE(frame + 7)];
  return encodeJpeg({ data: new Uint8Array(width * height * 3).fill(128), width, height }, 95);
}
