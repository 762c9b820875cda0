"""Pose and identity as a small network reads them, trained on objects of known pose and identity.

The offline counterpart of scores by face networks: no download, and what it is worth is measured
by the same scores of true renderings beside it.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from jaxtyping import Float, Int, UInt8
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from mimic3d.atomic import atomic_file
from mimic3d.config import Config
from mimic3d.metrics.features import resize

STRIDES = 4  # halvings of the image before its features are flattened
GROUP_CHANNELS = 8  # normalised together, so that a batch does not matter
TRANSIENT = 0.1  # share of the steps in which the learning rate rises


class ProbeConfig(Config):
    """The network and its training; the defaults take about a minute on one CPU core."""

    resolution: int = Field(default=64, ge=16, multiple_of=2**STRIDES)
    """Side of the images it sees, pixels; others are resized."""
    channels: int = Field(default=24, multiple_of=GROUP_CHANNELS, gt=0)
    """Channels of the first layer; the last has four times as many."""
    feature_dim: PositiveInt = 128
    """Length of the penultimate layer, which serves as features of an image."""
    embedding_dim: PositiveInt = 64
    """Length of the direction that stands for an identity."""
    num_steps: PositiveInt = 600
    """Steps of the optimiser."""
    batch: PositiveInt = 64
    """Images per step."""
    learning_rate: PositiveFloat = 2e-3
    """Learning rate of Adam, at its highest."""
    temperature: PositiveFloat = 0.1
    """Divisor of cosines before the softmax over the training identities."""
    noise: NonNegativeFloat = 0.02
    """Standard deviation of noise on training images in [-1, 1]. With it, and with half of them
    blurred, the network reads shapes and not the last detail, which a generator may lack."""
    seed: NonNegativeInt = 0
    """Seed of weights, batches and noise."""


@dataclass(frozen=True)
class ProbeViews:
    """Several views of each identity, and where they were taken from."""

    images: UInt8[Tensor, "i v 3 h w"]
    angles: Float[Tensor, "i v 2"]
    """Yaw and pitch of the camera's position, rad."""


@dataclass(frozen=True)
class ProbeReadings:
    """Readings of the probe in several views of each identity."""

    angles: Float[Tensor, "n v 2"]
    """Yaw and pitch, rad."""
    embeddings: Float[Tensor, "n v e"]
    """Unit vectors."""


@dataclass(frozen=True)
class ProbeScores:
    """Quality of the readings, means over the views."""

    probe_yaw_deg: Float[Tensor, " n"]
    """Absolute difference of the yaw asked for and the yaw seen, degrees."""
    probe_pitch_deg: Float[Tensor, " n"]
    """Absolute difference of the pitch asked for and the pitch seen, degrees."""
    probe_id_cos: Float[Tensor, " n"]
    """Cosine of the embeddings of two views of the identity, over all pairs."""
    probe_id_floor: Float[Tensor, " n"]
    """Cosine with views of the next identity: the likeness that two different ones reach."""


