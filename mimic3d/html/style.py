"""Style sheet of all pages: light and dark, on narrow screens and on paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #4a5568; --faint: #8a94a6;
  --paper: #fff; --panel: #f1f3f7; --line: #d5dae2; --hair: #e8ebf0; --accent: #3b6fb6; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ef; --soft: #a9b3c3; --faint: #7d8798; --paper: #14181f; --panel: #1f2530;
    --line: #39424f; --hair: #2a313c; --accent: #7fb0ee; } }
body { max-width: 1120px; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper); font: 15px/1.45 system-ui, sans-serif; }
h1 { margin-bottom: 0; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
h3 { margin: 1.2rem 0 .5rem; font-size: 1rem; }
p { max-width: 46rem; margin: .4rem 0 .8rem; }
.lead { font-size: 1.1rem; color: var(--soft); }
table { border-collapse: collapse; }
th, td { padding: .3rem 1.2rem .3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--hair); }
th { color: var(--soft); font-weight: 600; }
.numbers td + td, .numbers th + th { text-align: right; font-variant-numeric: tabular-nums; }
.facts td:first-child { color: var(--soft); }
.facts td { overflow-wrap: anywhere; padding-top: .15rem; padding-bottom: .15rem; }
.row { display: flex; flex-wrap: wrap; gap: 14px; }
figure { margin: 0; width: 192px; font-size: 12px; line-height: 1.3; overflow-wrap: anywhere; }
figcaption div:first-child { font-weight: 600; }
figcaption div + div { color: var(--soft); }
.plot { width: auto; }
.plot figcaption div { font-weight: 400; color: var(--soft); text-align: center; }
img, svg { max-width: 100%; height: auto; vertical-align: bottom; }
svg .grid { stroke: var(--hair); }
svg text { font-size: 11px; fill: var(--soft); }
details { margin-top: 1rem; }
summary { cursor: pointer; color: var(--accent); margin-bottom: .5rem; }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #333; --faint: #666; --paper: #fff;
    --panel: #fff; --line: #bbb; --hair: #ddd; --accent: #1d4f91; }
  body { max-width: none; margin: 0; font-size: 11px; }
  figure, tr, svg, img { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
