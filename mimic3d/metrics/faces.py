"""Identity, pose and depth as face networks see them: optional, TorchScript files by path.

None is shipped, and their licences are their own. Values depend on the crop and on the very
weights: both belong to the protocol.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor
from torch.nn import functional as F

from mimic3d.cameras import Cameras, project
from mimic3d.config import Config
from mimic3d.metrics.features import resize
from mimic3d.metrics.similarity import masked_mean
from mimic3d.metrics.views import PosedView, surface_points, unit_range
from mimic3d.weights import Sha256, fetch

ARCFACE_SIDE = 112  # pixels (ArcFace)
DEEP3D_SIDE = 224  # pixels (Deep3DFaceRecon)


class FaceNetworkConfig(Config):
    """A network for faces, and the part of the picture that it sees."""

    weights: str | None = None
    """Path or URL of a TorchScript file; null leaves its scores out."""
    sha256: Sha256 | None = None
    """SHA-256 of that file or its beginning; null: not known."""
    left: float = Field(default=0.0, ge=0, lt=1)
    """Left border of the square it sees, as a share of the picture's width."""
    top: float = Field(default=0.0, ge=0, lt=1)
    """Upper border of that square, as a share of the picture's width."""
    side: float = Field(default=1.0, gt=0, le=1)
    """Side of that square, as a share of the picture's width; 1 is the whole picture."""

    @model_validator(mode="after")
    def _inside(self) -> "FaceNetworkConfig":
        if max(self.left, self.top) + self.side > 1 + 1e-9:
            raise ValueError(
                f"left + side and top + side must not exceed 1, are {self.left + self.side:g} and "
                f"{self.top + self.side:g}"
            )
        return self


def load_face_network(
    cfg: FaceNetworkConfig, cache: Path, device: torch.device, key: str
) -> torch.jit.ScriptModule:
    """The network of a config in evaluation mode; `key` is the full name of its parameters.

    Raises:
        ValueError: no file is named, it cannot be had, or is no TorchScript.
    """
    if cfg.weights is None:
        raise ValueError(
            f"{key}.weights must name a TorchScript file, is null; give its path, or leave the "
            f"score out"
        )
    path = fetch(cfg.weights, cfg.sha256, cache, f"{key}.weights")
    try:
        network = torch.jit.load(str(path), map_location=device)
    except Exception as error:  # a damaged file can fail in any way
        raise ValueError(
            f"{key}.weights must be a TorchScript file (torch.jit.save), {path} is none; convert "
            f"the network with torch.jit.script or torch.jit.trace"
        ) from error
    return network.eval()


def arcface_similarity(
    network: torch.jit.ScriptModule,
    a: Float[Tensor, "n 3 h w"],
    b: Float[Tensor, "n 3 h w"],
    cfg: FaceNetworkConfig,
) -> Float[Tensor, " n"]:
    """Cosine of the embeddings of two views of each identity, images in [-1, 1] (GMPI, PanoHead).

    The network maps RGB images `n 3 112 112` in [-1, 1] to embeddings `n d`. Nothing is detected or
    aligned: the datasets are.

    Raises:
        ValueError: the network answers in another shape.
    """
    embeddings = []
    for images in (a, b):
        answer = network(_crop(images, cfg, ARCFACE_SIDE))
        _check(answer, (len(a), None), "arcface.weights must map images n 3 112 112 to n d")
        embeddings.append(answer)
    return F.cosine_similarity(*embeddings)


@dataclass(frozen=True)
class Deep3DScores:
    """Agreement of a face reconstruction of the picture with camera and depth (EG3D, GMPI)."""

    deep3d_pose: Float[Tensor, " n"]
    """Mean square of the error of pitch, yaw and roll, rad^2."""
    deep3d_depth: Float[Tensor, " n"]
    """Mean square difference of depth on the face, both with mean 0 and deviation 1 there."""


def deep3d_scores(
    network: torch.jit.ScriptModule, view: PosedView, cfg: FaceNetworkConfig
) -> Deep3DScores:
    """Pose and depth errors of one view of each identity.

    The network maps RGB images `n 3 224 224` in [0, 1] to three tensors: pitch, yaw and roll in
    rad in the convention of Deep3DFaceRecon (see `deep3d_angles`), depth along the optical axis
    `n 1 224 224` that grows away from the camera, and the face's mask `n 1 224 224`, 0 or 1.

    Raises:
        ValueError: the network answers in other shapes.
    """
    answer = network(_crop(unit_range(view.image), cfg, DEEP3D_SIDE))
    rule = "deep3d.weights must map images n 3 224 224 to n 3, n 1 224 224 and n 1 224 224"
    if not isinstance(answer, tuple) or len(answer) != 3:
        raise ValueError(f"{rule}, gave {_shape(answer)}; wrap the network so that it does")
    angles, depth, mask = answer
    num, side = len(view.image), DEEP3D_SIDE
    _check(angles, (num, 3), rule)
    for picture in (depth, mask):
        _check(picture, (num, 1, side, side), rule)
    _, along = project(surface_points(view), view.cameras)
    rendered = _crop(rearrange(along, "n (h w) -> n 1 h w", h=view.image.shape[-1]), cfg, side)
    error = _standardized(rendered, mask) - _standardized(depth, mask)
    return Deep3DScores(
        deep3d_pose=(angles - deep3d_angles(view.cameras)).square().mean(dim=1),
        deep3d_depth=masked_mean(error**2, mask),
    )


def deep3d_angles(cameras: Cameras) -> Float[Tensor, "n 3"]:
    """Pitch, yaw and roll that Deep3DFaceRecon means by a camera, rad.

    Its face turns before a fixed camera by Rz Ry Rx, the inverse of our camera's rotation with y up
    and z backwards: pitch and roll are ours, yaw has the other sign.
    """
    flip = cameras.cam2world.new_tensor([1, -1, -1])
    face = rearrange(cameras.cam2world[:, :3, :3] * flip, "n i j -> n j i")
    pitch = torch.atan2(face[:, 2, 1], face[:, 2, 2])
    yaw = -torch.asin(face[:, 2, 0].clamp(-1, 1))
    roll = torch.atan2(face[:, 1, 0], face[:, 0, 0])
    return torch.stack([pitch, yaw, roll], dim=1)


def _crop(images: Float[Tensor, "n c h w"], cfg: FaceNetworkConfig, side: int) -> Tensor:
    """The square that the network sees, at its resolution."""
    left, top, size = (round(part * images.shape[-1]) for part in (cfg.left, cfg.top, cfg.side))
    return resize(images[..., top : top + size, left : left + size], side)


def _standardized(depth: Float[Tensor, "n 1 h w"], mask: Float[Tensor, "n 1 h w"]) -> Tensor:
    """Values shifted and scaled to mean 0 and standard deviation 1 inside the mask."""
    centered = depth - masked_mean(depth, mask)[:, None, None, None]
    deviation = masked_mean(centered**2, mask).sqrt()
    return centered / deviation[:, None, None, None]


def _check(answer: Any, shape: tuple[int | None, ...], rule: str) -> None:
    fits = isinstance(answer, Tensor) and answer.ndim == len(shape)
    if not fits or any(
        k not in (None, given) for k, given in zip(shape, answer.shape, strict=True)
    ):
        raise ValueError(f"{rule}, gave {_shape(answer)}; wrap the network so that it does")


def _shape(answer: Any) -> str:
    if isinstance(answer, Tensor):
        return str(list(answer.shape))
    if isinstance(answer, tuple):
        return f"({', '.join(_shape(part) for part in answer)})"
    return f"a {type(answer).__name__}"
