import type { RgbImage } from '../schema/index.ts';
import { type Canvas, lay, type Window } from './canvas.ts';
import { arena, bytesOf } from './kernels.ts';

/** For each target pixel: the first source pixel, how many, and their shares of the area (`taps` places each). */
interface Cells {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly shares: Float64Array;
  readonly taps: number;
  /** Source pixels a target pixel. */
  readonly scale: number;
}

/** OpenCV's computeResizeAreaTab (modules/imgproc/src/resize.cpp), `length` cells from `start` on. */
function cells(from: number, to: number, start: number, length: number): Cells {
  const scale = from / to;
  const taps = Math.ceil(scale) + 2;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const shares = new Float64Array(length * taps);
  for (let i = 0; i < length; i++) {
    const begin = (start + i) * scale;
    const end = begin + scale;
    const cell = Math.min(scale, from - begin);
    const inner = Math.min(Math.ceil(begin), from - 1);
    const last = Math.max(inner, Math.min(Math.floor(end), from - 1));
    let at = i * taps;
    // A sliver of less than a thousandth of a pixel is left out, at either end.
    const hasHead = inner - begin > 1e-3;
    if (hasHead) shares[at++] = (inner - begin) / cell;
    for (let k = inner; k < last; k++) shares[at++] = 1 / cell;
    if (end - last > 1e-3) shares[at++] = Math.min(end - last, 1, cell) / cell;
    first[i] = hasHead ? inner - 1 : inner;
    count[i] = at - i * taps;
  }
  return { first, count, shares, taps, scale };
}

/**
 * Shrinks to `width` × `height` pixels by the mean over the covered area, pixels that are covered in part counting by
 * their part: OpenCV's INTER_AREA, within one level of it. Neither side may grow. The `window` of the result is written
 * on `canvas`.
 */
export function shrinkByArea(
  image: RgbImage,
  { width, height }: { readonly width: number; readonly height: number },
  window: Window,
  canvas: Canvas,
): void {
  const columns = cells(image.width, width, window.left, window.width);
  const rows = cells(image.height, height, window.top, window.height);
  if (!bySimd(image, columns, rows, canvas)) byNumbers(image, columns, rows, canvas);
}

/** Pixels that a call of the row kernel makes at a time. */
const TOGETHER = 4;
/** Fractional bits of the rows between the two passes: 255 levels of 64 fit 16 bits with a sign. */
const LINE_BITS = 6;

/**
 * A sum of 32 bits with a sign holds 255 levels times 2^22, and 16-bit rows of 64 a level times 2^17. Beyond that a
 * share would be so short that rounding shows: pictures that shrink by more than 512 to 1 are for the other loop.
 */
const MAX_COLUMN_BITS = 22;
const MAX_ROW_BITS = 17;
const MAX_ROW_SCALE = 512;

/** Source rows are handed over in strips of at least one target row and about this many bytes, to stay in the cache. */
const STRIP = 512 << 10;

/** Shares as 16-bit numbers whose sum is 2^bits for every cell, `pairs` × 2 places each, 0 where there is none. */
interface Fixed {
  readonly weights: Int16Array;
  readonly pairs: number;
  readonly bits: number;
}

function fixed({ first, count, shares, taps, scale }: Cells, maxBits: number): Fixed {
  // No share is above 1 / scale, so that many bits fit into 15.
  const bits = Math.min(maxBits, 14 + Math.floor(Math.log2(scale)));
  const pairs = Math.ceil(count.reduce((most, n) => Math.max(most, n), 0) / 2);
  const weights = new Int16Array(first.length * pairs * 2);
  for (let i = 0; i < first.length; i++) {
    let sum = 0;
    let given = 0;
    for (let k = 0; k < count[i]!; k++) {
      // What one share loses by rounding the next ones get: the sum is exact, and a flat picture stays flat.
      sum += shares[i * taps + k]!;
      const upTo = Math.round(sum * 2 ** bits);
      weights[i * pairs * 2 + k] = upTo - given;
      given = upTo;
    }
  }
  return { weights, pairs, bits };
}

/**
 * Columns first, since that pass has the contiguous loop; then rows. Both sums are exact, the rows between them have
 * 6 fractional bits, and the shares 14 bits or more: together less than half a level for any picture.
 */