class Probe(nn.Module):
    """Network that reads yaw, pitch and a direction of identity from an image."""

    mean: Tensor
    std: Tensor

    def __init__(self, cfg: ProbeConfig):
        super().__init__()
        self.config = cfg
        widths = [3, *(cfg.channels * min(2**level, 4) for level in range(STRIDES))]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
                nn.GroupNorm(outputs // GROUP_CHANNELS, outputs),
                nn.SiLU(),
            ]
        cells = (cfg.resolution // 2**STRIDES) ** 2
        layers += [nn.Flatten(), nn.Linear(widths[-1] * cells, cfg.feature_dim), nn.SiLU()]
        self.trunk = nn.Sequential(*layers)
        self.pose = nn.Linear(cfg.feature_dim, 2)
        self.embedding = nn.Linear(cfg.feature_dim, cfg.embedding_dim)
        self.register_buffer("mean", torch.zeros(2))  # of the training angles, rad
        self.register_buffer("std", torch.ones(2))

    def features(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """The penultimate layer for images in [-1, 1]."""
        return self.trunk(resize(images, self.config.resolution))

    def forward(
        self, images: Float[Tensor, "n 3 h w"]
    ) -> tuple[Float[Tensor, "n 2"], Float[Tensor, "n e"]]:
        """Yaw and pitch in rad, and unit embeddings."""
        features = self.features(images)
        angles = self.pose(features) * self.std + self.mean
        return angles, F.normalize(self.embedding(features), dim=1)


@torch.inference_mode(False)
@torch.enable_grad()
def train_probe(views: ProbeViews, cfg: ProbeConfig, device: torch.device) -> Probe:
    """A probe that has learnt the pose of these views, and to tell their identities apart.

    The same views and config give the same bits on a CPU with as many threads.

    Raises:
        ValueError: there is a single identity, or one view of each.
    """
    images, angles = views.images.cpu(), views.angles.cpu()
    num, num_views = angles.shape[:2]
    if num < 2 or num_views < 2:
        raise ValueError(
            f"a probe needs at least 2 identities with 2 views each, has {num} with {num_views}; "
            f"prepare more"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)
        probe = Probe(cfg)
        centers = nn.Parameter(torch.randn(num, cfg.embedding_dim))
    probe.mean.copy_(angles.mean(dim=(0, 1)))
    probe.std.copy_(angles.std(dim=(0, 1)).clamp(min=1e-3))  # all views at one pitch: no 0 / 0
    probe.to(device)
    centers = nn.Parameter(centers.to(device))
    optimizer = torch.optim.Adam([*probe.parameters(), centers], lr=cfg.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, cfg.learning_rate, total_steps=cfg.num_steps, pct_start=TRANSIENT
    )
    rng = torch.Generator().manual_seed(cfg.seed)
    for _ in range(cfg.num_steps):
        identity = torch.randint(num, (cfg.batch,), generator=rng)
        view = torch.randint(num_views, (cfg.batch,), generator=rng)
        disturbed = _disturbed(images[identity, view], cfg, rng)
        loss = _loss(
            probe, centers, disturbed.to(device), identity.to(device),
            angles[identity, view].to(device), cfg.temperature,
        )  # fmt: skip
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return probe.eval().requires_grad_(False)


def _loss(
    probe: Probe, centers: Float[Tensor, "i e"], images: Float[Tensor, "n 3 h w"],
    identity: Int[Tensor, " n"], angles: Float[Tensor, "n 2"], temperature: float,
) -> Float[Tensor, ""]:  # fmt: skip
    """Error of the angles in standard deviations, and cosine softmax over the identities."""
    predicted, embeddings = probe(images)
    cosines = embeddings @ F.normalize(centers, dim=1).T
    return F.mse_loss(predicted / probe.std, angles / probe.std) + F.cross_entropy(
        cosines / temperature, identity
    )


def _disturbed(
    images: UInt8[Tensor, "n 3 h w"], cfg: ProbeConfig, rng: torch.Generator
) -> Float[Tensor, "n 3 h2 w2"]:
    """Images at the probe's resolution; half of them blurred, all of them noisy."""
    sharp = resize(images.float() / 127.5 - 1, cfg.resolution)
    size = (cfg.resolution, cfg.resolution)
    blurred = F.interpolate(F.avg_pool2d(sharp, 2), size, mode="bilinear", align_corners=False)
    coin = torch.rand(len(sharp), 1, 1, 1, generator=rng) < 0.5
    noise = torch.randn(sharp.shape, generator=rng)
    return torch.where(coin, blurred, sharp) + cfg.noise * noise


@torch.no_grad()
def read_views(probe: Probe, images: Float[Tensor, "n v 3 h w"]) -> ProbeReadings:
    """Readings of the probe in images in [-1, 1]."""
    views = tuple(images.shape[:2])
    angles, embeddings = probe(images.flatten(0, 1))
    return ProbeReadings(angles.unflatten(0, views), embeddings.unflatten(0, views))


def probe_scores(readings: ProbeReadings, angles: Float[Tensor, "n v 2"]) -> ProbeScores:
    """Errors of pose, and likeness across views.

    `angles` are those that were asked for: yaw and pitch of the camera's position, rad.
    """
    error = (readings.angles - angles).abs().mean(dim=1).rad2deg()
    embeddings = readings.embeddings
    return ProbeScores(
        probe_yaw_deg=error[:, 0],
        probe_pitch_deg=error[:, 1],
        probe_id_cos=_cosine(embeddings, embeddings),
        probe_id_floor=_cosine(embeddings, embeddings.roll(-1, dims=0)),
    )


def _cosine(a: Float[Tensor, "n v e"], b: Float[Tensor, "n v e"]) -> Float[Tensor, " n"]:
    """Mean over pairs of different views."""
    cosines = torch.einsum("nve,nwe->nvw", a, b)
    num_views = cosines.shape[-1]
    off_diagonal = cosines.sum(dim=(1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(dim=1)
    return off_diagonal / (num_views * (num_views - 1))


def save_probe(probe: Probe, path: Path) -> None:
    """One .safetensors file; its header holds the config."""
    weights = {name: value.cpu().contiguous() for name, value in probe.state_dict().items()}
    with atomic_file(path) as tmp:
        save_file(weights, tmp, metadata={"config": probe.config.model_dump_json()})


def load_probe(path: Path, device: torch.device) -> Probe:
    """A probe that `save_probe` wrote, ready to score."""
    with safe_open(path, framework="pt") as file:
        probe = Probe(ProbeConfig.model_validate_json(file.metadata()["config"]))
    probe.load_state_dict(load_file(path))
    return probe.to(device).eval().requires_grad_(False)
