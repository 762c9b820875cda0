"""Ground-truth renderings of procedural heads, as the multi-view metrics look at them."""

import torch

from mimic3d.cameras import Cameras, orbit_cameras
from mimic3d.data.schema import Subjects
from mimic3d.evaluation.truth import render_true_views
from mimic3d.metrics.views import PosedView
from mimic3d.synthetic.catalog import identity_of
from mimic3d.synthetic.render import Background
from mimic3d.synthetic.scene import SYNTHETIC_SCENE as SCENE


def render(seeds, cameras: Cameras, resolution, background: Background = "constant") -> PosedView:
    """One view of each head by the camera of the same number; empty rays see `far`."""
    identities = [identity_of((seed,)) for seed in seeds]
    subjects = Subjects(kind="heads", seed=0, background=background, specular=0)
    views = render_true_views(identities, cameras, resolution, subjects)
    return PosedView(views.images, views.depth, views.alpha, cameras)


def orbit(seeds, yaw, resolution, background: Background = "constant", pitch=0.0) -> PosedView:
    """The heads from a yaw each, or all from the same one."""
    yaws = torch.as_tensor(yaw, dtype=torch.float32).expand(len(seeds))
    cameras = orbit_cameras(yaws, torch.full((len(seeds),), pitch), SCENE)
    return render(seeds, cameras, resolution, background)
