import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { snappyUncompress } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { snappyCompress as theirs } from 'hyparquet-writer/src/snappy.js';
import { describe, expect, it } from 'vitest';
import { snappyCompress } from '../../src/formats/snappy.ts';

/** Unpacked by two readers that are not ours: one in JavaScript, one in WebAssembly. */
function unpacked(packed: Uint8Array, size: number): Uint8Array[] {
  const output = new Uint8Array(size);
  snappyUncompress(packed, output);
  return [output, new Uint8Array(compressors.SNAPPY?.(packed, size) ?? [])];
}

function comesBack(bytes: Uint8Array): void {
  const [one, other] = unpacked(snappyCompress(bytes), bytes.length);
  expect(Buffer.compare(one ?? new Uint8Array(), bytes)).toBe(0);
  expect(Buffer.compare(other ?? new Uint8Array(), bytes)).toBe(0);
}

/** What repeats itself: pieces of few letters, each as often as one likes, at distances short and long. */
const repeating = fc
  .array(fc.tuple(fc.uint8Array({ maxLength: 40, max: 3 }), fc.nat({ max: 300 }), fc.nat({ max: 70_000 })), {
    maxLength: 12,
  })
  .map((pieces) =>
    Buffer.concat(
      pieces.map(([piece, times, gap], i) =>
        Buffer.concat([
          Buffer.alloc(gap * (i % 2), `${i}gap`),
          ...Array.from({ length: times }, () => piece),
        ]),
      ),
    ),
  );

describe('snappy', () => {
  it('comes back, whatever it was', () => {
    fc.assert(fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), repeating), comesBack));
  });

  it('comes back at the lengths where the form changes', () => {
    for (const size of [
      0,
      1,
      3,
      4,
      14,
      15,
      16,
      17,
      59,
      60,
      61,
      255,
      256,
      257,
      65_535,
      65_536,
      65_537,
      2 ** 24 + 2,
    ]) {
      comesBack(Buffer.alloc(size));
      // Without any repetition: one literal. A counter of four bytes, every byte of it another way.
      const counter = Buffer.alloc(size);
      for (let i = 0; i + 4 <= size; i += 4) counter.writeUInt32LE(Math.imul(i + 1, 2_654_435_761) >>> 0, i);
      comesBack(counter);
    }
    for (let length = 4; length < 140; length++)
      for (const offset of [5, 2047, 2048, 65_535, 65_536]) {
        const filler = Buffer.from(Array.from({ length: offset }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
        comesBack(
          Buffer.concat([filler, filler.subarray(0, length), Buffer.from('an end that is long enough')]),
        );
      }
  });

  it('packs URLs as small as another writer', () => {
    const urls = Array.from(
      { length: 5000 },
      (_, i) => `https://www.site${i % 97}.example/20${i % 20}/picture-${i}.jpg`,
    );
    const bytes = Buffer.from(urls.join(''));
    expect(snappyCompress(bytes).length).toBeLessThan(1.01 * theirs(bytes).length);
  });

  it("is what the authors' own library reads (skipped without Python's pyarrow)", (test) => {
    const input = Buffer.from(Array.from({ length: 9999 }, (_, i) => `row ${i % 321} of ${i}`).join(','));
    const script =
      'import sys, pyarrow as pa; d = sys.stdin.buffer.read(); n = int(sys.argv[1]); sys.stdout.buffer.write(pa.Codec("snappy").decompress(d, n))';
    const { status, stdout } = spawnSync('python3', ['-c', script, String(input.length)], {
      input: snappyCompress(input),
      maxBuffer: 1 << 24,
    });
    if (status !== 0) return test.skip('no Python with pyarrow');
    expect(Buffer.compare(stdout, input)).toBe(0);
  });
});
