"""Objects as Gaussian splats, which programs draw that know nothing of generators.

Read `splats.py` first (what a splat is), then `bake.py` (views of an object to splats), `colors.py`
(their colours), `rasterize.py` (how splats look), `quality.py` and `files.py`.
"""
