"""Settings that a picture of the viewer depends on."""

import math
import shlex
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, NonNegativeInt, ValidationError

from mimic3d.config import Config

Panel = Literal[
    "3d", "2d", "both", "split", "difference", "depth", "normals", "alpha", "epi", "compare"
]
BEYOND_RENDER = (
    "blend", "latent_x", "latent_y", "cutoff", "mix_from", "conditioning", "distance", "fov_deg",
)  # fmt: skip
"""Settings that `mimic3d render` has no option for, unless they are at their default."""


class ViewSettings(Config):
    """Settings of the shown picture: object, camera and panel; a link holds them whole."""

    snapshot: NonNegativeInt = 0
    """Place in the list of snapshots of the command line."""
    other: NonNegativeInt = 0
    """Place of the snapshot that panel `compare` shows beside it."""
    seed: NonNegativeInt = 0
    """Seed of the latent z."""
    seed_to: NonNegativeInt = 1
    """Seed of the latent at the other end of the interpolation."""
    blend: float = Field(default=0.0, ge=0, le=1)
    """Place between both in w: 0 is `seed`, 1 is `seed_to`."""
    latent_x: float = Field(default=0.0, ge=-3, le=3)
    """Step along the first of two random directions of z, in standard deviations."""
    latent_y: float = Field(default=0.0, ge=-3, le=3)
    """Step along the second of these directions, in standard deviations."""
    psi: float = Field(default=0.7, ge=-1, le=2)
    """Truncation; 1 is none, 0 the average object."""
    cutoff: NonNegativeInt = 0
    """Style vectors that are truncated, from the coarse ones; 0 is all."""
    mix_seed: NonNegativeInt = 2
    """Seed of the object whose fine styles are taken over."""
    mix_from: NonNegativeInt = 0
    """First style vector that is taken over; 0 takes none."""
    conditioning: Literal["front", "average", "view"] = "front"
    """Camera that conditions the generator. front: yaw and pitch 0, as `mimic3d render`; average:
    the dataset's mean label; view: the camera the picture is rendered with."""
    panel: Panel = "3d"
    """Panel that is shown."""
    samples_per_ray: NonNegativeInt = 0
    """Samples of both passes together; 0 is the model's own."""
    resolution: int = Field(default=256, ge=16, le=1024)
    """Side of the 3D branch's picture at rest, pixels."""
    noise: Literal["const", "none"] = "const"
    """Noise of the synthesis layers."""
    background: Literal["black", "white", "grey"] = "black"
    """Colour around the square picture, and behind transparent parts."""
    epi_row: float = Field(default=0.45, ge=0, le=1)
    """Row of panel `epi`, fraction of the height from the top."""
    yaw_rad: float = Field(default=0.0, ge=-math.pi, le=math.pi)
    """Yaw of the camera, about the scene's `orbit_center`; set by the mouse."""
    pitch_rad: float = Field(default=0.0, ge=-1.5, le=1.5)
    """Pitch of the camera, about the scene's `orbit_center`; set by the mouse."""
    distance: float = Field(default=1.0, gt=0, le=10)
    """Distance of the camera from the pivot, in radii of the scene."""
    fov_deg: float = Field(default=0.0, ge=0, le=120)
    """Field of view of the picture; 0 is the scene's."""

    def query(self) -> str:
        """The settings that are not at their default, as the query of a link."""
        changed = self.model_dump(exclude_defaults=True)
        return urlencode({name: f"{value:g}" if isinstance(value, float) else value
                          for name, value in changed.items()})  # fmt: skip

    def render_command(self, snapshot: str) -> str | None:
        """The command of `mimic3d render` that draws the same object from the same camera.

        It draws panels 2d and 3d alone, and all panels side by side for the others. None where it
        has no option for what is shown.
        """
        default = ViewSettings()
        if any(getattr(self, name) != getattr(default, name) for name in BEYOND_RENDER):
            return None
        words = ["mimic3d", "render", "grid", snapshot, "view.png", "--columns", "1"]
        words += ["--seeds", str(self.seed), "--psi", f"{self.psi:g}"]
        if self.panel in ("2d", "3d"):
            words += ["--branch", self.panel, "--no-geometry"]
        words += ["--yaw", f"{self.yaw_rad:.4f}", "--pitch", f"{self.pitch_rad:.4f}"]
        words += ["--resolution", str(self.resolution)]
        if self.samples_per_ray:
            words += ["--samples-per-ray", str(self.samples_per_ray)]
        return shlex.join(words)


def parse_query(query: str) -> ViewSettings:
    """Settings of a link; what it does not name, or names wrongly, keeps its default."""
    given = {name: value for name, value in parse_qsl(query) if name in ViewSettings.model_fields}
    while True:
        try:
            return ViewSettings.model_validate_strings(given)
        except ValidationError as error:
            for detail in error.errors():
                given.pop(str(detail["loc"][0]), None)
