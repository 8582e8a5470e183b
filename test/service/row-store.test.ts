import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RowStore } from '../../src/service/row-store.ts';

const ROW = {
  ...{ URL: 'https://example.org/a.jpg', TEXT: 'größe 猫 🐈', HEIGHT: 3, WIDTH: 4, LICENSE: '?' },
  ...{ NSFW: 'UNLIKELY', similarity: 0.5, language: 'de', page_url: '', uid: 'u', sha256: '', phash: '' },
  ...{ language_confidence: 0.9, harvested_at: '2026-01-02T03:04:05.000Z', tags: '' },
  ...{ format: 'png', stored_width: 4, stored_height: 3, wat: 'w#1', key: '000000000000' },
};

/** Three rows, the middle one taken down, laid out by hand as docs/formats.md has it. */
const LINES = [JSON.stringify(ROW), '', JSON.stringify({ ...ROW, TEXT: 'x'.repeat(100_000) })];

describe('RowStore', () => {
  let dir = '';
  const write = async (lines: readonly string[], offsets: readonly number[]) => {
    await writeFile(join(dir, 'index/metadata.jsonl'), lines.map((line) => `${line}\n`).join(''));
    await writeFile(
      join(dir, 'index/metadata.offsets'),
      new Uint8Array(BigUint64Array.from(offsets, BigInt).buffer),
    );
  };
  const offsetsOf = (lines: readonly string[]) => {
    const offsets = [0];
    for (const line of lines) offsets.push((offsets.at(-1) ?? 0) + Buffer.byteLength(line) + 1);
    return offsets;
  };

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'gleaner-row-store-'));
    await mkdir(join(dir, 'index'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  test('gives each row by its number, in any order, and none where it was taken down', async () => {
    await write(LINES, offsetsOf(LINES));
    const rows = RowStore.open(dir, 3);
    expect(rows.get(2)?.TEXT).toHaveLength(100_000);
    expect(rows.get(0)).toEqual(ROW);
    expect(rows.get(1)).toBeUndefined();
    expect([rows.has(2), rows.has(3), rows.has(-1), rows.has(0.5)]).toEqual([true, false, false, false]);
    await rows.close();
    expect(() => rows.get(0)).toThrow('is closed');
  });

  test.each([
    ['of another number of places', LINES, [0, 1, 2], 3],
    [
      'with a line cut short',
      LINES.slice(0, 2),
      offsetsOf(LINES.slice(0, 2)).map((n) => n - (n > 9 ? 9 : 0)),
      2,
    ],
    ['with a line that begins beyond the end', LINES, [0, 10, 1e6, 1e6 + 5], 3],
    ['whose lines run backwards', LINES, [400, 10, 20, 30], 3],
    ['with a row that lacks its columns', ['{"URL":"a"}'], [0, 12], 1],
  ])('says that a table is damaged: one %s', async (_, lines, offsets, places) => {
    await write(lines, offsets);
    expect(() => {
      const rows = RowStore.open(dir, places);
      for (let id = 0; id < places; id++) rows.get(id);
    }).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
  });

  test('and one that is not there', () => {
    expect(() => RowStore.open(dir, 1)).toThrow(expect.objectContaining({ code: 'DAMAGED' }));
  });
});
