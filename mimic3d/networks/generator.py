"""z and cameras to images: both branches of Mimic3D's generator."""

from dataclasses import dataclass

import torch
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
from mimic3d.rendering.renderer import Render, RenderingConfig, query, render
from mimic3d.rendering.triplane import Planes

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
    """Has detail planes: false in `pretrain`, which does not use them, true from `imitate` on."""
    legacy: bool = False
    """Gains of the reference, for converted checkpoints: 1/sqrt(c) in the 3D-aware toRGB, whose
    fan-in is 3c, so that amplitudes grow from level to level. Also set rendering.legacy."""

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
        return self


@dataclass(frozen=True)
class View:
    """A direct rendering; depth is the distance along the ray, far where nothing is."""

    image: Float[Tensor, "n 3 h w"]
    depth: Float[Tensor, "n 1 h w"]
    opacity: Float[Tensor, "n 1 h w"]


@dataclass(frozen=True)
class Generated:
    """What the 2D branch makes: the super-resolved image, and the rendering it started from."""

    image: Float[Tensor, "n 3 h w"]
    image_raw: Float[Tensor, "n 3 h2 w2"]
    depth: Float[Tensor, "n 1 h2 w2"]
    opacity: Float[Tensor, "n 1 h2 w2"]


class Generator(nn.Module):
    """Tri-plane generator with a 2D and a 3D branch (Mimic3D).

    Both branches render one object from one style. The 2D branch renders the coarse planes at a low
    resolution and super-resolves the picture; the 3D branch renders coarse and detail planes
    directly at image resolution and is therefore strictly view-consistent.
    """

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
        self.pyramid = SidePyramid(
            cfg.plane_channels, cfg.w_dim, cfg.plane_resolution, legacy=cfg.legacy
        )
        self.decoder = Decoder(cfg.decoder, cfg.plane_channels, cfg.feature_channels)
        self.superresolution = SuperResolution(
            cfg.superresolution, cfg.feature_channels, cfg.w_dim, cfg.image_resolution
        )
        self.detail = None
        if cfg.detail:
            self.detail = DetailBranch(
                cfg.plane_channels, cfg.w_dim, cfg.plane_resolution, legacy=cfg.legacy
            )

    def map(
        self, z: Float[Tensor, "n z_dim"], c: Float[Tensor, "n 25"], truncation_psi: float = 1.0
    ) -> Float[Tensor, "n l w_dim"]:
        """Style vectors of latents, conditioned on a camera (EG3D Sec. 4.4)."""
        return self.mapping(z, c, truncation_psi)

    def synthesize_planes(
        self, ws: Float[Tensor, "n l w_dim"], detail: bool, noise: Noise
    ) -> Planes:
        """Coarse planes, and with `detail` also the detail planes, which cost about as much."""
        coarse = self.pyramid(self.backbone(ws, noise), ws, noise)
        if not detail:
            return (coarse,)
        if self.detail is None:
            raise ValueError(
                "this generator has no detail planes (generator.detail is false): it comes from "
                "`pretrain`; use a snapshot of `imitate`"
            )
        return coarse, self.detail(coarse, ws, noise)

    def density(self, planes: Planes, points: Float[Tensor, "n m 3"]) -> Float[Tensor, "n m 1"]:
        """Raw densities (before softplus) at points in world units."""
        return query(planes, self.decoder, points, self.scene, channels=0)[0]

    def render_2d(
        self, planes: Planes, ws: Float[Tensor, "n l w_dim"], cameras: Cameras,
        sampling: torch.Generator | None = None,
    ) -> Generated:  # fmt: skip
        """The 2D branch: coarse planes at neural_rendering_resolution, then super-resolution.

        Deterministic unless `sampling` draws the depths.
        """
        side = self.config.neural_rendering_resolution
        seen = self._render(planes[:1], cameras, side, None, sampling, self.config.feature_channels)
        features = _to_image(seen.features, side)
        image_raw = features[:, :3]
        image = self.superresolution(features, image_raw, ws)
        return Generated(
            image, image_raw, _to_image(seen.depth, side), _to_image(seen.opacity, side)
        )

    def render_3d(
        self, planes: Planes, cameras: Cameras, resolution: int,
        sampling: torch.Generator | None = None, windows: Windows | None = None,
    ) -> View:  # fmt: skip
        """The 3D branch: all planes, directly at `resolution`, whole or one window per sample."""
        side = resolution if windows is None else windows.size
        seen = self._render(planes, cameras, resolution, windows, sampling, channels=3)
        return View(
            _to_image(seen.features, side),
            _to_image(seen.depth, side),
            _to_image(seen.opacity, side),
        )

    def _render(
        self, planes: Planes, cameras: Cameras, resolution: int, windows: Windows | None,
        sampling: torch.Generator | None, channels: int,
    ) -> Render:  # fmt: skip
        rays = cast_rays(cameras, resolution, windows)
        cfg = self.config.rendering
        return render(planes, self.decoder, rays, self.scene, cfg, channels, sampling)


def _to_image(pixels: Float[Tensor, "n r c"], side: int) -> Float[Tensor, "n c h w"]:
    return rearrange(pixels, "n (h w) c -> n c h w", h=side)
