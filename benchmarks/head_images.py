"""Procedural heads as tensors, for trainings without a dataset."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import orbit_cameras
from mimic3d.synthetic.catalog import KINDS, identity_of
from mimic3d.synthetic.render import BATCH_PIXELS, SubjectRenderer
from mimic3d.synthetic.scene import SYNTHETIC_SCENE

YAW_RAD, PITCH_RAD = 0.3, 0.15  # standard deviations
LARGEST_RAD = 0.8


def render_heads(
    num: int, resolution: int, device: torch.device
) -> tuple[Float[Tensor, "n 3 h w"], Float[Tensor, "n 25"]]:
    """Images in [-1, 1] of as many heads, each from a camera of its own, and the labels of these.

    A GPU renders many at once; on a CPU NumPy is quicker.
    """
    rng = torch.Generator().manual_seed(0)
    angles = torch.randn(2, num, generator=rng) * torch.tensor([[YAW_RAD], [PITCH_RAD]])
    yaw, pitch = angles.clamp(-LARGEST_RAD, LARGEST_RAD)
    cameras = orbit_cameras(yaw, pitch, SYNTHETIC_SCENE)
    at_once = max(1, BATCH_PIXELS // resolution**2)
    images = []
    for start in range(0, num, at_once):
        part = slice(start, start + at_once)
        poses, intrinsics = cameras.cam2world[part].numpy(), cameras.intrinsics[part].numpy()
        identities = [identity_of((0, start + i)) for i in range(len(poses))]
        renderer = SubjectRenderer.build(KINDS["heads"], identities, poses, intrinsics, resolution)
        views = (renderer if device.type == "cpu" else renderer.on(str(device))).render()
        images.append(torch.from_numpy(views.images))
    pixels = rearrange(torch.cat(images), "n h w c -> n c h w").to(device)
    return pixels.float() / 127.5 - 1, cameras.labels().to(device)
