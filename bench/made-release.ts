import sharp from 'sharp';
import { loadRecipe } from '../src/config/index.ts';
import { createParquetWriter, createTarWriter, TableBuilder } from '../src/formats/index.ts';
import { FUNNEL_STEPS, type Ledger, REASONS, type Reason, type Uid } from '../src/schema/index.ts';
import { RELEASE_COLUMNS, releaseFiles } from '../src/stages/released.ts';
import type { ReportInput } from '../src/stages/report/index.ts';
import { createTrailWriter } from '../src/stages/trail.ts';
import type { Storage } from '../src/storage/index.ts';
import { mulberry } from '../test/support/random.ts';

const PARTS = 32;
const ROWS_PER_GROUP = 50_000;
const TRAIL_ROWS_PER_FILE = 200_000;
/** Pictures that the first part holds: the samples of a report are among its first rows. */
const PICTURES = 500;
/** Shares of the trail, about those of the web: most pairs fail the threshold. */
const REASONS_DEALT: readonly (readonly [share: number, reason: Reason, details: readonly string[]])[] = [
  [0.1, 'duplicate', ['a.warc.wat.gz#1', 'b.warc.wat.gz#77']],
  [0.05, 'http_status', ['404', '403', '500', '410']],
  [0.02, 'timeout', ['first byte', 'total']],
  [0.01, 'dns', ['ENOTFOUND']],
  [0.04, 'body_small', ['43', '1093', '4711']],
  [0.77, 'similarity', ['']],
  [0.01, 'minor', ['']],
];
const WORDS =
  'the of and in with on red blue green photo image picture house garden summer winter large small product shop new old vintage Größe 猫 guide view'.split(
    ' ',
  );

/**
 * Writes the metadata and the trail of a made release as the release stage does: URLs of some 80 bytes on hosts by Zipf's
 * law, texts of some 45 characters, uids in their order. The first part has its first pictures; there are no embeddings.
 */
export async function makeRelease(storage: Storage, rows: number, dropped: number): Promise<ReportInput> {
  const random = mulberry(11);
  for (let part = 0; part < PARTS; part++)
    await makePart(
      storage,
      part,
      Math.floor((part * rows) / PARTS),
      Math.floor(((part + 1) * rows) / PARTS),
      rows,
      random,
    );
  return ledgersOf(rows, await makeTrail(storage, dropped, random));
}

async function makePart(
  storage: Storage,
  part: number,
  from: number,
  to: number,
  rows: number,
  random: () => number,
): Promise<void> {
  const files = releaseFiles(part, PARTS);
  const sink = await storage.create(files.metadata);
  const writer = createParquetWriter(sink, RELEASE_COLUMNS, { codec: 'SNAPPY' });
  const table = new TableBuilder(RELEASE_COLUMNS, new Set<(typeof RELEASE_COLUMNS)[number]['name']>());
  for (let i = from; i < to; i++) {
    table.add({
      SAMPLE_ID: BigInt(i),
      URL: urlOf(random),
      TEXT: textOf(random),
      HEIGHT: sideOf(random),
      WIDTH: sideOf(random),
      LICENSE: random() < 0.02 ? 'https://creativecommons.org/licenses/by/4.0/' : '?',
      NSFW: random() < 0.97 ? 'UNLIKELY' : random() < 0.7 ? 'UNSURE' : 'NSFW',
      similarity: 0.3 + 0.2 * random() ** 3,
      language: 'en',
      language_confidence: 0.75,
      page_url: 'https://www.example.com/a-page.html',
      uid: uidOf(i, rows),
      sha256: uidOf(i, rows).repeat(2),
      phash: '0123456789abcdef',
      format: random() < 0.9 ? 'jpeg' : 'png',
      stored_width: 256,
      stored_height: 256,
      wat: 'CC-MAIN-20250707183638-00000.warc.wat.gz#12345',
      harvested_at: '2026-11-21T00:00:00Z',
      key: String(i).padStart(12, '0'),
      tags: '',
    });
    if (table.rows < ROWS_PER_GROUP && i + 1 < to) continue;
    await writer.writeColumns(table.values());
    table.clear();
  }
  await writer.finish();
  await sink.commit();
  if (part === 0) await makePictures(storage, files.images);
}

