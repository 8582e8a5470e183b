import { readNpyRows } from '../src/formats/index.ts';
import { npyInfo } from '../src/formats/npy.ts';
import type { KnnBatch } from '../src/knn/index.ts';
import { openFile } from '../src/storage/index.ts';

/** Whose queries: those drawn as the vectors are, and those behind the modality gap. */
export const QUERY_KINDS = ['image', 'text'] as const;
export type QueryKind = (typeof QUERY_KINDS)[number];

const BATCH_ROWS = 4096;

/** Rows and columns of DATA/base.npy, made by make-vectors.py of ../shared/peers/knn. */
export async function shapeOf(data: string): Promise<{ readonly rows: number; readonly columns: number }> {
  const source = await openFile(`${data}/base.npy`);
  const { rows, columns } = await npyInfo(source);
  await source.close();
  return { rows, columns };
}

/** The vectors of DATA/base.npy a batch at a time; ids are their rows. */
export async function* baseBatches(data: string): AsyncGenerator<KnnBatch, void, undefined> {
  const source = await openFile(`${data}/base.npy`);
  try {
    const info = await npyInfo(source);
    for (let rowStart = 0; rowStart < info.rows; rowStart += BATCH_ROWS) {
      const rowEnd = Math.min(rowStart + BATCH_ROWS, info.rows);
      const ids = Array.from({ length: rowEnd - rowStart }, (_, i) => rowStart + i);
      yield { ids, vectors: await readNpyRows(source, { rowStart, rowEnd, info }) };
    }
  } finally {
    await source.close();
  }
}

/** The first queries of a kind. */
export async function queriesOf(data: string, kind: QueryKind, most: number): Promise<Float32Array[]> {
  const source = await openFile(`${data}/queries-${kind}.npy`);
  const info = await npyInfo(source);
  const all = await readNpyRows(source, { info, rowEnd: Math.min(most, info.rows) });
  await source.close();
  return Array.from({ length: all.length / info.columns }, (_, i) =>
    all.subarray(i * info.columns, (i + 1) * info.columns),
  );
}
