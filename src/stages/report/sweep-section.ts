import { type Child, foreign, type Html, html } from './html.ts';
import { formatCount, formatShare } from './numbers.ts';
import { edgeTicks, markLine, table } from './plots.ts';
import type { Statistics, Sweep } from './statistics.ts';

/** The table that is always shown reaches so far on either side of the recipe's own threshold, in steps of 0.02. */
const AROUND = 0.1001;

/** Retention at every threshold: a curve that only falls, and the numbers behind it. */
export function sweepSection({ sweep }: Statistics): Html {
  if (sweep.scored === 0) return html``;
  const judged =
    sweep.own === null
      ? 'The recipe has no threshold: safety was judged of every pair.'
      : 'Of pairs below the recipe’s own threshold safety was never judged: how many of them would have been released is not known, only that it is no more than pass.';
  return html`<section><h2>Other thresholds</h2>
<p>Of ${formatCount(sweep.scored)} pairs that were scored, how many are at or above each threshold. ${judged}</p>
${curve(sweep)}
<div class="thresholds">${thresholdTable(sweep, (threshold) => isShown(sweep, threshold))}</div>
<details><summary>Every threshold, with languages and classes</summary><div class="scroll wide">${wholeTable(sweep)}</div></details>
</section>`;
}

function isShown({ own }: Sweep, threshold: number): boolean {
  const hundredths = Math.round(threshold * 100);
  if (own === null) return hundredths % 5 === 0;
  return threshold === own || (Math.abs(threshold - own) < AROUND && hundredths % 2 === 0);
}

/** Stairs: at each threshold the share of scored pairs that pass it, the released ones filled. */
function curve(sweep: Sweep): Html {
  const { thresholds, passed, released, scored, own } = sweep;
  const steps = thresholds.length - 1;
  if (steps < 1) return html``;
  const y = (n: number) => fixed(100 - (n / scored) * 100);
  // Between two thresholds as many pass as pass the higher one.
  const stairs = (counts: readonly (number | null)[], from: number) =>
    counts
      .slice(from + 1)
      .map((n, i) => `V${y(n ?? 0)}H${from + 1 + i}`)
      .join('');
  const judged = released.findIndex((n) => n !== null);
  const area = judged < 0 ? '' : `M${judged} 100V${y(released[judged] ?? 0)}${stairs(released, judged)}V100Z`;
  const span = (thresholds.at(-1) ?? 0) - (thresholds[0] ?? 0);
  const every = span > 0.6 ? 20 : span > 0.25 ? 10 : 5;
  const ticks = edgeTicks(
    thresholds,
    (t) => Math.abs(t * 100 - Math.round(t * 100)) < 1e-9 && Math.round(t * 100) % every === 0,
    11,
  );
  const at = own === null ? -1 : thresholds.indexOf(own);
  const mark =
    own === null || at < 0
      ? ''
      : markLine(thresholds, {
          at: own,
          below: `${own}, the recipe’s own`,
          above: `${formatShare((passed[at] ?? 0) / scored)} pass`,
        });
  return html`<figure class="plot tall">
<div class="area"><span class="top">${formatCount(scored)}</span>
<svg viewBox="0 0 ${steps} 100" preserveAspectRatio="none" role="img" aria-label="Pairs at or above each threshold"><path class="kept" d="${area}"/><path class="line" d="M0 ${y(passed[0] ?? 0)}${stairs(passed, 0)}"/></svg>${mark}</div>
<div class="ticks" aria-hidden="true">${ticks.map(({ at: tick, label }) => {
    const x = tick / steps;
    const end = x < 0.03 ? 'start' : x > 0.97 ? 'end' : 'middle';
    return html`<span class="${end}" style="left:${fixed(x * 100)}%">${label}</span>`;
  })}</div>
<figcaption>threshold on the cosine, steps of 0.01; the line: pairs that pass; filled: those of them that were released</figcaption>
</figure>`;
}

function thresholdTable(sweep: Sweep, wanted: (threshold: number) => boolean): Html {
  const rows = sweep.thresholds.flatMap((threshold, i): (readonly Child[])[] => {
    if (!wanted(threshold)) return [];
    const passed = sweep.passed[i] ?? 0;
    const released = sweep.released[i] ?? null;
    return [
      [
        nameOf(sweep, threshold),
        formatCount(passed),
        formatShare(passed / sweep.scored),
        released === null ? 'not judged' : formatCount(released),
      ],
    ];
  });
  return table(['threshold', 'pairs at or above it', 'of scored', 'released ones'], rows);
}

function wholeTable(sweep: Sweep): Html {
  const head = [
    'threshold',
    'pairs',
    'released',
    ...sweep.languages.map(({ value }) => foreign(value)),
    ...sweep.nsfw.map(({ value }) => foreign(value)),
  ];
  const rows = sweep.thresholds.map((threshold, i): readonly Child[] => [
    nameOf(sweep, threshold),
    formatCount(sweep.passed[i] ?? 0),
    countOrDash(sweep.released[i]),
    ...sweep.languages.map(({ passed }) => formatCount(passed[i] ?? 0)),
    ...sweep.nsfw.map(({ released }) => countOrDash(released[i])),
  ]);
  return table(head, rows);
}

function nameOf({ own }: Sweep, threshold: number): Child {
  const decimals = Math.max(2, String(threshold).split('.')[1]?.length ?? 0);
  const text = threshold.toFixed(decimals);
  return threshold === own ? html`<b>${text}, own</b>` : text;
}

function countOrDash(n: number | null | undefined): string {
  return n === null || n === undefined ? '–' : formatCount(n);
}

function fixed(value: number): string {
  return String(Number(value.toFixed(3)));
}
