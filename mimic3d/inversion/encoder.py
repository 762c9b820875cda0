"""Encoder: an image of an object to its style w and its camera, in one pass of a small network."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import pydantic
import torch
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from mimic3d.atomic import atomic_folder
from mimic3d.cameras import Cameras, Scene
from mimic3d.config import Config
from mimic3d.content_hash import content_hash
from mimic3d.inversion.principal_axes import PrincipalAxes
from mimic3d.inversion.view_parameters import NUM_PARAMETERS, cameras_from_parameters
from mimic3d.metrics.features import resize
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import load_weights, save_weights

FORMAT = 1
META, WEIGHTS = "encoder.json", "encoder.safetensors"
HALVINGS = 4  # of the image before its features are flattened
GROUP_CHANNELS = 8  # normalised together, so that a batch does not matter


class EncoderConfig(Config):
    """Size of the encoder."""

    resolution: int = Field(default=64, ge=16, multiple_of=2**HALVINGS)
    """Side of the images it sees, pixels; others are resized."""
    channels: int = Field(default=32, multiple_of=GROUP_CHANNELS, gt=0)
    """Channels of the first level; the last has four times as many."""
    feature_dim: PositiveInt = 256
    """Length of the last hidden layer."""


class EncoderMeta(Config):
    """Description of an encoder: rebuilds it, and tells which generator it belongs to."""

    format: int = FORMAT
    """Version of this layout."""
    config: EncoderConfig
    """Size of the network."""
    w_dim: PositiveInt
    """Length of a style vector."""
    scene: Scene
    """Scene of the generator; cameras are placed in it."""
    generator_hash: str
    """`hash_generator` of the generator that it inverts."""
    measured: dict[str, float] = Field(default_factory=dict)
    """Scores on samples of the generator that it was not trained on."""
    sha256: dict[str, str] = Field(default_factory=dict)
    """Checksum of the weights; filled in by `save_encoder`."""


class ResidualDown(nn.Module):
    """Two 3 x 3 convolutions and a shortcut, to half the resolution."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(inputs // GROUP_CHANNELS, inputs),
            nn.SiLU(),
            nn.Conv2d(inputs, outputs, 3, padding=1, stride=2),
            nn.GroupNorm(outputs // GROUP_CHANNELS, outputs),
            nn.SiLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        """The features after the block."""
        return self.layers(x) + self.shortcut(nn.functional.avg_pool2d(x, 2))


class Encoder(nn.Module):
    """Network that reads w and the camera of an image.

    Both are read in whitened coordinates: w in those of its distribution at the average camera,
    so that an untrained head answers the mean.
    """

    w_mean: Tensor
    w_axes: Tensor
    w_deviations: Tensor
    parameter_mean: Tensor
    parameter_std: Tensor

    def __init__(self, cfg: EncoderConfig, w_dim: int, scene: Scene):
        super().__init__()
        self.config = cfg
        self.scene = scene
        widths = [cfg.channels * min(2**level, 4) for level in range(HALVINGS)]
        self.stem = nn.Conv2d(3, widths[0], 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*(ResidualDown(i, o) for i, o in pairwise(widths)))
        cells = (cfg.resolution // 2**HALVINGS) ** 2
        self.features = nn.Sequential(
            nn.GroupNorm(widths[-1] // GROUP_CHANNELS, widths[-1]), nn.SiLU(), nn.Flatten(),
            nn.Linear(widths[-1] * cells, cfg.feature_dim), nn.SiLU(),
        )  # fmt: skip
        self.style = nn.Linear(cfg.feature_dim, w_dim)
        self.view = nn.Linear(cfg.feature_dim, NUM_PARAMETERS)
        for head in (self.style, self.view):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        self.register_buffer("w_mean", torch.zeros(w_dim))
        self.register_buffer("w_axes", torch.eye(w_dim))
        self.register_buffer("w_deviations", torch.ones(w_dim))
        self.register_buffer("parameter_mean", torch.zeros(NUM_PARAMETERS))
        self.register_buffer("parameter_std", torch.ones(NUM_PARAMETERS))

    @classmethod
    def load(cls, folder: Path, G: Generator | None = None) -> "Encoder":
        """An encoder that `save_encoder` wrote, ready to use; it must belong to `G` if given.

        Raises:
            ValueError: it is missing or damaged, or belongs to another generator.
        """
        meta = load_encoder_meta(folder)
        if G is not None and meta.generator_hash != hash_generator(G):
            raise ValueError(
                f"an encoder must belong to the generator it inverts, {folder} was trained for "
                f"another one; train its own with `mimic3d encode`"
            )
        encoder = cls(meta.config, meta.w_dim, meta.scene)
        encoder.load_state_dict(load_weights(folder / WEIGHTS, meta.sha256))
        return encoder.eval().requires_grad_(False)

    @property
    def distribution(self) -> PrincipalAxes:
        """Distribution of w at the average camera, which whitens w."""
        return PrincipalAxes(self.w_mean, self.w_axes, self.w_deviations)

    def set_statistics(self, distribution: PrincipalAxes, parameters: Float[Tensor, "n 6"]) -> None:
        """Sets the coordinates in which styles and cameras are read."""
        self.w_mean.copy_(distribution.mean)
        self.w_axes.copy_(distribution.axes)
        self.w_deviations.copy_(distribution.deviations)
        self.parameter_mean.copy_(parameters.mean(dim=0))
        self.parameter_std.copy_(parameters.std(dim=0).clamp(min=1e-4))  # none varies: no 0 / 0

    def read(
        self, images: Float[Tensor, "n 3 h w"]
    ) -> tuple[Float[Tensor, "n w_dim"], Float[Tensor, "n 6"]]:
        """Whitened w and standardised camera parameters of images in [-1, 1]."""
        x = resize(images, self.config.resolution)
        hidden = self.features(self.blocks(self.stem(x)))
        return self.style(hidden), self.view(hidden)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n w_dim"], Cameras]:
        """Style w and camera of each image in [-1, 1]."""
        whitened, standardized = self.read(images)
        parameters = standardized * self.parameter_std + self.parameter_mean
        return (
            self.distribution.unwhiten(whitened),
            cameras_from_parameters(parameters, self.scene),
        )


def save_encoder(folder: Path, encoder: Encoder, meta: EncoderMeta) -> None:
    """Writes an encoder atomically: weights beside the JSON that rebuilds it.

    Raises:
        ValueError: the disk is full.
    """
    with atomic_folder(folder) as tmp:
        write_encoder(tmp, encoder, meta)


def write_encoder(folder: Path, encoder: Encoder, meta: EncoderMeta) -> None:
    """Writes the files of an encoder into a folder that is there."""
    save_weights(folder / WEIGHTS, encoder.state_dict())
    sha256 = {WEIGHTS: content_hash(folder / WEIGHTS)}
    text = meta.model_copy(update={"sha256": sha256}).model_dump_json(indent=2)
    (folder / META).write_text(text + "\n")


def load_encoder_meta(folder: Path) -> EncoderMeta:
    """Description of an encoder.

    Raises:
        ValueError: it is missing, damaged or of another format.
    """
    path = folder / META
    if not path.is_file():
        raise ValueError(
            f"an encoder must hold {META}, {folder} has none; train one with `mimic3d encode`"
        )
    try:
        fields = json.loads(path.read_text())
        if fields.get("format") != FORMAT:
            raise ValueError(
                f"{path} must have format {FORMAT}, has {fields.get('format')}; train the encoder "
                f"again with this version"
            )
        return EncoderMeta(**fields)
    except (json.JSONDecodeError, pydantic.ValidationError, TypeError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged ({first}); train the encoder again") from error


def hash_generator(G: Generator) -> str:
    """SHA-256 of the weights of a generator and their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(G.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
