"""Protocol records of measurements: two numbers compare only if theirs are equal."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, JsonValue, NonNegativeInt, PositiveInt

from mimic3d.config import Config
from mimic3d.content_hash import text_hash
from mimic3d.metrics.kernel import KernelConfig
from mimic3d.metrics.neighbours import NeighboursConfig
from mimic3d.metrics.sliced_wasserstein import PatchConfig
from mimic3d.metrics.views import Branch


class Protocol(Config):
    """Protocol of a distance of generated to real images: all that moves it but the generator.

    The cameras alone take one and the same EG3D model from 4.0 to 6.5 FID.
    """

    branch: Branch
    """The branch of the generator that made the images."""
    feature_network: str
    """Name and version of the network whose features are compared; none for patches of pixels."""
    feature_resize: str
    """Method by which that network resizes images to its input."""
    dataset_fingerprint: str
    """Fingerprint of the dataset that the real images come from."""
    split: str
    """The split of the dataset that the real images come from."""
    reference: str
    """Images of that split."""
    mirrored: bool
    """True if mirrored copies count as real images."""
    num_real: PositiveInt
    """Number of real images."""
    num_fake: PositiveInt
    """Number of generated images."""
    conditioning_camera: Literal[
        "rendering camera", "another of the dataset", "average of the training set"
    ]
    """The camera that conditions G."""
    rendering_camera: Literal["drawn from the dataset's labels"]
    """The camera the images are seen from, uniformly with replacement."""
    truncation_psi: float
    """Truncation of w; 1 is none."""
    resolution: PositiveInt
    """Side of the compared images in pixels."""
    resize: Literal["none", "bilinear antialiased"]
    """Method by which images of another size, real or generated, were resized."""
    samples_per_ray: PositiveInt
    """Samples of both passes of the volume renderer."""
    seeds: tuple[int, int]
    """Seeds of the first and the last generated image."""
    kernel: KernelConfig | None
    """Parameters of the kernel distance; null for patches."""
    neighbours: NeighboursConfig | None
    """Parameters of precision and recall; null for patches."""
    patches: PatchConfig | None
    """Parameters of the sliced Wasserstein distance; null for features."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """Parameters of further metrics, by name; left out of the hash where there are none."""


class ConsistencyProtocol(Config):
    """Protocol of a consistency score: all that moves it but the generator."""

    dataset_fingerprint: str
    """Fingerprint of the dataset that cameras, probe and ceilings come from."""
    seed: NonNegativeInt
    """Seed of latents and drawn views; object i has seed + i."""
    num_identities: PositiveInt
    """Number of latents; each is seen from every camera."""
    scores: tuple[str, ...]
    """Groups of scores that were taken."""
    skipped: dict[str, str]
    """Groups that were asked for and could not be taken, with the reasons."""
    baselines_rad: tuple[float, ...]
    """Differences of yaw; the other view of each pair is frontal."""
    pitch_rad: float
    """Pitch of all views that are not drawn: the mean of the dataset."""
    cameras: Literal["average"]
    """The camera that conditions G: the mean of the dataset."""
    truncation_psi: float
    """Truncation of w; 1 is none."""
    resolution: PositiveInt
    """Side of the compared images in pixels."""
    resize: Literal["none", "bilinear antialiased"]
    """Method by which images of the 2D branch were resized; the 3D branch is rendered there."""
    kernel: Literal["bilinear"]
    """Interpolation of the source view."""
    samples_per_ray: PositiveInt
    """Samples of both passes of the volume renderer."""
    settings: dict[str, JsonValue]
    """Parameters of the groups of scores."""
    networks: dict[str, str]
    """SHA-256 of weight files that the user brought."""
    ceiling: str
    """Description of the rows of the branch ceiling, or the reason that there are none."""


def protocol_hash(protocol: Protocol | ConsistencyProtocol) -> str:
    """Twelve hexadecimal digits that are equal for equal protocols."""
    unused = {"settings"} if isinstance(protocol, Protocol) and not protocol.settings else set()
    return text_hash(protocol.model_dump_json(exclude=unused))[:12]


def refuse_mixed(records: Sequence[Protocol] | Sequence[ConsistencyProtocol]) -> None:
    """Refuses to put numbers that were measured differently on one axis.

    Raises:
        ValueError: two records differ; names the first field that does, and both values.
    """
    for record in records[1:]:
        for field in type(records[0]).model_fields:
            first, other = getattr(records[0], field), getattr(record, field)
            if first != other:
                raise ValueError(
                    f"numbers share an axis only if they were measured alike, their {field} is "
                    f"{first!r} and {other!r}; evaluate both with one {field}, or show them apart"
                )
