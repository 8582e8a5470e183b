import { type Child, type Html, html } from './html.ts';
import { formatCount, formatShare, formatValue } from './numbers.ts';
import type { Distribution, Histogram, Tally } from './statistics.ts';

/** Bars of one colour of a histogram; all series of a plot share its edges. */
interface Series {
  readonly kind: 'kept' | 'dropped';
  readonly counts: readonly number[];
}

export interface PlotOptions {
  /** What the plot shows, for those who do not see it. */
  readonly label: string;
  readonly ticks: readonly Tick[];
  /** A vertical line, with what lies on either side of it. */
  readonly mark?: { readonly at: number; readonly below: string; readonly above: string };
  /** Below the axis: the unit, and the scale where it is not linear. */
  readonly axis: string;
  readonly height?: 'tall';
}

export interface Tick {
  /** In bins from the left: 0 is the left edge of the first, 0.5 its middle. */
  readonly at: number;
  readonly label: string;
}

/** Ticks at the edges that `wanted` names, of which every n-th is taken where they are more than `most`. */
export function edgeTicks(
  edges: readonly number[],
  wanted: (edge: number) => boolean,
  most = 7,
): readonly Tick[] {
  const ticks = edges.flatMap((edge, at) => (wanted(edge) ? [{ at, label: formatValue(edge) }] : []));
  const every = Math.ceil(ticks.length / most);
  return ticks.filter((_, i) => i % every === 0);
}

/**
 * A histogram: one bar a bin, of equal width, all with their numbers as a title. The bars are stretched to the
 * column; ticks and labels are text of the page, so that they keep their size on a telephone.
 */
export function histogram(edges: readonly number[], series: readonly Series[], options: PlotOptions): Html {
  const bins = edges.length - 1;
  if (bins < 1) return html`<p class="none">Nothing to show.</p>`;
  const totals = Array.from({ length: bins }, (_, i) => series.reduce((n, s) => n + (s.counts[i] ?? 0), 0));
  const top = Math.max(1, ...totals);
  const bars = Array.from({ length: bins }, (_, i) => {
    let y = 100;
    return series.map(({ kind, counts }) => {
      const n = counts[i] ?? 0;
      if (n === 0) return '';
      // A single pair among millions still shows.
      const height = Math.max(0.8, (n / top) * 100);
      y -= height;
      const range = `${formatValue(edges[i] ?? 0)} to ${formatValue(edges[i + 1] ?? 0)}`;
      return html`<rect class="${kind}" x="${i + 0.06}" y="${fixed(y)}" width="0.88" height="${fixed(height)}"><title>${range}: ${formatCount(n)} ${kind}</title></rect>`;
    });
  });
  const ticks = options.ticks.map(({ at, label }) => {
    const x = at / bins;
    // Labels at the ends stay within the plot: a telephone has no room beside it.
    const end = x < 0.03 ? 'start' : x > 0.97 ? 'end' : 'middle';
    return html`<span class="${end}" style="left:${fixed(x * 100)}%">${label}</span>`;
  });
  return html`<figure class="plot${options.height === 'tall' ? ' tall' : ''}">
<div class="area"><span class="top">${formatCount(top)}</span>
<svg viewBox="0 0 ${bins} 100" preserveAspectRatio="none" role="img" aria-label="${options.label}">${bars}</svg>${
    options.mark ? markLine(edges, options.mark) : ''
  }</div>
<div class="ticks" aria-hidden="true">${ticks}</div>
<figcaption>${options.axis}</figcaption>
</figure>`;
}

/** A vertical line at a value, with what lies on either side of it. */
export function markLine(edges: readonly number[], mark: NonNullable<PlotOptions['mark']>): Child {
  const bins = edges.length - 1;
  const i = edges.findLastIndex((edge) => edge <= mark.at);
  const from = edges[i];
  if (from === undefined) return '';
  const to = edges[i + 1];
  const x = (i + (to === undefined ? 0 : (mark.at - from) / (to - from))) / bins;
  // Near an edge of the plot both labels stand on the side that has room, below each other.
  const side = x < 0.3 ? ' right' : x > 0.7 ? ' left' : '';
  return html`<span class="mark${side}" style="left:${fixed(x * 100)}%"><span class="below">${mark.below}</span><span class="above">${mark.above}</span></span>`;
}

