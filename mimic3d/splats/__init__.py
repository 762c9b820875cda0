"""Objects as Gaussian splats, which programs draw that know nothing of generators.

Read `splats.py` first (what a splat is), then `bake.py` (views of an object to splats), `fit.py`
(all that they are, by descent), `rasterize.py` (how splats look), `quality.py` and `files.py`.
"""
