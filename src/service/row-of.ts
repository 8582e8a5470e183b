import { RequestError } from './errors.ts';
import { type OpenedIndex, shownRow } from './opened-index.ts';
import type { ReleasedRow } from './row-store.ts';

/** The number of a row in an address. @throws RequestError 404 */
export function rowId(index: OpenedIndex, text: string): number {
  const id = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!index.rows.has(id)) throw new RequestError(404, 'there is no such row');
  return id;
}

/** The row of a number that `rowId` gave. @throws RequestError 404 where it was taken down */
export function rowOf(index: OpenedIndex, id: number): ReleasedRow {
  const row = shownRow(index, id);
  if (!row) throw new RequestError(404, 'there is no such row');
  return row;
}
