"""Which multi-view scores are taken, of how many objects, and how."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from mimic3d.config import Config
from mimic3d.evaluation.views.probe import ProbingConfig
from mimic3d.evaluation.views.recognition import FacesConfig
from mimic3d.evaluation.views.refitting import RefittingConfig
from mimic3d.evaluation.views.shape import PublishedFlatnessConfig
from mimic3d.metrics.bootstrap import BootstrapConfig
from mimic3d.metrics.consistency import WarpConfig
from mimic3d.metrics.flow import FlowConfig
from mimic3d.weights import Digest

Group = Literal["warp", "flow", "flatness", "flatness_3dgp", "gap", "probe", "refit"]
ALL_GROUPS: tuple[Group, ...] = (
    "warp", "flow", "flatness", "flatness_3dgp", "gap", "probe", "refit"
)  # fmt: skip


class LpipsConfig(Config):
    """Weights of LPIPS v0.1; `warp_lpips` is left out where none are named."""

    vgg16_weights: str | None = None
    """Path or URL of a state dict of torchvision's VGG16 (.pth, .safetensors)."""
    vgg16_sha256: Digest | None = None
    """SHA-256 of that file or its beginning; null: not known."""
    lpips_weights: str | None = None
    """Path or URL of the linear weights of LPIPS v0.1 for VGG (.pth, .safetensors)."""
    lpips_sha256: Digest | None = None
    """SHA-256 of that file or its beginning; null: not known."""

    @model_validator(mode="after")
    def _both_or_none(self) -> "LpipsConfig":
        if (self.vgg16_weights is None) != (self.lpips_weights is None):
            raise ValueError(
                "vgg16_weights and lpips_weights must both be given or both be null, one is null; "
                "LPIPS needs both files"
            )
        return self


class ConsistencyConfig(Config):
    """Views of one object against each other."""

    scores: tuple[Group, ...] = Field(default=ALL_GROUPS, min_length=1)
    """Groups of scores that are taken. warp: views warped by depth; flow: motion against depth;
    flatness, flatness_3dgp: non-flatness, own and as published; gap: 3D branch against 2D branch;
    probe: pose and identity (synthetic datasets only); refit: a radiance field fitted to views."""
    num_identities: PositiveInt = 64
    """Objects."""
    baselines_rad: tuple[PositiveFloat, ...] = Field(default=(0.05, 0.2, 0.4), min_length=1)
    """Yaw of the other view of each pair; the first one is frontal."""
    warp: WarpConfig = WarpConfig()
    """Which pixels count."""
    flow: FlowConfig = FlowConfig()
    """How far apart the views of the flow residual are."""
    flatness_3dgp: PublishedFlatnessConfig = PublishedFlatnessConfig()
    """Densities of the published non-flatness score."""
    probe: ProbingConfig = ProbingConfig()
    """The probe of pose and identity."""
    refit: RefittingConfig = RefittingConfig()
    """Refitted radiance fields."""
    faces: FacesConfig = FacesConfig()
    """Networks for faces, by path; optional."""
    lpips: LpipsConfig = LpipsConfig()
    """LPIPS of warped views, by path; optional."""
    bootstrap: BootstrapConfig = BootstrapConfig()
    """Intervals of the means."""

    @model_validator(mode="after")
    def _each_once(self) -> "ConsistencyConfig":
        for name in ("scores", "baselines_rad"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must name each value once, is {list(values)}")
        return self
