import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DigestSet } from '../../src/formats/index.ts';

const md5 = (text: string) => createHash('md5').update(text).digest();

describe('a set of digests', () => {
  it('has what was added, and nothing else', () => {
    const set = new DigestSet();
    for (let n = 0; n < 50_000; n += 2) set.add(md5(`${n}`));
    expect(set.size).toBe(25_000);
    for (let n = 0; n < 50_000; n++) if (set.has(md5(`${n}`)) !== (n % 2 === 0)) expect.fail(`${n}`);
    // More may come after it was asked.
    set.add(md5('1'));
    expect([set.has(md5('1')), set.has(md5('0')), set.has(md5('3'))]).toEqual([true, true, false]);
  });

  it('agrees with a Set of strings on digests that have much in common', () => {
    // Few values a byte and long common beginnings: parts of the sort are large, deep and full of equals.
    const digest = fc
      .tuple(fc.constantFrom(0, 1, 255), fc.nat(15), fc.constantFrom(0, 7, 254), fc.nat(15))
      .map(([fill, at, value, also]) => {
        const bytes = new Uint8Array(16).fill(fill);
        bytes[at] = value;
        bytes[also] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.array(digest, { maxLength: 300 }), fc.array(digest), (added, asked) => {
        const set = new DigestSet();
        for (const one of added) set.add(one);
        const names = new Set(added.map(String));
        for (const one of [...added, ...asked]) expect(set.has(one)).toBe(names.has(String(one)));
      }),
    );
  });

  it('takes the first 128 bits of longer ones', () => {
    const set = new DigestSet();
    const long = createHash('sha256').update('a').digest();
    set.add(long);
    expect(set.has(long)).toBe(true);
    expect(set.has(createHash('sha256').update('b').digest())).toBe(false);
  });

  it('none: has none', () => {
    expect(new DigestSet().has(md5(''))).toBe(false);
    const zero = new DigestSet();
    zero.add(md5('x'));
    expect(zero.has(new Uint8Array(16))).toBe(false);
  });
});
