"""Settings that a picture of the viewer depends on; each is a control of its panel."""

import math
import shlex
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, NonNegativeInt, ValidationError

from mimic3d.config import Config

Panel = Literal["3d", "2d", "both", "split", "difference", "depth", "normals", "alpha", "epi"]
PAGE_ONLY = ("snapshot", "compare", "follow", "play", "drift")
"""Settings of the page, which the command of a picture does not need or names by paths."""
HALF_TURN = round(math.pi, 4)


class ViewSettings(Config):
    """Settings of the shown picture: snapshot, object, panel and camera; a link holds them all.

    The title of a field is its label in the panel, its description the hint.
    """

    snapshot: str = ""
    """Name of the snapshot in the list; the first one if it is none."""
    compare: str = Field(default="", title="compare with")
    """Name of a second snapshot, shown beside the first under the same camera and seed."""
    follow: bool = Field(default=False, title="follow newest")
    """True to go on to the newest snapshot whenever one is written, while a training runs."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the latent z."""
    psi: float = Field(default=0.7, ge=-1, le=2)
    """Truncation; 1 is none, 0 the average object."""
    cutoff: NonNegativeInt = 0
    """Style vectors that are truncated, counted from the coarsest; 0 is all."""
    latent_x: float = Field(default=0.0, ge=-3, le=3, title="drag z, 1st")
    """Step along the first of two random directions of z, in standard deviations."""
    latent_y: float = Field(default=0.0, ge=-3, le=3, title="drag z, 2nd")
    """Step along the second of these directions, in standard deviations."""
    directions: Literal["principal", "factorized"] = "principal"
    """Directions of w below: principal ones by variance (GANSpace), or those that change the styles
    most (SeFa)."""
    along_1: float = Field(default=0.0, ge=-4, le=4, title="along 1st")
    """Step along the first direction, in standard deviations of w."""
    along_2: float = Field(default=0.0, ge=-4, le=4, title="along 2nd")
    """Step along the second direction."""
    along_3: float = Field(default=0.0, ge=-4, le=4, title="along 3rd")
    """Step along the third direction."""
    along_4: float = Field(default=0.0, ge=-4, le=4, title="along 4th")
    """Step along the fourth direction."""
    seed_to: int = Field(default=1, ge=0, lt=2**31, title="to seed")
    """Seed of the object at the other end of the interpolation."""
    blend: float = Field(default=0.0, ge=0, le=1, title="interpolate")
    """Place on the way in w: 0 is `seed`, 1 is `to seed`."""
    play: bool = False
    """True to go to and fro between both."""
    mix_seed: int = Field(default=2, ge=0, lt=2**31, title="mix in seed")
    """Seed of the object whose style vectors are taken over."""
    mix_from: NonNegativeInt = Field(default=0, title="from layer")
    """First style vector that is taken over; the coarsest is 0."""
    mix_to: NonNegativeInt = Field(default=0, title="to layer")
    """End of those that are taken over, not included; none unless it is greater than the first."""

    panel: Panel = "3d"
    """Panel: a branch, both side by side, the 2D branch left and the 3D branch right in one image,
    the absolute difference, geometry of the 3D branch, or one row of both over a sweep of cameras
    (smooth lines where views agree)."""
    resolution: int = Field(default=256, ge=16, le=1024, multiple_of=16, title="px at rest")
    """Side of the picture at rest, pixels; it is smaller while something moves."""
    samples_per_ray: int = Field(default=0, ge=0, le=192, title="samples per ray")
    """Samples of both passes together, at least 8; 0 is the model's own."""
    epi_row: float = Field(default=0.45, ge=0, le=1, title="row of epi")
    """Row that panel epi shows, fraction of the height from the top."""
    noise: Literal["const", "none"] = "const"
    """Noise of the synthesis layers."""
    background: Literal["black", "grey", "white"] = "black"
    """Colour around the picture, and behind what is transparent in the 3D branch."""

    conditioning: Literal["front", "average", "view", "angles"] = "front"
    """Camera that conditions the generator: the frontal one, the dataset's mean label, the camera
    of the picture, or the two angles below."""
    condition_yaw: float = Field(default=0.0, ge=-1.5, le=1.5, title="its yaw")
    """Yaw of the camera that conditions the generator, rad."""
    condition_pitch: float = Field(default=0.0, ge=-1.5, le=1.5, title="its pitch")
    """Pitch of the camera that conditions the generator, rad."""
    drift: bool = Field(default=False, title="measure drift")
    """True to measure, at rest, how much the picture changes if the conditioning follows it."""

    image: int = Field(default=-1, ge=-1, title="of image")
    """Camera of this image of the dataset; -1 is the camera of the mouse."""
    fov_deg: float = Field(default=0.0, ge=0, le=60, title="field of view")
    """Field of view, degrees; 0 is the scene's own."""
    yaw_rad: float = Field(default=0.0, ge=-HALF_TURN, le=HALF_TURN)
    """Yaw of the camera about the scene's `orbit_center`; set by the mouse."""
    pitch_rad: float = Field(default=0.0, ge=-1.5, le=1.5)
    """Pitch of the camera about the scene's `orbit_center`; set by the mouse."""
    distance: float = Field(default=1.0, gt=0, le=10)
    """Distance of the camera from what it looks at, relative to that of the data's cameras."""
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Shift of the camera and of what it looks at from the scene's pivot, world units."""

    def query(self, without: tuple[str, ...] = ()) -> str:
        """The settings that are not at their default, as the query of a link."""
        changed = self.model_dump(exclude_defaults=True, exclude=set(without))
        return urlencode([(name, _text(value)) for name, value in changed.items()])

    def render_command(self, snapshot: Path, compare: Path | None = None) -> str:
        """The command that draws the same picture of these snapshots."""
        words = ["mimic3d", "render", "picture", str(snapshot), "view.png"]
        if query := self.query(PAGE_ONLY):
            words += ["--settings", query]
        return shlex.join(words + (["--compare", str(compare)] if compare else []))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(repr, value))
    return str(int(value)) if isinstance(value, bool) else str(value)


def parse_query(query: str) -> ViewSettings:
    """Settings of a link; what it does not name, or names wrongly, keeps its default."""
    given: dict[str, Any] = {
        name: value for name, value in parse_qsl(query) if name in ViewSettings.model_fields
    }
    if "shift" in given:
        given["shift"] = given["shift"].split(",")
    while True:
        try:
            return ViewSettings.model_validate(given)
        except ValidationError as error:
            for detail in error.errors():
                given.pop(str(detail["loc"][0]), None)
