"""Training of an encoder on samples of its generator: minutes on a CPU for a small model."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from einops import repeat
from jaxtyping import Float
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn import functional as F

from mimic3d.config import Config
from mimic3d.inversion.encoder import Encoder, EncoderConfig
from mimic3d.inversion.encoder_samples import (
    DisturbanceConfig,
    PoolConfig,
    SamplePool,
    augment_images,
    draw_parameters,
    draw_pool,
    find_extent,
)
from mimic3d.inversion.principal_axes import PrincipalAxesConfig, measure_axes
from mimic3d.inversion.view_parameters import cameras_from_parameters
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import trained_branches
from mimic3d.rays import crop, random_windows
from mimic3d.training.phases import seeded_rng
from mimic3d.training.state import Progress, load_state, save_state

TRANSIENT = 0.05  # share of the steps in which the learning rate rises


class RenderedLossConfig(Config):
    """Loss of what the generator makes of the predicted w, seen from the true camera."""

    weight: NonNegativeFloat = 0.0
    """Weight of the mean squared difference of pixels in [-1, 1]; 0 renders nothing, which makes a
    step on a CPU several times as fast."""
    num_images: PositiveInt = 8
    """Images of a batch that are rendered."""
    window: PositiveInt = 32
    """Side of the rendered windows, pixels of the encoder's image; at most the whole."""


class EncoderTrainingConfig(Config):
    """Training of an encoder."""

    network: EncoderConfig = EncoderConfig()
    """Size of the encoder."""
    pool: PoolConfig = PoolConfig()
    """Samples of a round."""
    augment: DisturbanceConfig = DisturbanceConfig()
    """Disturbances of the images."""
    styles: PrincipalAxesConfig = PrincipalAxesConfig()
    """Sample that whitens w."""
    reconstruction: RenderedLossConfig = RenderedLossConfig()
    """Loss of the rendered prediction."""
    num_rounds: PositiveInt = 4
    """Rounds; each draws a new pool, and the state is saved after each."""
    steps_per_round: PositiveInt = 128
    """Steps of the optimiser per round."""
    batch: PositiveInt = 64
    """Images per step."""
    learning_rate: PositiveFloat = 2e-3
    """Learning rate of Adam, at its highest."""
    camera_weight: NonNegativeFloat = 1.0
    """Weight of the squared error of the standardised camera parameters."""
    seed: NonNegativeInt = 0
    """Seed of weights, samples, batches and disturbances."""


@dataclass(frozen=True)
class EncoderRound:
    """An encoder after some rounds of its training."""

    encoder: Encoder
    progress: Progress
    """Images consumed, and a row of mean losses per round."""


def check_invertible(G: Generator) -> None:
    """Raises ValueError if the 3D branch, whose images are inverted, is not trained."""
    if "3d" not in trained_branches(G):
        raise ValueError(
            "an encoder reads images of the 3D branch, which a snapshot of `pretrain` has not "
            "learnt; use one of `imitate`"
        )


def learning_rate(step: int, num_steps: int, peak: float) -> float:
    """Rate of a step: a linear rise, then half a cosine to zero."""
    rise = max(1, round(TRANSIENT * num_steps))
    if step < rise:
        return peak * (step + 1) / rise
    return peak * (1 + math.cos(math.pi * (step - rise) / max(1, num_steps - rise))) / 2


