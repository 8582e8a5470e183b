/** A part of the target, in its pixels. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** A picture that a resized one is laid on: its upper left pixel comes to `left`, `top`. */
export interface Canvas {
  readonly data: Uint8Array;
  /** Pixels a row. */
  readonly width: number;
  readonly left: number;
  readonly top: number;
}

/** Lays whole rows of `width` pixels on a canvas, from row `y` of the picture on. */
export function lay(
  { data, width: full, left, top }: Canvas,
  y: number,
  rows: Uint8Array,
  width: number,
): void {
  if (width === full) data.set(rows, (top + y) * width * 3);
  else
    for (let at = 0, row = top + y; at < rows.length; at += width * 3, row++)
      data.set(rows.subarray(at, at + width * 3), (row * full + left) * 3);
}
