import { createNpyWriter } from '../formats/index.ts';
import type { FileInfo, Storage } from '../storage/index.ts';
import { writeFile } from './write-file.ts';

/**
 * Writes embeddings as float16, `rows` × `columns`.
 * @param pieces the rows in their order, one or several in each
 */
export function writeMatrix(
  storage: Storage,
  path: string,
  { rows, columns }: { readonly rows: number; readonly columns: number },
  pieces: Iterable<Float32Array>,
): Promise<FileInfo> {
  return writeFile(storage, path, async (sink) => {
    const writer = await createNpyWriter(sink, { dtype: 'float16', rows, columns });
    for (const piece of pieces) await writer.writeRows(piece);
    await writer.finish();
  });
}
