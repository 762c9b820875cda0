"""z and cameras to images: both branches of Mimic3D's generator."""

from copy import copy
from dataclasses import dataclass
from typing import Literal

from einops import rearrange
from jaxtyping import Float
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from mimic3d.cameras import Cameras, Scene
from mimic3d.config import Config
from mimic3d.networks.decoder import Decoder, DecoderConfig
from mimic3d.networks.layers import Noise
from mimic3d.networks.mapping import MappingConfig, MappingNetwork
from mimic3d.networks.pyramid import DetailBranch, SidePyramid
from mimic3d.networks.superresolution import SuperResolution, SuperResolutionConfig
from mimic3d.networks.synthesis import BackboneConfig, SynthesisBackbone
from mimic3d.rays import Windows, cast_rays
from mimic3d.rendering.backend import TORCH, RenderBackend
from mimic3d.rendering.depths import Sampling
from mimic3d.rendering.renderer import Render, RenderingConfig
from mimic3d.rendering.triplane import PLANE_AXES, Planes

LABEL_DIM = 25  # of a camera label


class GeneratorConfig(Config):
    """Sizes of the generator; the defaults are the authors' FFHQ-512 model."""

    image_resolution: int = Field(default=512, ge=16)
    """Side of the final image in pixels, a power of two."""
    neural_rendering_resolution: int = Field(default=64, ge=8)
    """Side of the volume rendering that the 2D branch super-resolves, in pixels."""
    plane_resolution: int = Field(default=256, ge=8)
    """Side of the coarse planes; detail planes have twice as much. A power of two."""
    plane_channels: PositiveInt = 32
    """Channels of one plane."""
    feature_channels: int = Field(default=32, ge=3)
    """Channels of a rendered pixel; the first three are its colour."""
    z_dim: PositiveInt = 512
    """Length of a latent."""
    w_dim: PositiveInt = 512
    """Length of a style vector."""
    mapping: MappingConfig = MappingConfig()
    """The network from z and c to w."""
    backbone: BackboneConfig = BackboneConfig()
    """The StyleGAN2 backbone."""
    decoder: DecoderConfig = DecoderConfig()
    """The MLP from plane features to density and colour."""
    superresolution: SuperResolutionConfig = SuperResolutionConfig()
    """The 2D branch."""
    rendering: RenderingConfig = RenderingConfig()
    """Samples along a ray."""
    detail: bool = False
    """Presence of detail planes: false in `pretrain`, which uses none, true from `imitate` on."""
    aware3d: bool = True
    """Side pyramid of 3D-aware convolutions (Mimic3D); without it the last image of the backbone is
    the coarse planes, as in EG3D."""
    legacy: bool = False
    """Reproduction of the reference to the last digit, for converted checkpoints: its gains
    (`AwareToRGB`, `SidePyramid`), its random detail planes (`DetailBranch`), its clamps (`layers`),
    its sampling (`depths`) and, in training, its density points (`density_loss`), blur and R1
    (`PretrainLosses`). Each place says what differs and why."""

    @model_validator(mode="after")
    def _powers_of_two(self) -> "GeneratorConfig":
        for name in ("image_resolution", "neural_rendering_resolution", "plane_resolution"):
            side = getattr(self, name)
            if side & (side - 1):
                raise ValueError(f"{name} must be a power of two, is {side}")
        if self.neural_rendering_resolution > self.image_resolution:
            raise ValueError(
                f"neural_rendering_resolution must not exceed image_resolution = "
                f"{self.image_resolution}, is {self.neural_rendering_resolution}"
            )
        if self.aware3d and self.rendering.plane_axes != PLANE_AXES:
            raise ValueError(
                f"rendering.plane_axes must be {', '.join(PLANE_AXES)} with 3D-aware convolutions, "
                f"is {', '.join(self.rendering.plane_axes)}; set aware3d to false to use others"
            )
        return self


@dataclass(frozen=True)
class View:
    """A rendering: the image, nominally in [-1, 1], with depth and alpha of its pixels.

    Depth is the distance along the ray in world units, far where nothing is; alpha the share of
    light that did not pass through, 0..1.
    """

    image: Float[Tensor, "n 3 h w"]
    depth: Float[Tensor, "n 1 h2 w2"]
    alpha: Float[Tensor, "n 1 h2 w2"]


@dataclass(frozen=True)
class Generated:
    """Output of the 2D branch: the super-resolved image, and the rendering it started from."""

    image: Float[Tensor, "n 3 h w"]
    image_raw: Float[Tensor, "n 3 h2 w2"]
    depth: Float[Tensor, "n 1 h2 w2"]
    alpha: Float[Tensor, "n 1 h2 w2"]