function bySimd({ data, width }: RgbImage, columns: Cells, rows: Cells, canvas: Canvas): boolean {
  if (columns.scale > MAX_ROW_SCALE) return false;
  const across = fixed(columns, MAX_ROW_BITS);
  const down = fixed(rows, MAX_COLUMN_BITS);
  const [targetWidth, targetHeight] = [columns.first.length, rows.first.length];
  const [stride, outStride] = [width * 3, targetWidth * 3];
  const padded = Math.ceil(targetWidth / TOGETHER) * TOGETHER;
  const perRow = Math.ceil(rows.scale) + 2;
  const stripRows = Math.max(perRow, Math.floor(STRIP / stride)) + 2;
  const memory = arena(
    down.weights.byteLength,
    padded * across.pairs * 4,
    padded * 4,
    stride * 2 + across.pairs * 12,
    stripRows * stride + down.pairs * 2 * stride,
    (stripRows + 1) * outStride,
  );
  if (!memory) return false;
  const { kernels, bytes } = memory;
  const [downAt = 0, acrossAt = 0, firstAt = 0, lineAt = 0, sourceAt = 0, outAt = 0] = memory.at;
  bytes.set(bytesOf(down.weights), downAt);
  bytes.set(bytesOf(across.weights), acrossAt);
  // Pixels are made four at a time: those behind the last are made of the first ones, whatever their weights.
  bytes.fill(0, firstAt, firstAt + padded * 4);
  // Six bytes a pixel of the line: three channels of 16 bits.
  bytes.set(bytesOf(columns.first.map((pixel) => pixel * 6)), firstAt);
  for (let y = 0; y < targetHeight; ) {
    const begin = rows.first[y]!;
    let until = y;
    let end = begin;
    while (until < targetHeight && until - y < stripRows) {
      const needed = rows.first[until]! + rows.count[until]!;
      if (until > y && needed - begin > stripRows) break;
      end = needed;
      until++;
    }
    bytes.set(data.subarray(begin * stride, end * stride), sourceAt);
    for (let row = y; row < until; row++) {
      kernels.areaColumn(
        sourceAt + (rows.first[row]! - begin) * stride,
        stride,
        downAt + row * down.pairs * 4,
        down.pairs,
        down.bits - LINE_BITS,
        lineAt,
      );
      kernels.areaRow(
        lineAt,
        firstAt,
        acrossAt,
        across.pairs,
        across.bits + LINE_BITS,
        outAt + (row - y) * outStride,
        padded,
      );
    }
    lay(canvas, y, bytes.subarray(outAt, outAt + (until - y) * outStride), targetWidth);
    y = until;
  }
  return true;
}

/** Bytes of a row that are summed up at a time: a strip of millions of pixels shall not need as many numbers. */
const BLOCK = 64 << 10;

/** The same in numbers of JavaScript, for pictures that the other loop is not for. */
function byNumbers({ data, width }: RgbImage, columns: Cells, rows: Cells, canvas: Canvas): void {
  const targetWidth = columns.first.length;
  const out = new Uint8ClampedArray(canvas.data.buffer, canvas.data.byteOffset, canvas.data.byteLength);
  for (let left = 0; left < targetWidth; ) {
    const from = columns.first[left]! * 3;
    let right = left;
    let to = from;
    while (right < targetWidth && (right === left || to - from < BLOCK)) {
      to = (columns.first[right]! + columns.count[right]!) * 3;
      right++;
    }
    const line = new Float64Array(to - from);
    for (let y = 0; y < rows.first.length; y++) {
      line.fill(0);
      for (let k = 0; k < rows.count[y]!; k++) {
        const share = rows.shares[y * rows.taps + k]!;
        const row = (rows.first[y]! + k) * width * 3 + from;
        for (let i = 0; i < line.length; i++) line[i] = line[i]! + data[row + i]! * share;
      }
      for (let x = left; x < right; x++) {
        const at = ((canvas.top + y) * canvas.width + canvas.left + x) * 3;
        for (let c = 0; c < 3; c++) {
          let sum = 0;
          const p = columns.first[x]! * 3 - from + c;
          for (let k = 0; k < columns.count[x]!; k++)
            sum += line[p + k * 3]! * columns.shares[x * columns.taps + k]!;
          out[at + c] = sum;
        }
      }
    }
    left = right;
  }
}
