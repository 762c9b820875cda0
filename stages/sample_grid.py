"""Pictures by a generator while it trains."""

import torch
from PIL import Image

from mimic3d.cameras import orbit_cameras
from mimic3d.gallery import image_grid
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects, trained_branches
from mimic3d.networks.snapshot import SnapshotMeta

SAMPLE_OBJECTS = 8  # rows of the pictures made while training
SAMPLE_VIEWS = 5
SAMPLE_YAW_RAD = 0.4


@torch.no_grad()
def draw_orbits(G_ema: Generator, meta: SnapshotMeta) -> Image.Image:
    """A row per object, seen from side to side by the 2D branch and, if trained, the 3D branch."""
    device = next(G_ema.parameters()).device
    yaw = torch.linspace(-SAMPLE_YAW_RAD, SAMPLE_YAW_RAD, SAMPLE_VIEWS)
    cameras = orbit_cameras(yaw, torch.zeros_like(yaw), meta.scene).to(device)
    z = torch.randn(
        (SAMPLE_OBJECTS, meta.generator.z_dim), generator=torch.Generator().manual_seed(0)
    ).to(device)
    c = torch.tensor(meta.average_label, device=device).expand(SAMPLE_OBJECTS, -1)
    views = []
    for ws in G_ema.mapping(z, c).split(1):
        objects = synthesize_objects(G_ema, ws)
        views += [objects.render(cameras, branch).image for branch in trained_branches(G_ema)]
    return image_grid(torch.cat(views), columns=len(views) // SAMPLE_OBJECTS * len(yaw))
