import { costSection } from './cost-section.ts';
import type { PricedCosts } from './costs.ts';
import { type Child, foreign, type Html, html } from './html.ts';
import { formatCount, formatShare, formatValue, roundTo, shareOf } from './numbers.ts';
import { parameters } from './parameters.ts';
import {
  alignHistograms,
  barList,
  distributionNumbers,
  edgeTicks,
  histogram,
  numbers,
  type Tick,
  table,
} from './plots.ts';
import { describeRecipe, encoderNote, HOW_TO_READ_SHARES } from './prose.ts';
import type { SampleBand } from './samples.ts';
import type { Distribution, FunnelRow, Statistics, Tally } from './statistics.ts';
import { STYLE } from './style.ts';
import { sweepSection } from './sweep-section.ts';

/** Nothing is loaded, run, sent or framed, whatever a text may hold: the second lock after escaping. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/**
 * The report as one page: no script, nothing loaded from elsewhere, the same bytes for the same statistics.
 * All texts of strangers are escaped and isolated in their direction.
 *
 * @param costs what the run took: of a page that is no part of a release
 */
export function renderReport(stats: Statistics, samples: readonly SampleBand[], costs?: PricedCosts): string {
  return `${html`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="gleaner ${stats.gleaner}">
<title>${stats.recipe.name}: ${formatCount(stats.rows)} image-text pairs</title>
<style>${STYLE}</style>
<main>
${header(stats)}
${funnelSection(stats.funnel)}
${similaritySection(stats)}
${sweepSection(stats)}
${sizeSection(stats)}
${contentSection(stats)}
${samplesSection(samples)}
${costSection(costs)}
${methodSection(stats)}
</main>
</html>
`}`;
}

function header(stats: Statistics): Html {
  const links = stats.ledgers.link.in;
  const { similarity, width, height } = stats.distributions;
  const figures: (readonly [string, Child])[] = [
    ['pairs kept', formatCount(stats.rows)],
    ...(stats.removed > 0 ? ([['taken down since', formatCount(stats.removed)]] as const) : []),
    ['of all image links', formatShare(shareOf(stats.rows, links))],
    ['image hosts', stats.hosts.distinct === null ? 'very many' : formatCount(stats.hosts.distinct)],
  ];
  if (similarity.quantiles) figures.push(['median similarity', similarity.quantiles.p50.toFixed(3)]);
  if (width.quantiles && height.quantiles)
    figures.push([
      'median width × height, pixels',
      `${formatCount(width.quantiles.p50)} × ${formatCount(height.quantiles.p50)}`,
    ]);
  return html`<header>
<div class="eyebrow">Report of an image-text dataset</div>
<h1>${foreign(stats.recipe.name)}</h1>
<p>${foreign(stats.recipe.description)}</p>
<dl class="key">${figures.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
</header>`;
}

function funnelSection(funnel: readonly FunnelRow[]): Html {
  const [records, link, ...later] = funnel;
  if (!records || !link) return html``;
  const links = link.in;
  const percent = (n: number) => `${(shareOf(n, links) * 100).toFixed(4)}%`;
  const step = (title: string, n: number, previous: string) => html`
<li class="step"><span class="t">${title}</span><span class="track"><i style="left:0;width:${percent(n)}"></i></span><span class="n">${formatCount(n)}</span><span class="p">${previous}</span><span class="f">${formatShare(shareOf(n, links))}</span></li>`;
  const reasons = (row: FunnelRow) => {
    let from = row.out;
    return row.dropped.map(({ title, count, share }) => {
      const left = percent(from);
      from += count;
      return html`
<li class="reason"><span class="t">${title}</span><span class="track"><i style="left:${left};width:${percent(count)}"></i></span><span class="n">−${formatCount(count)}</span><span class="p">${formatShare(share)}</span><span class="f"></span></li>`;
    });
  };
  const lost = records.dropped.map(({ title, count }) => `${title} ${formatCount(count)}`).join('; ');
  const rows = funnel.flatMap((row) => [
    ...row.dropped.map(({ reason, title, count, share }): readonly Child[] => [
      title,
      html`<code>${reason}</code>`,
      formatCount(count),
      formatShare(share),
    ]),
    [
      html`<b>${row.title}</b>`,
      html`<code>${row.name}</code>`,
      formatCount(row.out),
      formatShare(row.shareOfPrevious),
    ],
  ]);
  return html`<section><h2>From links to pairs</h2>
<p>${formatCount(records.in)} page records were read, ${formatCount(records.in - records.out)} of them could not be used${lost ? ` (${lost})` : ''}. ${HOW_TO_READ_SHARES}</p>
<div class="funnel-head"><span></span><span></span><span>count</span><span>of step before</span><span>of links</span></div>
<ol class="funnel">${step('image links', links, '')}${[link, ...later].map((row) => [
    reasons(row),
    step(row.title, row.out, formatShare(row.shareOfPrevious)),
  ])}</ol>
${numbers('Numbers', ['step, reason', 'name', 'count', 'of step before'], rows)}
</section>`;
}