async function makePictures(storage: Storage, path: string): Promise<void> {
  const sink = await storage.create(path);
  const tar = createTarWriter(sink);
  const background = { r: 90, g: 140, b: 70 };
  const picture = await sharp({ create: { width: 256, height: 192, channels: 3, background } })
    .jpeg()
    .toBuffer();
  for (let i = 0; i < PICTURES; i++) await tar.add(`${String(i).padStart(12, '0')}.jpg`, picture);
  await tar.finish();
  await sink.commit();
}

async function makeTrail(
  storage: Storage,
  dropped: number,
  random: () => number,
): Promise<ReadonlyMap<Reason, number>> {
  const counts = new Map<Reason, number>();
  for (let file = 0, made = 0; made < dropped; file++) {
    const sink = await storage.create(`release/dropped/harvest_${String(file).padStart(5, '0')}.parquet`);
    const writer = createTrailWriter(sink);
    for (let i = 0; i < TRAIL_ROWS_PER_FILE && made < dropped; i++, made++) {
      const [, reason, details] = deal(random());
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
      writer.add({
        uid: uidOf(made, dropped) as Uid,
        url: urlOf(random),
        text: textOf(random),
        pageUrl: 'https://www.example.com/a-page.html',
        wat: 'CC-MAIN-20250707183638-00000.warc.wat.gz#12345',
        license: '?',
        language: 'en',
        languageConfidence: 0.75,
        reason,
        detail: details[Math.floor(random() * details.length)] ?? '',
        similarity:
          reason === 'similarity' ? 0.3 * random() ** 0.5 : reason === 'minor' ? 0.3 + 0.1 * random() : null,
      });
      if (writer.full) await writer.flush();
    }
    await writer.finish();
    await sink.commit();
  }
  return counts;
}

function deal(at: number): (typeof REASONS_DEALT)[number] {
  let left = at;
  for (const dealt of REASONS_DEALT) {
    left -= dealt[0];
    if (left < 0) return dealt;
  }
  return [0, 'similarity', ['']];
}

/** Ledgers that fit: what is dropped at a step came into it. */
function ledgersOf(rows: number, counts: ReadonlyMap<Reason, number>): ReportInput {
  const ledgers: Partial<Record<(typeof FUNNEL_STEPS)[number], Ledger>> = {};
  let out = rows;
  for (const step of FUNNEL_STEPS.toReversed()) {
    const dropped = Object.fromEntries([...counts].filter(([reason]) => REASONS[reason].step === step));
    const sum = Object.values(dropped).reduce((total, n) => total + n, 0);
    ledgers[step] = { in: out + sum, out, dropped };
    out += sum;
  }
  return {
    gleaner: 'bench',
    recipe: loadRecipe('laion400m'),
    model: { name: 'made', dimension: 512, files: {} },
    ledgers: ledgers as ReportInput['ledgers'],
  };
}

function uidOf(i: number, of: number): string {
  return Math.floor((i / of) * 2 ** 48)
    .toString(16)
    .padStart(12, '0')
    .padEnd(32, '7');
}

function urlOf(random: () => number): string {
  // Zipf's law, about: the first of 300,000 hosts has some 8 % of the pairs.
  const host = Math.floor(300_000 ** random());
  const name = Math.floor(random() * 2 ** 40).toString(36);
  return `https://images${host}.example-shop.com/wp-content/uploads/2021/0${1 + (host % 9)}/product-${name}.jpg`;
}

function textOf(random: () => number): string {
  const words = 4 + Math.floor(random() * 8);
  let text = '';
  for (let i = 0; i < words; i++) text += `${i > 0 ? ' ' : ''}${WORDS[Math.floor(random() * WORDS.length)]}`;
  return text;
}

function sideOf(random: () => number): number {
  return Math.floor(64 * 40 ** random());
}
