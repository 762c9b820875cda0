"""How this page looks beside what all pages have in common."""

STYLE = """
.wide { overflow-x: auto; }
table.scores { font-variant-numeric: tabular-nums; width: 100%; }
.scores td, .scores th { padding-right: .9rem; white-space: nowrap; }
.scores td + td + td, .scores th + th + th { text-align: right; }
.scores td:last-child, .scores th:last-child { text-align: left; white-space: normal;
  min-width: 13rem; color: var(--soft); font-size: .87rem; }
.interval { display: block; color: var(--faint); font-size: .8rem; }
.best { font-weight: 650; }
.picture { width: auto; margin-bottom: 1.2rem; }
.picture img { image-rendering: pixelated; border-radius: 3px; }
.picture figcaption { max-width: 46rem; margin-top: .3rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr));
  gap: 1.2rem; }
.notice { border-left: 3px solid var(--accent); padding-left: .7rem; }
pre { background: var(--panel); padding: .7rem .9rem; overflow-x: auto; border-radius: 4px;
  font-size: 13px; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 640px) { .facts td { display: block; border: 0; } }
"""
