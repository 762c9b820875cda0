"""How this page looks beside what all pages have in common."""

STYLE = """
.pair { width: auto; }
.pair img + img { margin-left: 3px; }
.gates figure { width: 130px; }
.blank { width: 88px; height: 66px; display: flex; align-items: center; justify-content: center;
  color: var(--faint); background: var(--panel); }
svg rect { fill: var(--accent); }
"""
