"""What networks for faces, brought by the user, say of an object from two sides."""

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.config import Config
from mimic3d.evaluation.views.objects import Sitter
from mimic3d.metrics.faces import FaceNetworkConfig, arcface_similarity, deep3d_scores

NUM_VIEWS = 2  # of each object (GMPI)


class FacesConfig(Config):
    """Networks for faces; their scores are left out where no weights are named."""

    arcface: FaceNetworkConfig = FaceNetworkConfig()
    """ArcFace: identity across views."""
    deep3d: FaceNetworkConfig = FaceNetworkConfig()
    """Deep3DFaceRecon: pose and depth of a view."""


def score_faces(
    sitter: Sitter, angles: Float[Tensor, "v 2"], cfg: FacesConfig,
    arcface: torch.jit.ScriptModule | None, deep3d: torch.jit.ScriptModule | None,
) -> dict[str, float]:  # fmt: skip
    """Likeness of the first two of the drawn views; pose and depth errors, means over both."""
    views = [sitter(yaw, pitch) for yaw, pitch in angles[:NUM_VIEWS].tolist()]
    found = {}
    if arcface is not None:
        a, b = (view.image for view in views)
        found["arcface_id"] = arcface_similarity(arcface, a, b, cfg.arcface).item()
    if deep3d is not None:
        scores = [deep3d_scores(deep3d, view, cfg.deep3d) for view in views]
        for name in vars(scores[0]):
            found[name] = sum(getattr(one, name).item() for one in scores) / len(scores)
    return found
