"""Style sheet of this page, on top of that of all pages."""

STYLE = """
.wide { overflow-x: auto; }
table.scores { font-variant-numeric: tabular-nums; width: 100%; }
.scores td, .scores th { padding-right: .9rem; white-space: nowrap; }
.scores td + td + td, .scores th + th + th { text-align: right; }
.scores td:last-child, .scores th:last-child { text-align: left; white-space: normal;
  min-width: 13rem; color: var(--soft); font-size: .87em; }
.interval { display: block; color: var(--faint); font-size: .82em; }
.best { font-weight: 650; }
.picture { width: auto; margin-bottom: 1.2rem; }
.picture img { border-radius: 3px; max-height: 48rem; width: auto; }
.picture figcaption div:first-child { font-weight: 400; color: var(--soft); }
.picture figcaption { max-width: 46rem; margin-top: .3rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr));
  gap: 1.2rem; }
.notice { border-left: 3px solid var(--accent); padding-left: .7rem; }
pre { background: var(--panel); padding: .7rem .9rem; overflow-x: auto; border-radius: 4px;
  font-size: 13px; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print {
  .wide { overflow: visible; }
  table.scores { font-size: 9px; }
  .scores td, .scores th { padding-right: .7em; }
  .scores td:last-child, .scores th:last-child { min-width: 0; }
}
@media screen and (max-width: 640px) { .facts td { display: block; border: 0; } }
"""
