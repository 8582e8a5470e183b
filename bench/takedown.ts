/** What it costs to find in a search index of 1,000,000 rows what is taken down: one pass over its table of rows. */
import { hash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FullTextIndex } from '../src/fulltext/index.ts';
import { exactEngine, FieldTable } from '../src/knn/index.ts';
import { type TakedownKind, Tombstones } from '../src/safety/index.ts';
import { INDEX_FILES } from '../src/stages/index-files.ts';
import { hideInIndex, readRemoved } from '../src/stages/unindex.ts';
import { fileStorage } from '../src/storage/index.ts';

const ROWS = 1_000_000;
const HOSTS = 5000;
const ROWS_PER_WRITE = 10_000;

export async function bench(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'gleaner-bench-takedown-'));
  try {
    const storage = fileStorage(dir);
    const table = await storage.create(INDEX_FILES.metadata);
    for (let from = 0; from < ROWS; from += ROWS_PER_WRITE)
      await table.write(
        Buffer.from(Array.from({ length: ROWS_PER_WRITE }, (_, i) => line(from + i)).join('')),
      );
    const bytes = (await table.commit())?.bytes ?? 0;
    // Without vectors: what an engine takes to delete some is its own.
    const build = (path: string) => exactEngine.build(join(dir, path), { dimension: 8, rows: 0 }, none());
    const knn = { image: await build(INDEX_FILES.image), text: await build(INDEX_FILES.text) };
    const model = { name: 'none', dimension: 8, files: {} };
    const summary = { version: 2, release: '', rows: ROWS, parts: 1, model, nsfw: {}, knn };
    await storage.put(INDEX_FILES.summary, JSON.stringify(summary));
    process.stdout.write(`${ROWS} rows, ${Math.round(bytes / 1e6)} MB\n`);
    await FieldTable.build(join(dir, INDEX_FILES.fields), none());
    await FullTextIndex.build(join(dir, INDEX_FILES.captions), none());
    const asked: Record<Exclude<TakedownKind, 'sha256'>, string> = {
      uid: uidOf(7),
      url: hash('sha256', urlOf(8)),
      domain: hash('sha256', 'cdn9.example.com'),
    };
    for (const [kind, of] of Object.entries(asked) as [TakedownKind, string][]) {
      const before = process.cpuUsage();
      await hideInIndex(
        dir,
        storage,
        new Tombstones({ takedowns: [{ kind, hash: of, reason: '', at: '' }], pairs: [] }),
      );
      const { user, system } = process.cpuUsage(before);
      const { ids } = await readRemoved(storage);
      process.stdout.write(
        `by ${kind}: ${((user + system) / 1e6).toFixed(1)} CPU-s, ${ids.length} rows gone\n`,
      );
    }
    process.stdout.write(`peak memory: ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB\n`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

const uidOf = (n: number) => hash('sha256', String(n)).slice(0, 32);
const urlOf = (n: number) =>
  `https://cdn${n % HOSTS}.example.com/images/2021/05/picture-of-something-${n}.jpg`;

function line(n: number): string {
  const uid = uidOf(n);
  const row = {
    ...{ URL: urlOf(n), TEXT: `A picture of something that some sixty characters describe, number ${n}` },
    ...{ HEIGHT: 400, WIDTH: 600, LICENSE: '?', NSFW: 'UNLIKELY', similarity: 0.31 },
    ...{ language: 'en', language_confidence: 0.9 },
    page_url: `https://www.site${n % HOSTS}.example.org/some/page/${n}.html`,
    ...{ uid, sha256: uid + uid, phash: '0123456789abcdef', format: 'jpeg' },
    ...{ stored_width: 384, stored_height: 256 },
    wat: 'CC-MAIN-20250101000000-20250101030000-00000.warc.wat.gz#1234567',
    ...{ key: String(n).padStart(12, '0'), tags: '' },
  };
  return `${JSON.stringify(row)}\n`;
}

async function* none(): AsyncGenerator<never, void, undefined> {}
