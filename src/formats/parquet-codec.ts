import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Compressors } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { snappyCompress } from './snappy.ts';

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
    // Where no room is left, zlib asks for more before it knows that it has come to the end.
    return zstdDecompressSync(page, {
      chunkSize: Math.max(constants.Z_MIN_CHUNK, length + 1),
      maxOutputLength: Math.max(1, length),
    });
  },
};

/**
 * How pages are packed: ZSTD for speed and size, SNAPPY for what every reader has to be able to read, UNCOMPRESSED for
 * what cannot be made smaller.
 */
export type ParquetCodec = 'ZSTD' | 'SNAPPY' | 'UNCOMPRESSED';

/** ZSTD_COMPRESSBOUND of zstd.h: the most bytes that so many can become. */
function compressBound(bytes: number): number {
  const small = 128 << 10;
  return Math.max(
    constants.Z_MIN_CHUNK,
    bytes + (bytes >>> 8) + (bytes < small ? (small - bytes) >>> 11 : 0),
  );
}

/** Packs the bytes of a page. The same bytes give the same page. */
export function compressPage(page: Uint8Array, codec: ParquetCodec): Uint8Array {
  if (codec === 'UNCOMPRESSED') return page;
  if (codec === 'SNAPPY') return snappyCompress(page);
  return zstdCompressSync(page, {
    // Room for any result: the page is then packed where it lies, and at once.
    chunkSize: compressBound(page.length),
    pledgedSrcSize: page.length,
    params: LEVEL,
  });
}
