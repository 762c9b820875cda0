"""Parameters of the multi-view scores: which are taken, of how many objects, and how."""

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from mimic3d.config import Config
from mimic3d.evaluation.views.table import LISTED, VIEW_METRICS, MetricSettings
from mimic3d.metrics.bootstrap import BootstrapConfig
from mimic3d.weights import Sha256

DESCRIPTIONS = "; ".join(f"{each.name}: {each.description}" for each in VIEW_METRICS)


class LpipsConfig(Config):
    """Weights of LPIPS v0.1; `warp_lpips` is left out where none are named."""

    vgg16_weights: str | None = None
    """Path or URL of a state dict of torchvision's VGG16 (.pth, .safetensors)."""
    vgg16_sha256: Sha256 | None = None
    """SHA-256 of that file or its beginning; null: not known."""
    lpips_weights: str | None = None
    """Path or URL of the linear weights of LPIPS v0.1 for VGG (.pth, .safetensors)."""
    lpips_sha256: Sha256 | None = None
    """SHA-256 of that file or its beginning; null: not known."""

    @model_validator(mode="after")
    def _both_or_none(self) -> "LpipsConfig":
        if (self.vgg16_weights is None) != (self.lpips_weights is None):
            raise ValueError(
                "vgg16_weights and lpips_weights must both be given or both be null, one is null; "
                "LPIPS needs both files"
            )
        return self


class ConsistencyConfig(MetricSettings):
    """Agreement of views of one object; besides these, the parameters of every metric."""

    scores: tuple[str, ...] = Field(
        default=LISTED, min_length=1, description=f"Metrics that are taken. {DESCRIPTIONS}"
    )
    num_identities: PositiveInt = 64
    """Number of objects."""
    baselines_rad: tuple[PositiveFloat, ...] = Field(default=(0.05, 0.2, 0.4), min_length=1)
    """Yaw of the other view of each pair; the first one is frontal."""
    lpips: LpipsConfig = LpipsConfig()
    """LPIPS of warped views, by path; optional."""
    bootstrap: BootstrapConfig = BootstrapConfig()
    """Intervals of the means."""

    @model_validator(mode="after")
    def _metrics_are_known(self) -> "ConsistencyConfig":
        for name in self.scores:
            if name not in LISTED:
                raise ValueError(f"scores must be of {', '.join(LISTED)}, names {name}; correct it")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> "ConsistencyConfig":
        for name in ("scores", "baselines_rad"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name} must name each value once, is {list(values)}")
        return self
