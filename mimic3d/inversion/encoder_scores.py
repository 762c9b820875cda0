"""Scores of an encoder on samples of its generator, beside the start that needs no encoder."""

from dataclasses import dataclass

import torch
from einops import repeat
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras
from mimic3d.inversion.encoder import Encoder
from mimic3d.inversion.encoder_samples import PoolConfig, draw_pool
from mimic3d.inversion.view_parameters import cameras_from_parameters
from mimic3d.losses.perceptual import PerceptualNetwork
from mimic3d.metrics.similarity import psnr
from mimic3d.networks.generator import Generator

HELD_OUT = 2**31  # number of a pool that no training reaches
BATCH = 16  # objects rendered at a time


@dataclass(frozen=True)
class EncoderScores:
    """Scores of each image, and renderings of what was read in it."""

    images: Float[Tensor, "n 3 h w"]
    """The images that were read, in [-1, 1]."""
    encoded: Float[Tensor, "n 3 h w"]
    """Encoder's w, from the true camera."""
    encoded_own_camera: Float[Tensor, "n 3 h w"]
    """Encoder's w, from the encoder's camera."""
    average: Float[Tensor, "n 3 h w"]
    """Mean w, from the true camera."""
    values: dict[str, Float[Tensor, " n"]]
    """By name: `psnr_*` (dB) and, with a network, `perceptual_*` of the three renderings; squared
    error of w, as a share of its variance (`w_error`) and whitened (`style_error`), both about 1
    for the mean; angle between the optical axes (`axis_deg`) and distance of the camera centres
    (`center`, world units), and both of the mean camera (`*_average`)."""

    def means(self) -> dict[str, float]:
        """Mean of each score."""
        return {name: float(value.mean()) for name, value in self.values.items()}


def held_out_scores(
    encoder: Encoder, G: Generator, label: Float[Tensor, "1 25"], pool: PoolConfig, num: int,
    seed: int, perceptual: PerceptualNetwork | None = None,
) -> EncoderScores:  # fmt: skip
    """Scores on `num` objects that no training has seen, one image of each."""
    cfg = pool.model_copy(update={"num_objects": num, "num_views": 1})
    held_out = draw_pool(G, label, encoder.config.resolution, cfg, seed, HELD_OUT)
    device = G.mapping.w_avg.device
    images, w, parameters = held_out.pick(
        torch.arange(num), torch.zeros(num, dtype=torch.long)
    )  # fmt: skip
    cameras = cameras_from_parameters(parameters, G.scene).to(device)
    return score_encoder(encoder, G, images.to(device), w.to(device), cameras, perceptual)


@torch.no_grad()
def score_encoder(
    encoder: Encoder, G: Generator, images: Float[Tensor, "n 3 h w"],
    w: Float[Tensor, "n w_dim"] | None, cameras: Cameras,
    perceptual: PerceptualNetwork | None = None,
) -> EncoderScores:  # fmt: skip
    """Scores on images in [-1, 1] of known cameras; `w` None is not known."""
    read_w, read_cameras = encoder(images)
    side = images.shape[-1]
    average = encoder.w_mean.expand_as(read_w)
    rendered = {
        "encoder": _render(G, read_w, cameras, side),
        "encoder_own_camera": _render(G, read_w, read_cameras, side),
        "average": _render(G, average, cameras, side),
    }
    mask = torch.ones_like(images[:, :1])
    values = {}
    for name, image in rendered.items():
        values[f"psnr_{name}"] = psnr((image.clamp(-1, 1) + 1) / 2, (images + 1) / 2, mask)
        if perceptual is not None:
            values[f"perceptual_{name}"] = perceptual(image, images)
    if w is not None:
        distribution = encoder.distribution
        error = distribution.whiten(read_w) - distribution.whiten(w)
        values["style_error"] = error.square().mean(dim=1)
        total = distribution.deviations.square().sum()
        values["w_error"] = (read_w - w).square().sum(dim=1) / total
    mean_camera = cameras_from_parameters(encoder.parameter_mean.expand(len(images), -1), G.scene)
    for name, guess in (("", read_cameras), ("_average", mean_camera)):
        axes = guess.cam2world[:, :3, 2] * cameras.cam2world[:, :3, 2]
        values[f"axis_deg{name}"] = axes.sum(dim=1).clamp(-1, 1).acos().rad2deg()
        values[f"center{name}"] = (guess.centers - cameras.centers).norm(dim=1)
    return EncoderScores(
        images, rendered["encoder"], rendered["encoder_own_camera"], rendered["average"], values
    )


def _render(
    G: Generator, w: Float[Tensor, "n w_dim"], cameras: Cameras, side: int
) -> Float[Tensor, "n 3 h w"]:
    """Images of the 3D branch."""
    ws = repeat(w, "n w_dim -> n l w_dim", l=G.mapping.num_ws)
    parts = [
        G.render(part, cameras[start : start + BATCH], "3d", side).image
        for start, part in zip(range(0, len(ws), BATCH), ws.split(BATCH), strict=True)
    ]
    return torch.cat(parts)
