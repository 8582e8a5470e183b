import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createParquetWriter, parquetInfo, readParquetColumns } from '../../src/formats/index.ts';
import type { HarvestRow } from '../../src/schema/index.ts';
import { HARVEST_COLUMNS, harvestRecord } from '../../src/stages/harvested.ts';
import { type ColumnsByName, type SampleColumn, SampleJson } from '../../src/stages/sample-json.ts';
import { memorySink, memorySource } from '../formats/support.ts';
import { madeRow } from '../support/made-shard.ts';
import { sampleJson } from '../support/released-row.ts';

/** Columns as they lie in a file, of rows. */
async function columnsOf(rows: readonly HarvestRow[]): Promise<ColumnsByName<SampleColumn>> {
  const sink = memorySink();
  const writer = createParquetWriter(sink, HARVEST_COLUMNS);
  await writer.writeRowGroup(rows.map((row) => harvestRecord(row, { offset: 0, bytes: 0 })));
  await writer.finish();
  const source = memorySource(sink.bytes());
  const info = await parquetInfo(source);
  const values = await Array.fromAsync(readParquetColumns(source, HARVEST_COLUMNS, 0, { info }));
  return Object.fromEntries(
    HARVEST_COLUMNS.map(({ name }, i) => [name, values[i]]),
  ) as ColumnsByName<SampleColumn>;
}

describe('the key.json of an image', () => {
  it('is what JSON.stringify makes of the row, whatever its strings and numbers', async () => {
    const text = fc.oneof(
      // Whole characters: what is in a column is UTF-8, which has no halves of surrogate pairs.
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.constantFrom(
        '',
        '"',
        '\\',
        '\u0000\u001f\u007f\u0080\u2028\u2029',
        '\b\t\n\f\r',
        '</script>',
        '\ud83d\ude42',
      ),
    );
    const row = fc.record({
      text,
      url: text,
      pageUrl: text,
      wat: text,
      license: text,
      tags: text,
      width: fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      similarity: fc.double({ noNaN: true, noDefaultInfinity: true }),
      languageConfidence: fc.float({ noNaN: true, noDefaultInfinity: true }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 8 }),
        fc.maxSafeNat(),
        async (parts, first) => {
          const rows = parts.map((part, n) => ({ ...madeRow(n), ...part }));
          const json = new SampleJson();
          json.use(await columnsOf(rows));
          for (const [i, row] of rows.entries()) {
            const [id, key] = [first - i < 0 ? i : first - i, String(i).padStart(12, '0')];
            const written = Buffer.from(json.write(i, id, key)).toString();
            expect(written).toBe(sampleJson({ ...row, sampleId: BigInt(id), key }));
          }
        },
      ),
    );
  });

  it('has null for what is no number', async () => {
    const row = { ...madeRow(1), similarity: Number.NaN, languageConfidence: Number.POSITIVE_INFINITY };
    const json = new SampleJson();
    json.use(await columnsOf([row]));
    const written: unknown = JSON.parse(Buffer.from(json.write(0, 1, 'k')).toString());
    expect(written).toMatchObject({ similarity: null, language_confidence: null });
  });
});
