import { createParquetWriter } from '../../formats/index.ts';
import type { FoundRow } from './find-rows.ts';

const COLUMNS = [
  { name: 'id', type: 'int64' },
  { name: 'score', type: 'double', nullable: true },
  { name: 'url', type: 'string' },
  { name: 'text', type: 'string' },
  { name: 'page_url', type: 'string' },
  { name: 'width', type: 'int32' },
  { name: 'height', type: 'int32' },
  { name: 'license', type: 'string' },
  { name: 'language', type: 'string' },
  { name: 'nsfw', type: 'string' },
  { name: 'similarity', type: 'double' },
] as const;

/** Found rows as a file to keep: what `gleaner download` and other tools take as a list of pictures. */
export async function exportFile(
  rows: readonly FoundRow[],
  format: 'json' | 'parquet',
): Promise<Uint8Array<ArrayBuffer>> {
  const records = rows.map(({ id, score, row }) => ({
    ...{ id, score, url: row.URL, text: row.TEXT, page_url: row.page_url },
    ...{ width: row.WIDTH, height: row.HEIGHT, license: row.LICENSE, language: row.language },
    ...{ nsfw: row.NSFW, similarity: row.similarity },
  }));
  if (format === 'json') return new Uint8Array(Buffer.from(`${JSON.stringify(records, null, 1)}\n`));
  const chunks: Uint8Array[] = [];
  const sink = {
    async write(bytes: Uint8Array) {
      // The writer's buffer serves the next bytes.
      chunks.push(bytes.slice());
    },
  };
  const table = createParquetWriter(sink, COLUMNS);
  await table.writeRowGroup(records.map((record) => ({ ...record, id: BigInt(record.id) })));
  await table.finish();
  return new Uint8Array(Buffer.concat(chunks));
}
