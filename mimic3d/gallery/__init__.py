"""Pictures, videos and meshes of a generator's objects."""

from mimic3d.gallery.config import GalleryConfig
from mimic3d.gallery.panels import BranchPanels, compare_branches, compare_orbit
from mimic3d.gallery.paths import orbit_path, strip_path
from mimic3d.gallery.stills import image_grid, save_png
from mimic3d.gallery.video import load_video_writer, save_video

__all__ = [
    "BranchPanels", "GalleryConfig", "compare_branches", "compare_orbit", "image_grid",
    "load_video_writer", "orbit_path", "save_png", "save_video", "strip_path",
]  # fmt: skip
