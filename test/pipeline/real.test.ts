import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runLocally } from '../../src/executors/index.ts';
import { runLedgers, verifyRun } from '../../src/pipeline/index.ts';
import { fileStorage, type Storage } from '../../src/storage/index.ts';
import { hasShared, shared } from '../support/shared.ts';

async function run(wat: string, archive: string, recipe: string): Promise<Storage> {
  const out = await mkdtemp(join(tmpdir(), 'gleaner-real-'));
  await runLocally({ recipe, wats: [shared(wat)], imagesFrom: [shared(archive)], out });
  return fileStorage(out);
}

// The counts are those of ../shared/data/README.md and of ../shared/peers/extract/expected-counts.json.
describe.skipIf(!hasShared)('a real WAT with a real archive (skipped without ../shared/data)', () => {
  it('gimp-help: every link, pair and image of a manual', { timeout: 120_000 }, async () => {
    const storage = await run(
      'data/wat/generated/gimp-help-en.warc.wat.gz',
      'data/warc/gimp-help-en-images.warc.gz',
      'everything',
    );
    const ledgers = await runLedgers(storage);
    expect(ledgers.link).toEqual({ in: 6785, out: 6242, dropped: { no_text: 543 } });
    expect(ledgers.unique).toEqual({ in: 6242, out: 1721, dropped: { duplicate: 4521 } });
    expect(ledgers.safe).toEqual({ in: 1721, out: 1721, dropped: {} });
    expect(await verifyRun(storage)).toMatchObject({ problems: [], rows: 1721 });
  });

  it('gimp-help with laion400m: bodies below 5,000 bytes are dropped', { timeout: 120_000 }, async () => {
    const storage = await run(
      'data/wat/generated/gimp-help-en.warc.wat.gz',
      'data/warc/gimp-help-en-images.warc.gz',
      'laion400m',
    );
    const { pair, fetched, image } = await runLedgers(storage);
    expect(pair.in).toBe(6242);
    expect(Object.keys(pair.dropped)).toEqual(['text_short', 'language']);
    expect(fetched.dropped).toEqual({});
    expect(Object.keys(image.dropped)).toEqual(['body_small']);
    expect((await verifyRun(storage)).problems).toEqual([]);
  });

  it('aut: images that the archive lacks are dropped as that', async () => {
    const storage = await run(
      'data/wat/generated/aut-example.warc.wat.gz',
      'data/warc/example.warc.gz',
      'everything',
    );
    const ledgers = await runLedgers(storage);
    expect(ledgers.unique.out).toBe(99);
    expect(ledgers.fetched).toEqual({ in: 99, out: 69, dropped: { not_archived: 30 } });
    expect(ledgers.safe.out).toBe(69);
    expect(await verifyRun(storage)).toMatchObject({ problems: [], rows: 69 });
  });
});
