/** Curves of a training as one SVG: axes with units, lines named where they end, readable on light and dark paper. */

export interface CurveSeries {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Takes no part in what is looked at first: a control, the chance level. @default false */
  readonly faint?: boolean;
}

export interface CurvePlot {
  readonly title: string;
  /** What an axis shows, with its unit: "step", "loss (nats)". */
  readonly x: string;
  readonly y: string;
  readonly series: readonly CurveSeries[];
  /** Points are the means of neighbours, so that at most so many are drawn. @default 200 */
  readonly most?: number;
}

/** In pixels, on a grid of 8. */
const SIZE = { width: 720, height: 360 };
const AREA = { left: 64, right: 560, top: 56, bottom: 304 };
const LABEL_HEIGHT = 16;
/** Told apart by lightness too, and by their names. */
const HUES = 4;

const STYLE = `
.paper{fill:#fff}.ink{fill:#1b1d1a}.soft{fill:#5d625a}.grid{stroke:#dfe1dc}
text{font:13px system-ui,sans-serif;font-variant-numeric:tabular-nums}.title{font-size:16px;font-weight:650}
polyline{fill:none;stroke-width:2;stroke-linejoin:round}
.c0{stroke:#1d6b50}.c1{stroke:#a4501e}.c2{stroke:#2d5aa8}.c3{stroke:#7a3b93}.faint{stroke:#8a8f85;stroke-dasharray:4 3}
.t0{fill:#1d6b50}.t1{fill:#a4501e}.t2{fill:#2d5aa8}.t3{fill:#7a3b93}.tf{fill:#5d625a}
@media(prefers-color-scheme:dark){.paper{fill:#141613}.ink{fill:#e8eae4}.soft,.tf{fill:#a2a79c}.grid{stroke:#30342d}
.c0{stroke:#5fbf98}.c1{stroke:#e39a62}.c2{stroke:#86aef0}.c3{stroke:#c897dd}
.t0{fill:#5fbf98}.t1{fill:#e39a62}.t2{fill:#86aef0}.t3{fill:#c897dd}}`;

/** Round numbers from below `low` to above `high`, about five of them: steps of 1, 2 or 5 times a power of ten. */
export function niceTicks(low: number, high: number): number[] {
  const rough = (high - low || Math.abs(high) || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((s) => s >= rough) ?? 10 * power;
  const first = Math.floor(low / step + 1e-9);
  const count = Math.max(1, Math.ceil(high / step - 1e-9) - first);
  return Array.from({ length: count + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Means of neighbours, so that at most `most` points are left. */
function thinned(points: CurveSeries['points'], most: number): CurveSeries['points'] {
  const size = Math.ceil(points.length / most);
  if (size <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    const mean = (axis: 0 | 1) => part.reduce((sum, point) => sum + point[axis], 0) / part.length;
    return [mean(0), mean(1)] as const;
  });
}

/** Heights of labels as near to those wanted as they can be without lying over each other. */
function spread(wanted: readonly number[]): number[] {
  const order = [...wanted.keys()].sort((a, b) => wanted[a]! - wanted[b]!);
  const placed = [...wanted];
  order.reduce((floor, i) => {
    placed[i] = Math.max(placed[i]!, floor);
    return placed[i]! + LABEL_HEIGHT;
  }, AREA.top);
  order.reduceRight((ceiling, i) => {
    placed[i] = Math.min(placed[i]!, ceiling);
    return placed[i]! - LABEL_HEIGHT;
  }, AREA.bottom);
  return placed;
}

const escaped = (text: string): string =>
  text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c);
const fixed = (value: number): string => String(Number(value.toFixed(1)));
const shown = (value: number): string =>
  Math.abs(value) >= 1000 ? value.toLocaleString('en-US') : String(value);

/** @throws RangeError where no series has a point, or a value is no number */
export function curvesSvg({ title, x, y, series, most = 200 }: CurvePlot): string {
  const drawn = series.flatMap((s) =>
    s.points.length > 0 ? [{ ...s, points: thinned(s.points, most) }] : [],
  );
  const all = drawn.flatMap(({ points }) => points);
  if (all.length === 0 || !all.flat().every(Number.isFinite))
    throw new RangeError(`${title}: nothing to draw`);
  const extent = (axis: 0 | 1) => {
    const values = all.map((point) => point[axis]);
    return [Math.min(0, ...values), Math.max(...values)] as const;
  };
  const [right, ys] = [extent(0)[1], niceTicks(...extent(1))];
  // The lines go to the right edge, where their names are; heights end at a line of the grid.
  const xs = niceTicks(...extent(0)).filter((tick) => tick <= right);
  const scale = (low: number, high: number, from: number, to: number) => (value: number) =>
    from + ((value - low) / (high - low || 1)) * (to - from);
  const toX = scale(xs[0]!, right, AREA.left, AREA.right);
  const toY = scale(ys[0]!, ys.at(-1)!, AREA.bottom, AREA.top);
  const text = (at: readonly [number, number], words: string, kind: string, anchor = 'start') =>
    `<text x="${fixed(at[0])}" y="${fixed(at[1])}" class="${kind}" text-anchor="${anchor}">${escaped(words)}</text>`;
  const grid = ys.map(
    (tick) =>
      `<line x1="${AREA.left}" x2="${AREA.right}" y1="${fixed(toY(tick))}" y2="${fixed(toY(tick))}" class="grid"/>` +
      text([AREA.left - 8, toY(tick) + 4], shown(tick), 'soft', 'end'),
  );
  const below = xs.map((tick) => text([toX(tick), AREA.bottom + 20], shown(tick), 'soft', 'middle'));
  const heights = spread(drawn.map(({ points }) => toY(points.at(-1)![1])));
  let hue = 0;
  const lines = drawn.map(({ name, points, faint = false }, i) => {
    const colour = faint ? 'f' : String(hue++ % HUES);
    const path = points.map((point) => `${fixed(toX(point[0]))},${fixed(toY(point[1]))}`).join(' ');
    const line = `<polyline class="${faint ? 'faint' : `c${colour}`}" points="${path}"><title>${escaped(name)}</title></polyline>`;
    return line + text([AREA.right + 8, heights[i]! + 4], name, `t${colour}`);
  });
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style><rect class="paper" width="${SIZE.width}" height="${SIZE.height}"/>`,
    text([AREA.left, 24], title, 'title ink'),
    text([AREA.left, 44], y, 'soft'),
    ...grid,
    ...below,
    text([AREA.right, AREA.bottom + 40], x, 'soft', 'end'),
    ...lines,
    '</svg>',
  ].join('\n')}\n`;
}
