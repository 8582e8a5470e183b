/** The sheet of samples: a row a caption, as PNG. */
import sharp from 'sharp';
import type { RgbImage } from '../../src/schema/index.ts';
import { drawText, LINE_DOTS } from './font.ts';

export interface GridRow {
  readonly caption: string;
  /** Best first. */
  readonly samples: readonly RgbImage[];
  /** Of the training set: nearest to the first sample by pixels, by CLIP. */
  readonly nearest: readonly RgbImage[];
}

/** Pixels of the sheet for one of a picture, and for a dot of text. */
const SCALE = 2;
const GAP = 6;
/** Between samples and training pictures. */
const WIDE_GAP = 30;
const TEXT = 2 * LINE_DOTS + 6;

/** Draws all rows, under a line that says what the columns are. */
export async function drawGrid(rows: readonly GridRow[], side: number): Promise<Buffer> {
  const { length: samples } = rows[0]!.samples;
  const { length: nearest } = rows[0]!.nearest;
  const cell = side * SCALE + GAP;
  const lefts = Array.from(
    { length: samples + nearest },
    (_, i) => GAP + i * cell + (i < samples ? 0 : WIDE_GAP),
  );
  const width = lefts.at(-1)! + cell;
  const rowHeight = cell + TEXT;
  const height = TEXT + rows.length * rowHeight + GAP;
  const sheet = Buffer.alloc(width * height * 3, 255);
  const write = (text: string, left: number, top: number, room: number) =>
    drawText(text, room / SCALE, (x, y) =>
      fill(left + x * SCALE, top + y * SCALE, SCALE, SCALE, [40, 40, 40]),
    );
  const fill = (left: number, top: number, w: number, h: number, rgb: ArrayLike<number>) => {
    for (let y = top; y < top + h; y++)
      for (let x = left; x < left + w; x++)
        for (let c = 0; c < 3; c++) sheet[(y * width + x) * 3 + c] = rgb[c]!;
  };
  write('samples, best first', lefts[0]!, GAP, samples * cell);
  write('nearest: pixels, clip', lefts[samples]!, GAP, nearest * cell);
  rows.forEach((row, r) => {
    const top = TEXT + r * rowHeight + GAP;
    write(row.caption, lefts[0]!, top, width - 2 * GAP);
    [...row.samples, ...row.nearest].forEach(({ data }, i) => {
      for (let p = 0; p < side * side; p++) {
        const [x, y] = [p % side, Math.floor(p / side)];
        fill(
          lefts[i]! + x * SCALE,
          top + TEXT - GAP + y * SCALE,
          SCALE,
          SCALE,
          data.subarray(3 * p, 3 * p + 3),
        );
      }
    });
  });
  const raw = { width, height, channels: 3 as const };
  // 256 colours: a sixth of the bytes, and hardly to be seen.
  return sharp(sheet, { raw }).png({ compressionLevel: 9, palette: true, dither: 0 }).toBuffer();
}
