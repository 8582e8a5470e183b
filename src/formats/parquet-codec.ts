import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { snappyCompress } from 'hyparquet-writer/src/snappy.js';

/** Larger pages are taken for damage: writers make them of about 1 MB, and a page is held whole. */
const MAX_PAGE_BYTES = 1 << 30;

/**
 * Level 1 of zstd: on URLs and texts twice as fast as Snappy in JavaScript, and a third smaller (docs/decisions.md).
 */
const LEVEL = { [constants.ZSTD_c_compressionLevel]: 1 };

/** What pages are unpacked with: hyparquet's, but Node's own zstd, which is several times faster than JavaScript's. */
export const pageCompressors: Compressors = {
  ...compressors,
  ZSTD: (page, length) => {
    if (length > MAX_PAGE_BYTES) throw new Error(`a page of ${length} bytes`);
    // A little more room than needed: what is unpacked can then be worked on where it is, eight bytes at a time.
    return zstdDecompressSync(page, { chunkSize: length + 64, maxOutputLength: Math.max(1, length) });
  },
};

/** How pages are packed: ZSTD for speed and size, SNAPPY for what every reader has to be able to read. */
export type ParquetCodec = 'ZSTD' | 'SNAPPY';

/** Packs the bytes of a page. The same bytes give the same page. */
export function compressPage(page: Uint8Array, codec: ParquetCodec): Uint8Array {
  if (codec === 'SNAPPY') return snappyCompress(page);
  return zstdCompressSync(page, {
    // Room for most results at once: the pieces that zlib would grow by have to be joined again.
    chunkSize: Math.max(1024, page.length >>> 1),
    pledgedSrcSize: page.length,
    params: LEVEL,
  });
}
