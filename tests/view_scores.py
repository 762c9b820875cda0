"""The tiny evaluation of multi-view scores that tests share, also among processes."""

from pathlib import Path

import torch
import torch.distributed as dist
from painted_balls import PaintedBalls

from mimic3d.cameras import orbit_cameras
from mimic3d.data.schema import Manifest, Subjects
from mimic3d.evaluation.context import ALONE, EvaluationContext, ProcessGroup
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.score_views import ViewScores, score_views
from mimic3d.synthetic.scene import SYNTHETIC_SCENE as SCENE

SIDE = 32
SAMPLING = SamplingConfig(seed=7)
FIT = {"num_views": 6, "voxels": [4, 8], "num_steps": 4, "num_rays": 64, "num_samples": 8}
CONSISTENCY = ConsistencyConfig.model_validate(
    {
        "num_identities": 3,
        "baselines_rad": [0.05, 0.3],
        "flatness_3dgp": {"resolution": 8, "num_samples": 16},
        "probe": {
            "num_views": 2, "num_train_identities": 3, "num_train_views": 2,
            "network": {"resolution": 16, "channels": 8, "num_steps": 2, "batch": 4},
        },
        "refit": {"num_identities": 1, "fit": FIT},
    }
)  # fmt: skip


def label(yaw_rad: float, pitch_rad: float) -> torch.Tensor:
    return orbit_cameras(torch.tensor([yaw_rad]), torch.tensor([pitch_rad]), SCENE).labels()


def manifest_of(**changes) -> Manifest:
    poses = {f"{angle}_{name}_rad": 0.0 for angle in ("yaw", "pitch") for name in ("mean", "q50")}
    for angle, std in (("yaw", 0.3), ("pitch", 0.1)):
        poses |= {f"{angle}_std_rad": std, f"{angle}_q05_rad": -std, f"{angle}_q95_rad": std}
    fields = {
        "name": "toy", "source": "synthetic", "counts": {"train": 8}, "resolution": SIDE,
        "resize_filter": "none", "scene": SCENE, "mirror": False,
        "average_label": tuple(label(0.0, 0.0)[0].tolist()), "label_std": (0.0,) * 25,
        "poses": poses, "fingerprint": "ab12", "licence": "none",
        "subjects": Subjects(kind="heads", seed=0, background="room", specular=0),
    }  # fmt: skip
    return Manifest(**fields | changes)


def score(
    cache: Path, cfg: ConsistencyConfig = CONSISTENCY, group: ProcessGroup = ALONE,
    sampling: SamplingConfig = SAMPLING, advance=lambda amount, text: None, **changes,
) -> ViewScores:  # fmt: skip
    """All scores of the painted balls and of true heads."""
    return score_views(context(cache, group, sampling, advance, **changes), cfg)


def context(
    cache: Path, group: ProcessGroup = ALONE, sampling: SamplingConfig = SAMPLING,
    advance=lambda amount, text: None, resolution=SIDE, **changes,
) -> EvaluationContext:  # fmt: skip
    """The painted balls under evaluation; `changes` are of the manifest."""
    return EvaluationContext(
        PaintedBalls(SCENE), label(0.0, 0.0), manifest_of(**changes), resolution, sampling, group,
        cache, advance,
    )  # fmt: skip


def score_together(rank: int, num: int, folder: str) -> None:
    """One of several processes; each writes its tables, from an empty cache and a full one."""
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=num
    )

    def gather(objects: list) -> list:
        lists = [None] * num
        dist.all_gather_object(lists, objects)
        return [item for items in lists for item in items or []]

    for cache in ("empty", "full"):
        table = score(Path(folder) / "cache", group=ProcessGroup(rank, num, gather)).samples
        table.to_parquet(Path(folder) / f"{cache}-{rank}.parquet")
    dist.destroy_process_group()
