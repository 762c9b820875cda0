"""Parameters of the gallery: its pictures, videos and meshes, and their sizes."""

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from mimic3d.config import Config
from mimic3d.gallery.mesh import MeshConfig


class GalleryConfig(Config):
    """The pictures, videos and meshes of an evaluation."""

    num_samples: PositiveInt = 16
    """Number of samples in the grid."""
    columns: PositiveInt = 2
    """Number of samples in a row of the grid; each is a picture per panel wide."""
    strip_views: int = Field(default=7, ge=2)
    """Number of views in the orbit strip, and of each object among the worst."""
    num_frames: int = Field(default=48, ge=2)
    """Number of frames of the orbit video, one closed round."""
    frames_per_second: PositiveInt = 24
    """Frame rate of the videos, 1 / s."""
    yaw_rad: PositiveFloat = 0.4
    """Largest yaw of the orbit, to either side, rad."""
    pitch_rad: NonNegativeFloat = 0.1
    """Largest pitch of the orbit of the videos, up and down, rad."""
    interpolation_stops: int = Field(default=4, ge=2)
    """Number of objects that the interpolation video passes before it is back at the first."""
    interpolation_frames: PositiveInt = 36
    """Number of frames from one of them to the next."""
    epi_views: int = Field(default=64, ge=2)
    """Number of rows of the epipolar image: cameras from one side to the other."""
    epi_height: float = Field(default=0.45, ge=0, lt=1)
    """Row of pixels that it follows, from the top as a share of the height; about the eyes."""
    num_worst: NonNegativeInt = 4
    """Number of objects in the gallery of the worst, of each metric that chooses them."""
    num_meshes: NonNegativeInt = 4
    """Number of objects that are also written as meshes; needs the extra `export` if not 0."""
    mesh: MeshConfig = MeshConfig()
    """Fineness and surface threshold of the meshes."""
