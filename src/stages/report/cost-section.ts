import type { PricedCosts } from './costs.ts';
import { type Child, type Html, html } from './html.ts';
import { formatCost, formatCount, formatRate } from './numbers.ts';
import { table } from './plots.ts';

/** Time and cost by stage; of a release, which has no times, where they can be had. */
export function costSection(costs: PricedCosts | undefined): Html {
  if (!costs)
    return html`<section><h2>Time and cost</h2>
<p>Times are another at every run, and a release is the same bytes for the same inputs: so they do not stand here. Where it was made, <code>gleaner stats DIR --html FILE</code> writes this page with them.</p></section>`;
  const { pricePerCpuHour: price, all } = costs;
  const end = (cpu: number | null, rate: number | null, cost: number | null): readonly Child[] => [
    cpu === null ? 'not known' : hours(cpu),
    rate === null ? '–' : formatRate(rate),
    ...(price === null ? [] : [cost === null ? '–' : formatCost(cost)]),
  ];
  const rows = costs.stages.map((stage): readonly Child[] => [
    stage.stage,
    formatCount(stage.tasks),
    `${formatCount(stage.things)} ${stage.unit}`,
    hours(stage.taskSeconds),
    ...end(stage.cpuSeconds, stage.perCpuSecond, stage.cost),
  ]);
  rows.push([
    html`<b>all</b>`,
    formatCount(all.tasks),
    `${formatCount(all.rows)} released`,
    hours(all.taskSeconds),
    ...end(all.cpuSeconds, all.perCpuSecond, all.cost),
  ]);
  const head = ['stage', 'tasks', 'worked on', 'task time', 'CPU time', 'a CPU-second'];
  const priced = price === null ? head : [...head, 'cost'];
  const million =
    all.costPerMillion === null ? '' : `: ${formatCost(all.costPerMillion)} a million released pairs`;
  const note = price === null ? '' : ` Cost at ${price} a CPU-hour, in its currency${million}.`;
  return html`<section><h2>Time and cost</h2>
<p>On the machine that ran it. Task time adds up tasks that ran side by side; CPU time is of the processes that ran them, and of those that were killed it is not known.${note}</p>
<div class="scroll-wide" tabindex="0">${table(priced, rows)}</div></section>`;
}

/** Seconds as '12.3 s' or '1.23 h'. */
function hours(seconds: number): string {
  return seconds < 3600 ? `${seconds.toFixed(1)} s` : `${(seconds / 3600).toFixed(2)} h`;
}
