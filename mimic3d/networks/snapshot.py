"""Snapshots: networks to use, on disk as safetensors beside the JSON that rebuilds them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pydantic
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mimic3d.atomic import atomic_folder
from mimic3d.cameras import Scene
from mimic3d.config import Config
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator, GeneratorConfig

FORMAT = 1
META = "snapshot.json"

Weights = dict[str, Tensor]


class SnapshotMeta(Config):
    """What rebuilds the networks of a snapshot and tells where it comes from."""

    format: int = FORMAT
    """Version of this layout."""
    stage: str
    """The stage that wrote it."""
    nimg: int
    """Real images consumed by that stage."""
    dataset_fingerprint: str
    """Of the dataset it was trained on."""
    average_label: tuple[float, ...]
    """Mean camera label of that dataset; conditions G where no camera is asked for."""
    scene: Scene
    """Cameras and box of that dataset."""
    generator: GeneratorConfig
    """Rebuilds G and G_ema."""
    discriminator: DiscriminatorConfig
    """Rebuilds D."""
    sha256: dict[str, str] = Field(default_factory=dict)
    """Checksum of each weight file by name; filled in by `save_snapshot`."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot in memory: its description, and the weights by network (G_ema, G, D...)."""

    meta: SnapshotMeta
    weights: dict[str, Weights]

    def build_generator(self) -> Generator:
        """G_ema, ready to use."""
        generator = Generator(self.meta.generator, self.meta.scene)
        generator.load_state_dict(self.weights["G_ema"])
        return generator.eval().requires_grad_(False)


def save_snapshot(folder: Path, meta: SnapshotMeta, networks: dict[str, nn.Module]) -> None:
    """Write a snapshot atomically.

    Raises:
        ValueError: the disk is full.
    """
    with atomic_folder(folder) as draft:
        sha256 = {}
        for name, network in networks.items():
            path = draft / f"{name}.safetensors"
            save_weights(path, network.state_dict())
            sha256[path.name] = checksum(path)
        text = meta.model_copy(update={"sha256": sha256}).model_dump_json(indent=2)
        (draft / META).write_text(text + "\n")


def load_snapshot(folder: Path, names: tuple[str, ...] = ("G_ema",)) -> Snapshot:
    """Read the description and the named networks of a snapshot.

    Raises:
        ValueError: the snapshot is missing, damaged or of another format.
    """
    meta = load_meta(folder)
    weights = {name: load_weights(folder / f"{name}.safetensors", meta.sha256) for name in names}
    return Snapshot(meta, weights)


def load_meta(folder: Path) -> SnapshotMeta:
    """Read the description of a snapshot.

    Raises:
        ValueError: it is missing, damaged or of another format.
    """
    path = folder / META
    if not path.exists():
        raise ValueError(f"a snapshot must hold {META}, {folder} has none; run its stage first")
    try:
        fields = json.loads(path.read_text())
        if fields.get("format") != FORMAT:
            raise ValueError(
                f"{path} must have format {FORMAT}, has {fields.get('format')}; "
                f"run its stage again with this version"
            )
        return SnapshotMeta(**fields)
    except (json.JSONDecodeError, pydantic.ValidationError, TypeError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged ({first}); run its stage again") from error


def load_generator(folder: Path) -> Generator:
    """G_ema of a snapshot, ready to use."""
    return load_snapshot(folder).build_generator()


def save_weights(path: Path, weights: Weights) -> None:
    """Tensors by name as one safetensors file."""
    save_file({name: tensor.detach().contiguous() for name, tensor in weights.items()}, path)


def load_weights(path: Path, sha256: dict[str, str]) -> Weights:
    """Tensors of a file that must have the recorded checksum.

    Raises:
        ValueError: the file is missing or damaged.
    """
    if path.name not in sha256 or not path.exists():
        raise ValueError(
            f"a checkpoint must hold {path.name}, {path.parent} does not; run its stage again"
        )
    found = checksum(path)
    if found != sha256[path.name]:
        raise ValueError(
            f"{path} is damaged: its SHA-256 must be {sha256[path.name][:12]}..., is "
            f"{found[:12]}...; restore it or delete {path.parent} and run its stage again"
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); run its stage again") from error


def checksum(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
