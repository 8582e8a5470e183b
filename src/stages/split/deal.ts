import { drawNumbers, mix } from '../../knn/k-means.ts';
import { GleanerError } from '../../schema/index.ts';

/** A split and its share of all rows. */
export interface Share {
  readonly name: string;
  /** Above 0; those of all splits are 1 together. */
  readonly share: number;
}

/** What `--shares` says where nobody does. */
export const DEFAULT_SHARES = 'train=0.9,validation=0.05,test=0.05';

/** Splits at most: a byte says which. */
const MAX_SPLITS = 255;
/** Shares are decimal fractions, which do not add up to 1 to the last bit. */
const ROUNDING = 1e-6;

/** Reads `train=0.9,test=0.1`. @throws GleanerError USAGE */
export function parseShares(text: string): readonly Share[] {
  const refuse = (problem: string) =>
    new GleanerError('USAGE', { problem: `--shares ${text}: ${problem}, as in ${DEFAULT_SHARES}.` });
  const shares = text.split(',').map((part): Share => {
    const [, name = '', share = ''] = /^\s*([\w-]{1,64})\s*=\s*(\d*\.?\d+)\s*$/.exec(part) ?? [];
    if (name === '' || Number(share) === 0) throw refuse('give names with shares above 0, parted by commas');
    return { name, share: Number(share) };
  });
  if (new Set(shares.map(({ name }) => name)).size < shares.length) throw refuse('a name stands there twice');
  if (shares.length > MAX_SPLITS) throw refuse(`give no more than ${MAX_SPLITS}`);
  const sum = shares.reduce((all, { share }) => all + share, 0);
  if (Math.abs(sum - 1) > ROUNDING)
    throw refuse(`the shares are ${Number(sum.toFixed(6))} together, and have to be 1`);
  return shares;
}

/**
 * Deals whole groups to splits, in an order that the seed decides: each goes to a split that still has room for it, drawn by
 * how much room there is; where none has, to the one with most. So each split has its share of the rows, less or more by
 * no more than the largest group, and what is in it is a random sample of groups, but for those that are larger than it.
 *
 * @param sizes rows of each group
 * @returns of each group the number of its split
 */
export function dealGroups(sizes: Uint32Array, shares: readonly Share[], seed: number): Uint8Array {
  const rows = sizes.reduce((sum, size) => sum + size, 0);
  const total = shares.reduce((sum, { share }) => sum + share, 0);
  const room = shares.map(({ share }) => (share / total) * rows);
  const splitOf = new Uint8Array(sizes.length);
  for (const [n, group] of drawNumbers(sizes.length, sizes.length, seed).entries()) {
    const size = sizes[group] ?? 0;
    const split = pick(room, size, mix(n, mix(seed, DRAWS)) / 2 ** 32);
    splitOf[group] = split;
    room[split] = (room[split] ?? 0) - size;
  }
  return splitOf;
}
/** Draws follow from another seed than the order. */
const DRAWS = 0x2545f491;

/** @param draw from 0 to 1 */
function pick(room: readonly number[], size: number, draw: number): number {
  // Rows are whole, shares of them are not: half a row short is room.
  const fits = room.map((rows) => (rows + 0.5 >= size ? Math.max(rows, 0) : 0));
  const total = fits.reduce((sum, rows) => sum + rows, 0);
  let best = 0;
  for (const [split, rows] of room.entries()) if (rows > (room[best] ?? 0)) best = split;
  if (total === 0) return best;
  let at = draw * total;
  for (const [split, rows] of fits.entries()) {
    if (at < rows) return split;
    at -= rows;
  }
  return best;
}
