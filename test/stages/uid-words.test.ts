import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stringBytes } from '../../src/formats/index.ts';
import { bucketOf } from '../../src/stages/tables.ts';
import { orderKeys, strayRow, uidColumn, uidText, uidWords } from '../../src/stages/uid-words.ts';

const wordsOf = (uids: readonly string[]) =>
  uidWords(
    { kind: 'fixed', width: 16, bytes: Buffer.from(uids.join(''), 'hex') },
    new Uint32Array(4 * uids.length),
  );

// Few heads and few tails: many equal ones, and many in one bin.
const uid = fc
  .tuple(
    fc.constantFrom('00000000', '7fffffff', '80000000', 'ffffffff'),
    fc.constantFrom('00000000', 'ffffffff'),
    fc.constantFrom('0000000000000000', '00000000ffffffff', 'ffffffff00000001'),
  )
  .map((parts) => parts.join(''));
const anyUid = fc.oneof(
  uid,
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
);

test('equal keys are found, and the others put in order, as texts would be', () => {
  fc.assert(
    fc.property(
      fc.array(anyUid, { maxLength: 60 }),
      fc.integer({ min: 1, max: 5 }),
      fc.nat(4),
      (all, buckets, n) => {
        const bucket = n % buckets;
        const uids = all.filter((one) => bucketOf(one, buckets) === bucket);
        const { first, order } = orderKeys(wordsOf(uids), { bucket, buckets });
        expect([...first]).toEqual(uids.map((one) => uids.indexOf(one)));
        expect(Array.from(order, (row) => uids[row])).toEqual([...new Set(uids)].sort());
      },
    ),
    { numRuns: 300 },
  );
});

test('uids as words and as texts', () => {
  fc.assert(
    fc.property(fc.array(anyUid, { minLength: 1, maxLength: 10 }), (uids) => {
      const words = wordsOf(uids);
      expect(uids.map((_, i) => uidText(words, i))).toEqual(uids);
      const backwards = Uint32Array.from(uids.keys()).reverse();
      const column = uidColumn(words, backwards);
      const texts = uids.map((_, i) => Buffer.from(stringBytes(column, i) ?? []).toString());
      expect(texts).toEqual([...uids].reverse());
      const strays = uids.findIndex((one) => bucketOf(one, 3) !== 1);
      expect(strayRow(words, { bucket: 1, buckets: 3 })).toBe(strays);
    }),
  );
});