function similaritySection(stats: Statistics): Html {
  const { similarity, similarityDropped } = stats.distributions;
  const threshold = stats.recipe.score.minSimilarity;
  const { edges, a: kept, b: dropped } = alignHistograms(similarity, similarityDropped, 0.01);
  const span = (edges.at(-1) ?? 0) - (edges[0] ?? 0);
  const every = span > 0.6 ? 20 : span > 0.25 ? 10 : 5;
  const axis = 'cosine of image and text embedding, bins of 0.01';
  const plot = histogram(
    edges,
    [
      { kind: 'kept', counts: kept },
      { kind: 'dropped', counts: dropped },
    ],
    {
      label: 'Histogram of the cosine of image and text embedding',
      ticks: edgeTicks(edges, (edge) => Math.round(edge * 100) % every === 0),
      axis: threshold === null ? axis : `${axis}; the line is the threshold, ${threshold}`,
      height: 'tall',
      ...(threshold !== null && {
        mark: {
          at: threshold,
          below: `${formatCount(similarityDropped.n)} dropped`,
          above: `${formatCount(similarity.n)} kept`,
        },
      }),
    },
  );
  const rows = kept.map((n, i): readonly Child[] => [
    `${(edges[i] ?? 0).toFixed(2)} to ${(edges[i + 1] ?? 0).toFixed(2)}`,
    formatCount(n),
    formatCount(dropped[i] ?? 0),
  ]);
  const quantiles = [similarity, similarityDropped].map((d) => Object.entries(d.quantiles ?? {}));
  return html`<section><h2>Similarity</h2>
<p>${encoderNote(stats.model)}</p>
${threshold === null ? html`<p>${formatCount(similarity.n)} pairs; no threshold: none was dropped by its similarity.</p>` : ''}
${plot}
<details><summary>Numbers</summary><div class="scroll">${table(
    ['at most', 'kept', 'dropped'],
    ['p1', 'p5', 'p25', 'p50', 'p75', 'p95', 'p99'].map((p) => [
      `${p.slice(1)} %`,
      ...quantiles.map((q) => q.find(([name]) => name === p)?.[1].toFixed(4) ?? '–'),
    ]),
  )}${table(['from, to below', 'kept', 'dropped'], rows)}</div></details>
</section>`;
}

function sizeSection(stats: Statistics): Html {
  const { width, height, aspect, textLength } = stats.distributions;
  const plot = (title: string, d: Distribution, axis: string, ticks: readonly Tick[]) => html`<div>
<h3>${title}</h3>${histogram(d.edges, [{ kind: 'kept', counts: d.counts }], { label: `Histogram: ${title}`, ticks, axis })}
${distributionNumbers(d)}</div>`;
  const octaves = (d: Distribution) => edgeTicks(d.edges, (edge) => Number.isInteger(Math.log2(edge)), 6);
  return html`<section><h2>Sizes</h2>
<p>Of the images as published. Stored images have at most ${formatCount(stats.recipe.image.storeShortestSide)} pixels on the shorter side.</p>
<div class="narrow">${table(
    ['pixels', 'images', 'share'],
    stats.sizes.map(({ title, count, share }) => [title, formatCount(count), formatShare(share)]),
  )}</div>
<div class="multiples">
${plot('Width', width, 'pixels, logarithmic: two bars an octave', octaves(width))}
${plot('Height', height, 'pixels, logarithmic: two bars an octave', octaves(height))}
${plot('Width by height', aspect, 'ratio, logarithmic: four bars an octave', ratioTicks(aspect.edges))}
${plot('Text length', textLength, 'Unicode characters, logarithmic: two bars an octave', octaves(textLength))}
</div></section>`;
}

