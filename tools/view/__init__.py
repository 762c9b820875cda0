"""A viewer of snapshots in the browser: any camera, both branches, as they change.

Read `settings.py` first (all that a picture depends on), then `drawing.py` (settings to pixels),
`session.py` (what is drawn when), `controls.py` (the panel beside the picture) and `access.py` (who
gets in).
"""
