"""What the gallery draws, and how much of it."""

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from mimic3d.config import Config
from mimic3d.gallery.mesh import MeshConfig


class GalleryConfig(Config):
    """The pictures, videos and meshes of an evaluation."""

    num_samples: PositiveInt = 16
    """Samples in the grid."""
    columns: PositiveInt = 2
    """Samples in a row of the grid; each is a picture per panel wide."""
    strip_views: int = Field(default=7, ge=2)
    """Views in the orbit strip, and of each object among the worst."""
    num_frames: int = Field(default=48, ge=2)
    """Frames of the orbit video, one closed round."""
    frames_per_second: PositiveInt = 24
    """Speed of the videos."""
    yaw_rad: PositiveFloat = 0.4
    """How far the orbit swings to either side."""
    pitch_rad: NonNegativeFloat = 0.1
    """How far the orbit of the videos swings up and down."""
    interpolation_stops: int = Field(default=4, ge=2)
    """Objects that the interpolation video passes through before it is back at the first."""
    interpolation_frames: PositiveInt = 36
    """Frames from one of them to the next."""
    epi_views: int = Field(default=64, ge=2)
    """Rows of the epipolar image: cameras from one side to the other."""
    epi_height: float = Field(default=0.45, ge=0, lt=1)
    """Which row of pixels it follows, from the top as a share of the height; about the eyes."""
    num_worst: NonNegativeInt = 4
    """Objects in the gallery of the worst, of each metric that chooses them."""
    num_meshes: NonNegativeInt = 4
    """Objects that are also written as meshes; needs the extra `export` if not 0."""
    mesh: MeshConfig = MeshConfig()
    """Their fineness and where their surface lies."""
