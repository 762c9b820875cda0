"""The scene that procedural subjects stand in."""

from mimic3d.cameras import Scene

# The subjects stand in a room of the box (render.py); these limits contain subjects and walls,
# seen from every camera within the limits of `SyntheticConfig`.
SYNTHETIC_SCENE = Scene(near=2.5, far=3.6, box_warp=1.0)
