export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** Number of the row that it is in. */
  readonly row: number;
}

export interface Layout {
  readonly boxes: readonly Box[];
  readonly height: number;
}

/** Pixels between pictures. */
const GAP = 8;
/** Ratios of width to height beyond which a picture gets room on its sides, so that a strip can still be hit. */
const [NARROWEST, WIDEST] = [0.4, 4];

export const GRID_SIZES = ['small', 'medium', 'large'] as const;
export type GridSize = (typeof GRID_SIZES)[number];

/** How much higher or lower rows are than the usual ones. */
const SCALES: Readonly<Record<GridSize, number>> = { small: 0.6, medium: 1, large: 1.6 };

/** The height that rows are near to, for a width of the page, in pixels. */
export function rowHeight(width: number, size: GridSize): number {
  const usual = width < 560 ? 140 : width < 1100 ? 192 : width < 1800 ? 224 : 264;
  return Math.round(usual * SCALES[size]);
}

/**
 * Rows of one height each that fill the width; nothing is cropped. The last row keeps the usual height.
 *
 * @param ratios width to height of each picture
 */
export function justify(ratios: readonly number[], width: number, target: number): Layout {
  const boxes: Box[] = [];
  let top = 0;
  let row = 0;
  let start = 0;
  const put = (end: number, height: number) => {
    let left = 0;
    for (let i = start; i < end; i++) {
      const boxWidth = clamp(ratios[i] ?? 1) * height;
      boxes.push({ left, top, width: boxWidth, height, row });
      left += boxWidth + GAP;
    }
    top += height + GAP;
    row++;
    start = end;
  };
  let sum = 0;
  for (let i = 0; i < ratios.length; i++) {
    sum += clamp(ratios[i] ?? 1);
    const height = (width - (i - start) * GAP) / sum;
    if (height > target) continue;
    // The row with this picture is lower than wished, without it higher: whichever is nearer.
    const last = clamp(ratios[i] ?? 1);
    const without = i > start ? (width - (i - start - 1) * GAP) / (sum - last) : Number.POSITIVE_INFINITY;
    if (without / target < target / height) {
      put(i, without);
      sum = last;
      if (width / sum <= target) {
        put(i + 1, width / sum);
        sum = 0;
      }
    } else {
      put(i + 1, height);
      sum = 0;
    }
  }
  if (start < ratios.length)
    put(ratios.length, Math.min(target, (width - (ratios.length - start - 1) * GAP) / sum));
  return { boxes, height: Math.max(0, top - GAP) };
}

/**
 * The boxes that reach into a stretch of the page.
 *
 * @param boxes as `justify` gives them, from top to bottom
 * @returns the first of them, and the one behind the last
 */
export function boxesWithin(
  boxes: readonly Box[],
  top: number,
  bottom: number,
): readonly [from: number, to: number] {
  const from = firstWhere(boxes, (box) => box.top + box.height >= top);
  return [
    from,
    Math.max(
      from,
      firstWhere(boxes, (box) => box.top > bottom),
    ),
  ];
}

/** The first box that something holds of, where it holds of all behind it. */
function firstWhere(boxes: readonly Box[], holds: (box: Box) => boolean): number {
  let [low, high] = [0, boxes.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const box = boxes[middle];
    if (box && holds(box)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function clamp(ratio: number): number {
  return Math.min(Math.max(ratio, NARROWEST), WIDEST);
}

export type Direction = 'left' | 'right' | 'up' | 'down' | 'first' | 'last';

/** The picture that an arrow leads to; the same where there is none. */
export function neighbour(boxes: readonly Box[], from: number, direction: Direction): number {
  const last = boxes.length - 1;
  if (direction === 'left') return Math.max(0, from - 1);
  if (direction === 'right') return Math.min(last, from + 1);
  if (direction === 'first') return 0;
  if (direction === 'last') return last;
  const box = boxes[from];
  if (!box) return from;
  const row = box.row + (direction === 'down' ? 1 : -1);
  const middle = box.left + box.width / 2;
  let best = from;
  let distance = Number.POSITIVE_INFINITY;
  boxes.forEach((other, i) => {
    const away = Math.abs(other.left + other.width / 2 - middle);
    if (other.row === row && away < distance) [best, distance] = [i, away];
  });
  return best;
}
