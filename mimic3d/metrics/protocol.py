"""How a number was measured: two numbers compare only if these records are equal."""

import hashlib
from typing import Literal

from pydantic import PositiveInt

from mimic3d.config import Config
from mimic3d.metrics.consistency import WarpConfig
from mimic3d.metrics.distribution import PatchConfig

Branch = Literal["2d", "3d"]


class Protocol(Config):
    """All that moves a distance between generated and real images, apart from the generator.

    The cameras alone take one and the same EG3D model from 4.0 to 6.5 FID.
    """

    branch: Branch
    """The branch of the generator that made the images."""
    dataset_fingerprint: str
    """Of the dataset that the real images come from."""
    reference: str
    """The real images that were compared with."""
    num_real: PositiveInt
    """Real images."""
    num_fake: PositiveInt
    """Generated images."""
    cameras: Literal["conditioned", "average"]
    """The camera that conditions G: the one it is rendered with, or the mean of the dataset; the
    rendering camera is drawn from the dataset's labels in both cases."""
    truncation_psi: float
    """Truncation of w; 1 is none."""
    resolution: PositiveInt
    """Side of the compared images in pixels."""
    resize: Literal["none", "bilinear antialiased"]
    """How images of another size were brought to it."""
    feature_network: str
    """Name and version of the network behind the Frechet distance."""
    samples_per_ray: PositiveInt
    """Samples of both passes of the volume renderer."""
    patches: PatchConfig
    """Of the sliced Wasserstein distance."""


class ConsistencyProtocol(Config):
    """All that moves a consistency score, apart from the generator."""

    num_identities: PositiveInt
    """Latents; each is seen from every camera."""
    baselines_rad: tuple[float, ...]
    """Differences of yaw; the other view of each pair is frontal."""
    cameras: Literal["average"]
    """The camera that conditions G: the mean of the dataset."""
    truncation_psi: float
    """Truncation of w; 1 is none."""
    resolution: PositiveInt
    """Side of the compared images in pixels."""
    kernel: Literal["bilinear"]
    """How the source view is sampled."""
    samples_per_ray: PositiveInt
    """Samples of both passes of the volume renderer."""
    warp: WarpConfig
    """Which pixels count."""


def protocol_hash(protocol: Protocol | ConsistencyProtocol) -> str:
    """Twelve hexadecimal digits that are equal for equal protocols."""
    return hashlib.sha256(protocol.model_dump_json().encode()).hexdigest()[:12]
