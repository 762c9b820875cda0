"""What `prepare` can make a dataset from: each source lists its tasks, split by split."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from pydantic import Field, PositiveFloat

from mimic3d.cameras import FFHQ_FOCAL, Point, Scene
from mimic3d.config import Config
from mimic3d.data.eg3d import list_images, load_labels
from mimic3d.data.photo import Photo, develop
from mimic3d.data.poses.synthetic import SYNTHETIC_SCENE, SyntheticConfig, SyntheticPoses
from mimic3d.data.sample import Rejected, Sample
from mimic3d.data.schema import EVAL_YAWS_RAD, SPLITS
from mimic3d.data.synthetic.studio import Shot, take_shot


class GivenConfig(Config):
    """Images with cameras in the layout of EG3D, and the scene its labels live in."""

    path: str = "."
    """Zip or folder with a dataset.json, relative to data/raw/."""
    val_share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the images kept for validation."""
    radius: PositiveFloat = 2.7
    """Distance of the cameras from orbit_center, world units (EG3D)."""
    orbit_center: Point = (0.0, 0.0, 0.0)
    """Centre of the sphere of cameras; EG3D's labels have the origin."""
    pivot: Point = (0.0, 0.0, 0.0)
    """Point that orbits rendered for viewing look at; EG3D uses (0, 0, 0.2) for FFHQ."""
    focal: PositiveFloat = FFHQ_FOCAL
    """Focal length divided by the image width, of orbits rendered for viewing."""
    near: PositiveFloat = 2.25
    """Distance along a ray where sampling starts (EG3D)."""
    far: PositiveFloat = 3.3
    """Distance along a ray where sampling ends (EG3D)."""
    box_warp: PositiveFloat = 1.0
    """Side of the cube that the tri-planes span (EG3D)."""
    white_back: bool = False
    """Composite onto white (ShapeNet)."""
    licence: str = "not stated"
    """Terms of the images; written into the manifest."""


Task = TypeVar("Task")


@dataclass(frozen=True)
class Plan(Generic[Task]):
    """All the tasks of a dataset, and what its manifest says of them."""

    tasks: list[tuple[str, Task]]
    """The split of each image, and what makes it."""
    make: Callable[[Task], Sample | Rejected]
    scene: Scene
    resize_filter: str
    licence: str


def plan_synthetic(cfg: SyntheticConfig, seed: int, resolution: int) -> Plan[Shot]:
    """One shot per image; a head belongs to one split only."""
    poses = SyntheticPoses(cfg, seed, resolution)
    tasks = []
    for number, split in enumerate(SPLITS):
        is_eval = split == "eval_multiview"
        views = len(EVAL_YAWS_RAD) if is_eval else 1
        for index, image_id in enumerate(poses.splits[split]):
            shot = Shot(
                image_id=image_id,
                key=(seed, number, index // views),
                pose=poses.pose(image_id),
                resolution=resolution,
                background=cfg.background,
                depth_where_empty=SYNTHETIC_SCENE.far if is_eval else None,
            )
            tasks.append((split, shot))
    licence = "CC0: procedural, no third-party material"
    return Plan(tasks, take_shot, SYNTHETIC_SCENE, "none", licence)


def plan_given(cfg: GivenConfig, seed: int, resolution: int, raw: Path) -> Plan[Photo]:
    """One photo per image of the zip or folder; the seed decides which are for validation.

    Raises:
        ValueError: There is nothing to read, or labels are missing or broken.
    """
    container = raw / cfg.path
    if not container.exists():
        raise ValueError(
            f"prepare.given.path must be a zip or folder below {raw}, {container} does not exist"
        )
    names = list_images(container)
    labels = load_labels(container, names)
    num_val = math.floor(len(names) * cfg.val_share)
    order = np.random.default_rng([seed, len(names)]).permutation(len(names))
    held_out = set(order[:num_val].tolist())
    tasks = [
        ("val" if index in held_out else "train", Photo(container, name, labels[name], resolution))
        for index, name in enumerate(names)
    ]
    scene = Scene(
        radius=cfg.radius,
        orbit_center=cfg.orbit_center,
        pivot=cfg.pivot,
        focal=cfg.focal,
        near=cfg.near,
        far=cfg.far,
        box_warp=cfg.box_warp,
        white_back=cfg.white_back,
    )
    return Plan(tasks, develop, scene, "lanczos", cfg.licence)