/** Two histograms of one grid laid over each other: their common edges, and each one's counts on them. */
export function alignHistograms(
  a: Histogram,
  b: Histogram,
  /** Width of every bin of the grid. */
  step: number,
): { readonly edges: readonly number[]; readonly a: readonly number[]; readonly b: readonly number[] } {
  const index = (edge: number) => Math.round(edge / step);
  const firsts = [a, b].flatMap((h) => h.edges.slice(0, 1));
  const lasts = [a, b].flatMap((h) => h.edges.slice(-1));
  if (firsts.length === 0) return { edges: [], a: [], b: [] };
  const first = index(Math.min(...firsts));
  const last = index(Math.max(...lasts));
  const perUnit = Math.round(1 / step);
  const spread = (h: Histogram) => {
    const offset = h.edges[0] === undefined ? 0 : index(h.edges[0]) - first;
    return Array.from({ length: last - first }, (_, i) => h.counts[i - offset] ?? 0);
  };
  return {
    edges: Array.from({ length: last - first + 1 }, (_, i) => (first + i) / perUnit),
    a: spread(a),
    b: spread(b),
  };
}

/** Values with bars on one linear scale from zero. */
export function barList(tally: Tally, limit: number, name: (value: string) => Child): Html {
  if (tally.top.length === 0) return html`<p class="none">None.</p>`;
  const shown = tally.top.slice(0, limit);
  const most = shown[0]?.count ?? 1;
  const rest = tally.total - shown.reduce((n, { count }) => n + count, 0);
  return html`<ul class="bars">${shown.map(
    ({ value, count, share }) => html`
<li><span class="name">${name(value)}</span><span class="n">${formatCount(count)}</span><span class="s">${formatShare(share)}</span><i style="width:${fixed((count / most) * 100)}%"></i></li>`,
  )}
${rest > 0 ? html`<li class="rest"><span class="name">all others</span><span class="n">${formatCount(rest)}</span><span class="s">${formatShare(rest / tally.total)}</span></li>` : ''}</ul>`;
}

/** The numbers behind a plot, one click away; of kind 'text' where the columns hold words. */
export function numbers(
  title: string,
  head: readonly string[],
  rows: readonly (readonly Child[])[],
  kind: 'figures' | 'text' = 'figures',
): Html {
  return html`<details><summary>${title}</summary><div class="scroll ${kind}">${table(head, rows)}</div></details>`;
}

/** A table whose first column is text and whose others are numbers. */
export function table(head: readonly Child[], rows: readonly (readonly Child[])[]): Html {
  return html`<table><thead><tr>${head.map((h) => html`<th scope="col">${h}</th>`)}</tr></thead><tbody>${rows.map(
    ([first = '', ...cells]) => html`
<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`,
  )}</tbody></table>`;
}

/** Bins and quantiles of a distribution as a table to open. */
export function distributionNumbers(distribution: Distribution): Html {
  const { edges, counts, quantiles, below, above } = distribution;
  if (!quantiles) return html``;
  const summary: (readonly Child[])[] = [
    ['minimum', formatValue(distribution.min ?? 0)],
    ...Object.entries(quantiles).map(([p, value]) => [`${p.slice(1)} % at most`, formatValue(value)]),
    ['maximum', formatValue(distribution.max ?? 0)],
    ['mean', formatValue(distribution.mean ?? 0)],
  ];
  const bins = counts.map((n, i) => [
    `${formatValue(edges[i] ?? 0)} to ${formatValue(edges[i + 1] ?? 0)}`,
    formatCount(n),
    formatShare(n / distribution.n),
  ]);
  if (below > 0) bins.unshift(['below', formatCount(below), formatShare(below / distribution.n)]);
  if (above > 0) bins.push(['above', formatCount(above), formatShare(above / distribution.n)]);
  return html`<details><summary>Numbers</summary><div class="scroll">${table(['quantile', 'value'], summary)}${table(['from, to below', 'pairs', 'share'], bins)}</div></details>`;
}

function fixed(value: number): string {
  return String(Number(value.toFixed(3)));
}
