"""Snapshots: networks to use, on disk as safetensors beside the JSON that rebuilds them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
from pydantic import Field, model_serializer
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mimic3d.atomic import atomic_folder
from mimic3d.cameras import Scene
from mimic3d.config import Config
from mimic3d.content_hash import content_hash
from mimic3d.networks.discriminator import DiscriminatorConfig
from mimic3d.networks.generator import Generator, GeneratorConfig

FORMAT = 1
META = "snapshot.json"

Weights = dict[str, Tensor]


class Selection(Config):
    """Reason that this snapshot of its run was published and no other."""

    metric: str
    """Metric of which it has the lowest value of all that were measured in the run."""
    value: float
    """Value of that metric."""
    images: str
    """Real images it was measured with."""


class SnapshotMeta(Config):
    """Description of a snapshot: rebuilds its networks and tells where it comes from."""

    format: int = FORMAT
    """Version of this layout."""
    stage: str
    """The stage that wrote it."""
    nimg: int
    """Real images consumed by that stage."""
    dataset_fingerprint: str
    """Fingerprint of the dataset it was trained on."""
    average_label: tuple[float, ...]
    """Mean camera label of that dataset; conditions G where no camera is asked for."""
    scene: Scene
    """Cameras and box of that dataset."""
    generator: GeneratorConfig
    """Configuration that rebuilds G and G_ema."""
    discriminator: DiscriminatorConfig
    """Configuration that rebuilds D."""
    patch_discriminator: DiscriminatorConfig | None = None
    """Configuration that rebuilds D_patch, which `pretrain` does not have."""
    patch_size: int | None = None
    """Side in pixels of the patches that D_patch sees."""
    selection: Selection | None = None
    """Reason for its choice from its run; null is the end of the run."""
    continued_from: tuple[str, ...] = ()
    """States of other code or parameters that its run went on from, as `KEY at NIMG`; left out
    where there is none."""
    sha256: dict[str, str] = Field(default_factory=dict)
    """Checksum of each weight file by name; filled in by `save_snapshot`."""

    @model_serializer(mode="wrap")
    def _without_empty(
        self, serialize: Callable[["SnapshotMeta"], dict[str, Any]]
    ) -> dict[str, Any]:
        fields = serialize(self)
        if not fields["continued_from"]:
            del fields["continued_from"]
        return fields


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
    """Write a snapshot atomically; each weight file carries the description in its header too.

    Raises:
        ValueError: the disk is full.
    """
    with atomic_folder(folder) as tmp:
        sha256 = {}
        for name, network in networks.items():
            path = tmp / f"{name}.safetensors"
            save_weights(path, network.state_dict(), _header(name, meta))
            sha256[path.name] = content_hash(path)
        text = meta.model_copy(update={"sha256": sha256}).model_dump_json(indent=2)
        (tmp / META).write_text(text + "\n")


def load_snapshot(path: Path | str) -> Generator:
    """G_ema of a snapshot, ready to use: from its folder, or from one weight file alone.

    A single file, as people share it, holds the description in its header; only the folder also
    has checksums.

    Raises:
        ValueError: the snapshot is missing, damaged or of another format.
    """
    path = Path(path)
    if path.is_file() and path.suffix == ".safetensors":
        return _read_file(path).build_generator()
    return read_snapshot(path.parent if path.name == META else path).build_generator()


def read_snapshot(folder: Path, names: tuple[str, ...] = ("G_ema",)) -> Snapshot:
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
    return _parse_meta(path, path.read_text())


def read_meta(path: Path) -> SnapshotMeta:
    """The description of a snapshot: of its folder, or of one weight file alone.

    Raises:
        ValueError: it is missing, damaged or of another format.
    """
    if path.suffix != ".safetensors":
        return load_meta(path.parent if path.name == META else path)
    return _parse_meta(path, _read_header(path))


def _parse_meta(path: Path, text: str) -> SnapshotMeta:
    try:
        fields = json.loads(text)
        if fields.get("format") != FORMAT:
            raise ValueError(
                f"{path} must have format {FORMAT}, has {fields.get('format')}; "
                f"run its stage again with this version"
            )
        return SnapshotMeta(**fields)
    except (json.JSONDecodeError, pydantic.ValidationError, TypeError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged ({first}); run its stage again") from error


def _read_file(path: Path) -> Snapshot:
    """A snapshot of one file alone."""
    meta = read_meta(path)
    try:
        return Snapshot(meta, {"G_ema": load_file(path)})
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); get it again") from error


def _read_header(path: Path) -> str:
    """The description in the header of a generator's weight file."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); get it again") from error
    name, text = json.loads(header.get(META, '["no part of a snapshot", ""]'))
    if name not in ("G_ema", "G"):
        raise ValueError(
            f"{path} must be the G_ema.safetensors of a snapshot, is {name}; give the snapshot's "
            f"folder or that file"
        )
    return text


def _header(name: str, meta: SnapshotMeta) -> dict[str, str]:
    """The header of a weight file; one entry, since several are written in random order."""
    return {META: json.dumps([name, meta.model_dump_json()])}


def save_weights(path: Path, weights: Weights, header: dict[str, str] | None = None) -> None:
    """Tensors by name as one safetensors file, with texts in its header."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in weights.items()}
    save_file(tensors, path, header)


def load_weights(path: Path, sha256: dict[str, str]) -> Weights:
    """Tensors of a file that must have the recorded checksum.

    Raises:
        ValueError: the file is missing or damaged.
    """
    if path.name not in sha256 or not path.exists():
        raise ValueError(
            f"a checkpoint must hold {path.name}, {path.parent} does not; run its stage again"
        )
    actual = content_hash(path)
    if actual != sha256[path.name]:
        raise ValueError(
            f"{path} is damaged: its SHA-256 must be {sha256[path.name][:12]}..., is "
            f"{actual[:12]}...; restore it or delete {path.parent} and run its stage again"
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}); run its stage again") from error
