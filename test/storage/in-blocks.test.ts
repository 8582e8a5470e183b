import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inBlocks } from '../../src/storage/index.ts';

/** A source that counts what is read of it. */
function counted(bytes: Uint8Array, fails = () => false) {
  const reads: [start: number, end: number][] = [];
  return {
    reads,
    source: {
      byteLength: bytes.length,
      async slice(start: number, end = bytes.length) {
        reads.push([start, end]);
        await Promise.resolve();
        if (fails()) throw new Error('broken');
        return new Uint8Array(bytes.subarray(start, end)).buffer;
      },
    },
  };
}

test('gives what the source gives, whatever is asked for at once', async () => {
  const range = fc.tuple(fc.integer({ min: -40, max: 120 }), fc.option(fc.nat(120), { nil: undefined }));
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 100 }),
      fc.array(range, { maxLength: 20 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 5 }),
      async (bytes, ranges, blockBytes, maxBlocks) => {
        const blocks = inBlocks(counted(bytes).source, { blockBytes, maxBlocks });
        const expected = ranges.map(([start, end]) => [...bytes.slice(start, end)]);
        const got = await Promise.all(ranges.map(([start, end]) => blocks.slice(start, end)));
        expect(got.map((buffer) => [...new Uint8Array(buffer)])).toEqual(expected);
      },
    ),
  );
});

test('reads each block once while what is asked for lies near', async () => {
  const { source, reads } = counted(new Uint8Array(1000));
  const blocks = inBlocks(source, { blockBytes: 100, maxBlocks: 4 });
  for (let at = 0; at + 30 <= 1000; at += 10) {
    // Some come from further back, some twice at once.
    const back = Math.max(0, at - 150);
    await Promise.all([at, at, back].map((start) => blocks.slice(start, start + 30)));
  }
  expect(reads).toEqual(Array.from({ length: 10 }, (_, n) => [n * 100, n * 100 + 100]));
  await blocks.slice(0, 5);
  expect(reads).toHaveLength(11);
});

test('reads large ranges as they are, and what failed again', async () => {
  let broken = false;
  const { source, reads } = counted(new Uint8Array(1000), () => broken);
  const blocks = inBlocks(source, { blockBytes: 100, maxBlocks: 4 });
  await blocks.slice(50, 650);
  expect(reads).toEqual([[50, 650]]);
  broken = true;
  await expect(blocks.slice(10, 20)).rejects.toThrow('broken');
  broken = false;
  expect((await blocks.slice(10, 20)).byteLength).toBe(10);
});
