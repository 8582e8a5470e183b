import { expect, test } from 'vitest';
import { freeBytes } from '../../src/formats/free-bytes.ts';

test('memory of its own is given back, that of others is left', () => {
  const own = new Uint8Array(100_000).fill(1);
  const part = new Uint8Array(100).fill(2);
  const pooled = Buffer.from('a few bytes of a pool');
  for (const view of [own, part.subarray(50), pooled]) freeBytes(view);
  expect(own.length).toBe(0);
  expect([part.length, part[50]]).toEqual([100, 2]);
  expect(pooled.toString()).toBe('a few bytes of a pool');
  expect(() => freeBytes(own)).not.toThrow();
});
