import { Html } from './html.ts';

/** The whole style of the report: one type family, four sizes, a grid of 8 pixels, one accent colour. */
export const STYLE = new Html(`
:root { color-scheme: light dark;
  --paper: #fff; --ink: #1b1d1a; --soft: #5d625a; --line: #dfe1dc; --field: #f5f6f3;
  --accent: #1d6b50; --lost: #b4b8ae; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #141613; --ink: #e8eae4; --soft: #a2a79c; --line: #30342d; --field: #1c1f1a;
  --accent: #5fbf98; --lost: #62675c; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/24px system-ui, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
main { max-width: 1136px; margin: 0 auto; padding: 48px 24px 64px; }
header { margin-bottom: 40px; }
h1 { font-size: 40px; line-height: 48px; font-weight: 650; letter-spacing: -.02em; margin: 0 0 8px; }
h2 { font-size: 20px; line-height: 24px; font-weight: 650; margin: 0 0 8px; }
h3 { font-size: 16px; line-height: 24px; font-weight: 650; margin: 0 0 8px; }
p { margin: 0 0 16px; max-width: 72ch; }
a { color: var(--accent); text-underline-offset: 3px; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.eyebrow, .soft, figcaption, .ticks, .top, .mark, summary, .funnel .reason, .funnel-head, .s, .none, footer, .rest
  { font-size: 13px; line-height: 16px; color: var(--soft); }
.eyebrow { margin-bottom: 8px; }
section { border-top: 1px solid var(--line); padding: 24px 0 40px; }
section > p, p.soft { color: var(--soft); }
dl.key { display: grid; grid-template-columns: repeat(auto-fit, minmax(152px, 1fr)); gap: 24px; margin: 32px 0 0; }
dl.key div { display: flex; flex-direction: column-reverse; justify-content: flex-end; }
dl.key dd { margin: 0; font-size: 32px; line-height: 40px; font-weight: 600; letter-spacing: -.01em; overflow-wrap: normal; }
dl.key dt { font-size: 13px; line-height: 16px; color: var(--soft); }

.funnel { list-style: none; margin: 8px 0 0; padding: 0; }
.funnel li, .funnel-head { display: grid; grid-template-columns: 208px 1fr 104px 72px 72px; column-gap: 16px; align-items: center; }
.funnel .step { padding: 8px 0 4px; font-weight: 600; }
.funnel .reason { padding: 2px 0; }
.funnel .reason .t { padding-left: 16px; }
.funnel .n, .funnel .p, .funnel .f, .funnel-head span { text-align: right; white-space: nowrap; }
.funnel .p, .funnel .f { font-weight: 400; }
.track { position: relative; height: 20px; border-radius: 2px; background: var(--field); }
.reason .track { height: 8px; background: none; }
.track i { position: absolute; top: 0; bottom: 0; min-width: 2px; background: var(--accent); border-radius: 2px; }
.reason .track i { background: var(--lost); }

.plot { margin: 0 0 8px; }
.area { position: relative; height: 120px; border-bottom: 1px solid var(--soft); }
.tall .area { height: 224px; }
.area svg { position: absolute; inset: 16px 0 0; width: 100%; height: calc(100% - 16px); display: block; }
.top { position: absolute; top: 0; left: 0; }
.area::before { content: ''; position: absolute; inset: 16px 0 auto; border-top: 1px dashed var(--line); }
rect.kept, path.kept { fill: var(--accent); } path.line { fill: none; stroke: var(--soft); stroke-width: 2; vector-effect: non-scaling-stroke; } rect.dropped { fill: var(--lost); }
.ticks { position: relative; height: 24px; }
.ticks span { position: absolute; white-space: nowrap; transform: translateX(-50%); padding-top: 6px; }
.ticks span::before { content: ''; position: absolute; left: 50%; top: 0; height: 4px; border-left: 1px solid var(--soft); }
.ticks .start { transform: none; } .ticks .start::before { left: 0; }
.ticks .end { transform: translateX(-100%); } .ticks .end::before { left: 100%; }
.mark { position: absolute; top: 0; bottom: 0; border-left: 2px solid var(--ink); z-index: 1; }
.mark > span { position: absolute; top: 0; white-space: nowrap; color: var(--ink); }
.mark .below { right: 10px; } .mark .above { left: 8px; }
.mark.right .below { right: auto; left: 8px; } .mark.right .above { top: 16px; }
.mark.left .above { left: auto; right: 10px; } .mark.left .below { top: 16px; }
.mark .above { color: var(--accent); font-weight: 600; }
.tall .area svg { inset: 40px 0 0; height: calc(100% - 40px); } .tall .area::before { inset: 40px 0 auto; } .tall .top { top: 20px; }
.narrow { max-width: 560px; margin-bottom: 24px; }

.multiples { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 32px 48px; }
.thirds { columns: 3 288px; column-gap: 48px; margin-top: 16px; }
.thirds > div { break-inside: avoid; padding-bottom: 32px; }
.multiples > * { min-width: 0; }

ul.bars { list-style: none; margin: 0 0 8px; padding: 0; }
.bars li { display: grid; grid-template-columns: 1fr auto 56px; column-gap: 8px; padding: 2px 0 4px; font-size: 13px; line-height: 16px; }
.bars .n, .bars .s { text-align: right; white-space: nowrap; }
.bars i { grid-column: 1 / 4; height: 4px; margin-top: 2px; min-width: 2px; background: var(--accent); border-radius: 2px; }
.thirds p { margin-bottom: 8px; }

table { border-collapse: collapse; width: 100%; margin: 0 0 16px; }
th, td { text-align: right; padding: 4px 0 4px 16px; border-bottom: 1px solid var(--line); font-weight: 400; vertical-align: top; }
th:first-child { text-align: left; padding-left: 0; }
td { white-space: nowrap; }
.text td { white-space: normal; text-align: left; }
.text th { width: 35%; }
.text thead th { text-align: left; }
thead th { font-size: 13px; line-height: 16px; color: var(--soft); vertical-align: bottom; }
summary { cursor: pointer; padding: 4px 0; width: fit-content; }
.thresholds { max-width: 720px; margin-top: 16px; }
.scroll-wide { overflow-x: auto; margin-bottom: 8px; }
.scroll-wide th, .scroll-wide td { white-space: nowrap; }
.scroll.wide td, .scroll.wide th { white-space: nowrap; }
.scroll { font-size: 13px; line-height: 16px; max-height: 320px; overflow: auto; padding-right: 16px; }
ol.method { margin: 0 0 16px; padding-left: 24px; max-width: 72ch; }
.method li { padding: 0 0 8px 8px; }
footer { margin-top: 24px; }
code { font: 13px/16px ui-monospace, monospace; }

.band { margin: 24px 0 0; }
.pictures { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 24px 16px; list-style: none; margin: 0; padding: 0; }
.pictures .frame { display: flex; height: 160px; background: var(--field); border-radius: 2px; padding: 8px; }
.pictures img { width: 100%; height: 100%; object-fit: contain; }
.pictures .caption { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4; overflow: hidden; margin: 8px 0 4px; font-size: 13px; line-height: 16px; }

@media (max-width: 800px) {
  .pictures { grid-template-columns: repeat(auto-fill, minmax(136px, 1fr)); }
}
@media (max-width: 640px) {
  main { padding: 24px 16px 48px; }
  h1 { font-size: 32px; line-height: 40px; }
  dl.key { grid-template-columns: 1fr 1fr; gap: 16px; }
  dl.key dd { font-size: 20px; line-height: 24px; }
  .funnel-head { display: none; }
  .funnel li { grid-template-columns: 1fr auto 64px; column-gap: 8px; }
  .funnel .track { grid-area: 2 / 1 / 3 / 4; }
  .funnel .reason { padding: 4px 0; }
  .funnel .reason .track { height: 4px; }
  .funnel .p { display: none; }
  .funnel .reason .p { display: block; } .funnel .reason .f { display: none; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #ccc; --field: #f2f2f2; --accent: #1d6b50; --lost: #aaa; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 13px; line-height: 16px; } main { padding: 0; max-width: none; }
  section { padding: 16px 0; } figure, .bars, .pictures li, .funnel li, table { break-inside: avoid; } h2, h3 { break-after: avoid; }
  details { display: none; } .multiples { grid-template-columns: 1fr 1fr; } .thirds { columns: 3; column-gap: 32px; }
  .pictures { grid-template-columns: repeat(5, minmax(0, 1fr)); } .pictures .frame { height: 104px; }
  dl.key { grid-template-columns: repeat(5, auto); margin-top: 16px; } dl.key dd { font-size: 20px; line-height: 24px; white-space: nowrap; }
}
`);
