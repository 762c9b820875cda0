"""How the page looks."""

STYLE = """
body { max-width: 1120px; margin: 2rem auto; padding: 0 1rem; color: #1d2430; background: #fff;
  font: 15px/1.45 system-ui, sans-serif; }
h1 { margin-bottom: 0; }
h2 { margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid #d5dae2; }
h3 { margin: 1.2rem 0 .5rem; font-size: 1rem; }
p { max-width: 46rem; margin: .4rem 0 .8rem; }
.lead { font-size: 1.1rem; color: #4a5568; }
table { border-collapse: collapse; }
th, td { padding: .3rem 1.2rem .3rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid #e8ebf0; }
th { color: #4a5568; font-weight: 600; }
.numbers td + td, .numbers th + th { text-align: right; font-variant-numeric: tabular-nums; }
.facts td:first-child { color: #4a5568; }
.facts td { overflow-wrap: anywhere; padding-top: .15rem; padding-bottom: .15rem; }
.row { display: flex; flex-wrap: wrap; gap: 14px; }
figure { margin: 0; width: 192px; font-size: 12px; line-height: 1.3; overflow-wrap: anywhere; }
figcaption div:first-child { font-weight: 600; }
figcaption div + div { color: #4a5568; }
.pair { width: auto; }
.pair img + img { margin-left: 3px; }
.plot { width: auto; }
.plot figcaption div { font-weight: 400; color: #4a5568; text-align: center; }
.gates figure { width: 130px; }
.blank { width: 88px; height: 66px; display: flex; align-items: center; justify-content: center;
  color: #8a94a6; background: #f1f3f7; }
img { max-width: 100%; height: auto; vertical-align: bottom; }
svg rect { fill: #3b6fb6; }
svg .grid { stroke: #e1e5eb; }
svg text { font-size: 11px; fill: #4a5568; }
details { margin-top: 1rem; }
summary { cursor: pointer; color: #3b6fb6; margin-bottom: .5rem; }
"""