class Generator(nn.Module):
    """Tri-plane generator with a 2D and a 3D branch (Mimic3D).

    Both branches render one object from one style. The 2D branch renders the coarse planes at a low
    resolution and super-resolves the picture; the 3D branch renders coarse and detail planes
    directly at image resolution and is therefore strictly view-consistent. `backend` is the
    renderer of both: the machine's choice, not a part of the model.
    """

    backend: RenderBackend = TORCH

    def __init__(self, cfg: GeneratorConfig, scene: Scene):
        super().__init__()
        self.config = cfg
        self.scene = scene
        self.backbone = SynthesisBackbone(
            cfg.backbone, cfg.w_dim, cfg.plane_resolution, 3 * cfg.plane_channels
        )
        self.mapping = MappingNetwork(
            cfg.mapping, cfg.z_dim, LABEL_DIM, cfg.w_dim, self.backbone.num_ws
        )
        self.pyramid = None
        if cfg.aware3d:
            self.pyramid = SidePyramid(
                cfg.plane_channels, cfg.w_dim, cfg.plane_resolution, legacy=cfg.legacy
            )
        self.decoder = Decoder(cfg.decoder, cfg.plane_channels, cfg.feature_channels)
        self.superresolution = SuperResolution(
            cfg.superresolution, cfg.feature_channels, cfg.w_dim, cfg.image_resolution, cfg.legacy
        )
        self.detail = None
        if cfg.detail:
            self.detail = DetailBranch(
                cfg.plane_channels, cfg.w_dim, cfg.plane_resolution, legacy=cfg.legacy
            )

    def render(
        self, ws: Float[Tensor, "n l w_dim"], cameras: Cameras,
        branch: Literal["2d", "3d"] = "3d", resolution: int | None = None,
        noise: Noise = "const", sampling: Sampling | None = None,
    ) -> View:  # fmt: skip
        """Images of styles from cameras, with depth and alpha; `G.mapping(z, c)` makes styles.

        The 3D branch renders all planes there are, at any `resolution` (pixels; None is
        image_resolution). The 2D branch makes images of image_resolution only; its depth and alpha
        have neural_rendering_resolution. The same styles and cameras always give the same pixels,
        whatever else is in the batch, unless `noise` or `sampling` draw random numbers. For many
        views of one object, `synthesize_planes` once and call `render_2d` or `render_3d`.

        Raises:
            ValueError: another resolution of the 2D branch than its own.
        """
        own = self.config.image_resolution
        if branch == "3d":
            planes = self.synthesize_planes(ws, self.detail is not None, noise)
            return self.render_3d(planes, cameras, resolution or own, sampling)
        if resolution not in (None, own):
            raise ValueError(
                f"the 2D branch makes images of image_resolution = {own} pixels only, asked were "
                f"{resolution}; resize its image, or render the 3D branch"
            )
        planes = self.synthesize_planes(ws, detail=False, noise=noise)
        generated = self.render_2d(planes, ws, cameras, sampling)
        return View(generated.image, generated.depth, generated.alpha)

    def synthesize_planes(
        self, ws: Float[Tensor, "n l w_dim"], detail: bool, noise: Noise
    ) -> Planes:
        """Coarse planes, and with `detail` also the detail planes, which cost about as much."""
        levels = self.backbone(ws, noise)
        if self.pyramid is None:
            coarse = rearrange(levels[-1], "n (p c) h w -> n p c h w", p=3)
        else:
            coarse = self.pyramid(levels, ws, noise)
        if not detail:
            return (coarse,)
        if self.detail is None:
            raise ValueError(
                "this generator has no detail planes (generator.detail is false): it comes from "
                "`pretrain`; use a snapshot of `imitate`"
            )
        return coarse, self.detail(coarse, ws, noise)

    def with_rendering(self, rendering: RenderingConfig) -> "Generator":
        """Generator that shares the weights of this one and samples rays otherwise."""
        twin = copy(self)
        twin.config = self.config.model_copy(update={"rendering": rendering})
        return twin

    def density(self, planes: Planes, points: Float[Tensor, "n m 3"]) -> Float[Tensor, "n m 1"]:
        """Raw densities (before softplus) at points in world units."""
        cfg = self.config.rendering
        return self.backend.query(planes, self.decoder, points, self.scene, cfg, 0)[0]

    def render_2d(
        self, planes: Planes, ws: Float[Tensor, "n l w_dim"], cameras: Cameras,
        sampling: Sampling | None = None, neural_rendering_resolution: int | None = None,
    ) -> Generated:  # fmt: skip
        """The 2D branch: coarse planes at neural_rendering_resolution, then super-resolution.

        Deterministic unless `sampling` draws the depths.
        """
        side = neural_rendering_resolution or self.config.neural_rendering_resolution
        pixels = self._render(
            planes[:1], cameras, side, None, sampling, self.config.feature_channels
        )
        features = _to_image(pixels.features, side)
        image, image_raw = self.superresolution(features, features[:, :3], ws)
        return Generated(
            image, image_raw, _to_image(pixels.depth, side), _to_image(pixels.alpha, side)
        )

    def render_3d(
        self, planes: Planes, cameras: Cameras, resolution: int,
        sampling: Sampling | None = None, windows: Windows | None = None,
    ) -> View:  # fmt: skip
        """The 3D branch: all planes, directly at `resolution`, whole or one window per sample."""
        side = resolution if windows is None else windows.size
        pixels = self._render(planes, cameras, resolution, windows, sampling, channels=3)
        return View(
            _to_image(pixels.features, side),
            _to_image(pixels.depth, side),
            _to_image(pixels.alpha, side),
        )

    def _render(
        self, planes: Planes, cameras: Cameras, resolution: int, windows: Windows | None,
        sampling: Sampling | None, channels: int,
    ) -> Render:  # fmt: skip
        rays = cast_rays(cameras, resolution, windows)
        cfg, legacy = self.config.rendering, self.config.legacy
        return self.backend.render(
            planes, self.decoder, rays, self.scene, cfg, channels, sampling, legacy
        )


def _to_image(pixels: Float[Tensor, "n r c"], side: int) -> Float[Tensor, "n c h w"]:
    return rearrange(pixels, "n (h w) c -> n c h w", h=side)