def new_encoder(G: Generator, label: Float[Tensor, "1 25"], cfg: EncoderTrainingConfig) -> Encoder:
    """An untrained encoder: whatever it sees, it answers the mean style and camera."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.seed)
        encoder = Encoder(cfg.network, G.config.w_dim, G.scene)
    rng = seeded_rng(torch.device("cpu"), cfg.seed, "statistics")
    cameras = draw_parameters(find_extent(label, cfg.pool), cfg.pool, cfg.styles.num_samples, rng)
    encoder.set_statistics(measure_axes(G, label, cfg.styles).to("cpu"), cameras)
    return encoder.to(G.mapping.w_avg.device)


def train_encoder(
    G: Generator, label: Float[Tensor, "1 25"], cfg: EncoderTrainingConfig, state: Path
) -> Iterator[EncoderRound]:
    """Rounds of a training, the one it is resumed after first; a round draws a new pool.

    The generator's renderer is used as it is. `label` conditions the mapping: the mean camera label
    of the training data. The state of the last rounds lies in the folder `state`; a resumed
    training equals an uninterrupted one.

    Raises:
        ValueError: the 3D branch is not trained, or the state is damaged.
    """
    check_invertible(G)
    encoder = new_encoder(G, label, cfg)
    adam = torch.optim.Adam(encoder.parameters(), lr=cfg.learning_rate, betas=(0.9, 0.99))
    progress = load_state(state, {"encoder": encoder}, {"encoder": adam})
    if progress.history:
        yield EncoderRound(encoder, progress)
    for number in range(len(progress.history), cfg.num_rounds):
        pool = draw_pool(G, label, cfg.network.resolution, cfg.pool, cfg.seed, number)
        totals: dict[str, float] = {}
        for step in range(number * cfg.steps_per_round, (number + 1) * cfg.steps_per_round):
            for name, value in _train_step(G, encoder, adam, pool, cfg, step).items():
                totals[name] = totals.get(name, 0.0) + value / cfg.steps_per_round
        progress.nimg += cfg.batch * cfg.steps_per_round
        progress.history.append({"round": number + 1.0, "nimg": progress.nimg, **totals})
        save_state(state, progress, {"encoder": encoder}, {"encoder": adam})
        yield EncoderRound(encoder, progress)


def _train_step(
    G: Generator, encoder: Encoder, adam: torch.optim.Optimizer, pool: SamplePool,
    cfg: EncoderTrainingConfig, step: int,
) -> dict[str, float]:  # fmt: skip
    """One step of the optimiser; returns its losses."""
    rng = seeded_rng(torch.device("cpu"), cfg.seed, step, "step")
    device = G.mapping.w_avg.device
    objects = torch.randint(len(pool.w), (cfg.batch,), generator=rng)
    views = torch.randint(cfg.pool.num_views, (cfg.batch,), generator=rng)
    images, w, parameters = pool.pick(objects, views)
    disturbed = augment_images(images, cfg.augment, rng).to(device)
    images, w, parameters = images.to(device), w.to(device), parameters.to(device)
    with torch.enable_grad():
        whitened, standardized = encoder.read(disturbed)
        truth = (parameters - encoder.parameter_mean) / encoder.parameter_std
        losses = {
            "style": F.mse_loss(whitened, encoder.distribution.whiten(w)),
            "camera": F.mse_loss(standardized, truth),
        }
        loss = losses["style"] + cfg.camera_weight * losses["camera"]
        if cfg.reconstruction.weight > 0:
            part = slice(0, cfg.reconstruction.num_images)
            losses["reconstruction"] = _reconstruction_loss(
                G, encoder.distribution.unwhiten(whitened[part]), parameters[part], images[part],
                cfg.reconstruction.window, rng,
            )  # fmt: skip
            loss = loss + cfg.reconstruction.weight * losses["reconstruction"]
        for group in adam.param_groups:
            num_steps = cfg.num_rounds * cfg.steps_per_round
            group["lr"] = learning_rate(step, num_steps, cfg.learning_rate)
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
    return {name: value.item() for name, value in losses.items()}


def _reconstruction_loss(
    G: Generator, w: Float[Tensor, "n w_dim"], parameters: Float[Tensor, "n 6"],
    images: Float[Tensor, "n 3 h w"], window: int, rng: torch.Generator,
) -> Float[Tensor, ""]:  # fmt: skip
    """Mean squared difference of windows of the rendered styles from those of the images."""
    side = images.shape[-1]
    windows = random_windows(len(images), side, min(window, side), rng)
    ws = repeat(w, "n w_dim -> n l w_dim", l=G.mapping.num_ws)
    cameras = cameras_from_parameters(parameters, G.scene)
    planes = G.synthesize_planes(ws, G.config.detail, "const")
    rendered = G.render_3d(planes, cameras, side, None, windows)
    return F.mse_loss(rendered.image, crop(images, windows))