/** The bars of aspect are named by their middle: 1 is the one of square images. */
function ratioTicks(edges: readonly number[]): readonly Tick[] {
  const quarters = edges.slice(1).map((to, i) => Math.round(2 * Math.log2((edges[i] ?? to) * to)));
  const every = quarters.length > 13 ? 4 : 2;
  return quarters.flatMap((q, i) =>
    q % every === 0 ? [{ at: i + 0.5, label: String(roundTo(2 ** (q / 4), 2)) }] : [],
  );
}

function contentSection(stats: Statistics): Html {
  const list = (title: string, tally: Tally, limit: number, note: Child) => html`<div>
<h3>${title}</h3><p class="soft">${note}</p>${barList(tally, limit, (value) => foreign(value.replace(/^https:\/\//, '')))}
${
  tally.top.length > limit
    ? numbers(
        tally.distinct !== null && tally.distinct > tally.top.length
          ? `First ${tally.top.length} of ${formatCount(tally.distinct)}`
          : `All ${tally.top.length}`,
        ['value', 'pairs', 'share'],
        tally.top.map(({ value, count, share }) => [foreign(value), formatCount(count), formatShare(share)]),
      )
    : ''
}</div>`;
  const hosts = stats.hosts.top[0];
  return html`<section><h2>What is in it</h2>
<div class="thirds">
${list('Languages', stats.languages, 10, 'As detected from the text alone, ISO 639-1.')}
${list('Licences', stats.licenses, 10, 'A Creative Commons link on the page; “?” where there was none.')}
${list('Image hosts', stats.hosts, 10, hosts ? html`The first has ${formatShare(hosts.share)} of all pairs.` : '')}
${list('NSFW classes', stats.nsfw, 3, html`Category prompts: <code>${stats.recipe.safety.categories}</code>.`)}
${list('Formats', stats.formats, 10, 'As published; stored images are JPEG.')}
${list('Failed fetches', stats.fetchFailures, 10, 'Of the pairs dropped while fetching.')}
</div></section>`;
}

function samplesSection(bands: readonly SampleBand[]): Html {
  if (bands.every((band) => band.samples.length === 0)) return html``;
  return html`<section><h2>Samples</h2>
<p>The kept pairs in five equal parts by similarity, from each the first pairs in the order of their uids, which is as good as random. Only pairs of the class UNLIKELY are shown. Images belong to their owners.</p>
${bands.map(
  (band) => html`<div class="band"><h3>${band.from.toFixed(3)} to ${band.to.toFixed(3)}</h3>
<ul class="pictures">${band.samples.map(
    (sample) => html`
<li><span class="frame"><img alt="${sample.text}" src="data:image/jpeg;base64,${Buffer.from(sample.jpeg).toString('base64')}" width="${sample.width}" height="${sample.height}"></span>
<span class="caption">${foreign(sample.text)}</span>
<span class="soft">${sample.similarity.toFixed(3)} · ${sourceLink(sample.url)}</span></li>`,
  )}</ul></div>`,
)}</section>`;
}

/** A link only where it is one: other schemes stay text. */
function sourceLink(url: string): Html {
  const parsed = URL.parse(url);
  if (parsed?.protocol !== 'http:' && parsed?.protocol !== 'https:') return foreign(url);
  return html`<a href="${parsed.href}" rel="nofollow noopener noreferrer external">${foreign(parsed.hostname)}</a>`;
}

function methodSection(stats: Statistics): Html {
  const models = Object.entries(stats.model.files).sort(([a], [b]) => (a < b ? -1 : 1));
  return html`<section><h2>How it was made</h2>
<ol class="method">${describeRecipe(stats).map((sentence) => html`<li>${sentence}</li>`)}</ol>
${numbers(
  'The recipe in full',
  ['option', 'value'],
  parameters(stats.recipe).map(([name, value]) => [html`<code>${name}</code>`, foreign(value)]),
  'text',
)}
${numbers(
  'Files of the encoder, SHA-256',
  ['file', 'SHA-256'],
  models.map(([path, sha256]) => [foreign(path), html`<code>${sha256}</code>`]),
  'text',
)}
<footer>gleaner ${stats.gleaner} · recipe <code>${stats.recipeHash.slice(0, 12)}</code> · ${formatCount(stats.rows)} pairs in ${formatValue(stats.parts)} ${stats.parts === 1 ? 'part' : 'parts'} · the same numbers for machines in <code>stats.json</code></footer>
</section>`;
}
