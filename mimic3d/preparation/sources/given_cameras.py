"""Cameras that come with images, and the context in which their files are read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial

from mimic3d.preparation.cameras.image_names import ImageNames, unlisted_images
from mimic3d.preparation.cameras.table import CameraTable
from mimic3d.preparation.names import refuse
from mimic3d.preparation.photos.container import Container
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.sources.photo_set import PhotoSet

NO_CAMERA, NO_PHOTO = "no_camera", "no_image"  # gates


@dataclass(frozen=True)
class GivenCameras:
    """Cameras by image, and their frame."""

    table: CameraTable
    is_foreign: bool
    """True if frame and scale are the file's own, not those of EG3D's labels."""
    has_up: bool
    """True if the file says where up is: y after reading."""
    rejected: list[Rejected] = field(default_factory=list)
    """Images without a camera, and cameras without an image."""
    splits: dict[str, str] = field(default_factory=dict)
    """Split of the images for which the files state one."""
    notes: list[str] = field(default_factory=list)
    """Sentences for the manifest."""


@dataclass(frozen=True)
class CameraReader:
    """Context that all kinds of files are read in."""

    container: Container
    photos: PhotoSet
    names: ImageNames

    def data(self, name: str) -> bytes:
        """The contents of a file that is there."""
        return self.container.read_file(name) or b""

    def where(self, name: str) -> str:
        """Path of a file in errors."""
        return f"{self.photos.path}/{name}"

    def resolve(self, folder: str) -> Callable[[str], str | None]:
        """Names in a file of a folder -> images, also those that were converted since."""
        return partial(self.names.resolve_converted, base=folder)

    def finish(
        self,
        cameras: GivenCameras,
        missing: list[str],
        where: str,
        names: Iterable[str],
        side_files: Iterable[str] = (),
    ) -> GivenCameras:
        """Cameras with images without a camera, and cameras without an image, as rejects."""
        if not len(cameras.table):
            first = f"; the first is {missing[0]}" if missing else ""
            raise ValueError(
                f"{where} must give cameras of images in {self.photos.path}, gives none of an "
                f"image that is there ({len(missing)} of others{first}); correct its names, or "
                f"name the folder of the images in prepare.given.images"
            )
        in_set = [name for name in names if name in set(self.photos.names)]
        unlisted = unlisted_images(in_set, cameras.table.images, side_files)
        smaller = {item.image_id: item for item in cameras.rejected}
        no_camera = [smaller.get(name) or refuse(name, NO_CAMERA) for name in unlisted]
        no_image = [refuse(name.replace("\\", "/"), NO_PHOTO) for name in missing]
        return replace(cameras, rejected=[*no_camera, *no_image])
