"""The one way from a photo to a sample: open, estimate, crop, gates. Imports no torch.

Every source of photos goes through here; they differ in the container and the pose estimator.
"""

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mimic3d.data.images import encode_png, sha256_of
from mimic3d.parallel import count_workers, ordered_map
from mimic3d.preparation.gates import (
    GatesConfig,
    Point,
    check_camera,
    check_crop,
    check_pose,
    check_sharpness,
    check_source,
)
from mimic3d.preparation.lens import undistorted_crop
from mimic3d.preparation.photos.container import Container, open_container
from mimic3d.preparation.photos.duplicates import difference_hash, miniature
from mimic3d.preparation.photos.photo import Colour, DecodedPhoto, NoPhoto, decode_photo
from mimic3d.preparation.pose import (
    Corners,
    Detection,
    Estimate,
    MultiPoseEstimator,
    PoseEstimator,
    PoseResult,
    Reject,
)
from mimic3d.preparation.sample import PhotoOrigin, Rejected, Sample
from mimic3d.preparation.warp import crop_image

RESIZE_FILTER = "lanczos where the crop is upright, else area and cubic"
THUMBNAIL = 96  # pixels, longer side
THUMBNAIL_ROOM = 0.5  # around a face, of its size


@dataclass(frozen=True)
class Photo:
    """Image to process."""

    image_id: str
    """Name of the image in the container."""
    identity: str = ""


@dataclass(frozen=True)
class PhotoProcessor:
    """Makes samples of photos; what it opens is opened once per process."""

    container: Path
    image_column: str
    build_estimator: Callable[[], PoseEstimator]
    """Constructor of the estimator, called once per process; picklable."""
    estimator: str
    """Name of the estimator, for the column `estimator`."""
    gates: GatesConfig
    resolution: int
    orbit_center: Point
    """Orbit centre of the scene; yaw and pitch are measured about it."""
    background: Colour | None
    """Colour behind transparent parts; None shows their hidden colours."""
    is_given: bool = False
    """True if cameras and choice of images are another's work, not to be judged."""
    vetoed: frozenset[str] = frozenset()
    """Objects to leave out, NAME#1 for the first of a photo."""

    @cached_property
    def _estimator(self) -> PoseEstimator:
        return self.build_estimator()

    @property
    def _photos(self) -> Container:
        return open_container(self.container, self.image_column)

    def __call__(self, photo: Photo) -> list[Sample | Rejected]:
        """Images at `resolution` with their cameras, or the gates that they fail first.

        One of most photos; of a photo with several faces one per face, NAME, NAME#2 and so on.
        """
        try:
            data = self._photos.read(photo.image_id, self.gates.max_file_mib * 2**20)
            opened = decode_photo(
                data, self.gates.max_megapixels * 1e6, self.background, is_turned=not self.is_given
            )
        except NoPhoto as refusal:
            return [Rejected(photo.image_id, refusal.reject, refusal.detail)]
        reject = check_source(opened.image, self.resolution, self.gates)
        if reject is not None:
            return [Rejected(photo.image_id, reject, thumbnail=_thumbnail(opened, None))]
        file_hash = hashlib.sha256(data).hexdigest()
        estimates = self._estimates(opened.image, photo.image_id)
        outcomes = [
            self._finish(photo, number, estimate, opened, file_hash)
            for number, estimate in enumerate(estimates, 1)
        ]
        return outcomes + self._vetoes_of_none(photo.image_id, len(estimates))

    def _vetoes_of_none(self, name: str, num: int) -> list[Rejected]:
        """Vetoed objects that the photo does not have."""
        own = sorted(each for each in self.vetoed if each.rpartition("#")[0] == name)
        detail = f"the photo has {num}"
        return [
            Rejected(each, Reject("vetoed", 0.0, 1.0), detail)
            for each in own
            if int(each.rpartition("#")[2]) > num
        ]

    @property
    def judges(self) -> bool:
        """True if pose range, sharpness and likeness count."""
        return self.gates.judge_given or not self.is_given

    def _estimates(self, image: Image.Image, image_id: str) -> Sequence[Estimate]:
        estimator = self._estimator
        if isinstance(estimator, MultiPoseEstimator):
            return estimator.estimate_all(image, image_id)
        return [Estimate(estimator.estimate(image, image_id))]

    def _finish(
        self, photo: Photo, number: int, estimate: Estimate, opened: DecodedPhoto, file_hash: str
    ) -> Sample | Rejected:
        """The image of one object of a photo."""
        image_id = photo.image_id if number == 1 else f"{photo.image_id}#{number}"
        thumbnail = partial(_thumbnail, opened, estimate.detection)
        pose = estimate.result
        if f"{photo.image_id}#{number}" in self.vetoed:
            pose = Reject("vetoed", 0.0, 1.0)
        if isinstance(pose, Reject):
            return Rejected(image_id, pose, estimate.detail, thumbnail=thumbnail())
        reject = self._check(pose, opened.image.size)
        if reject is None:
            cropped = Image.fromarray(crop_pose(opened.image, pose, self.resolution))
            pixels = np.asarray(opened.to_srgb(cropped))
            if self.judges:
                reject = check_sharpness(pixels, self.gates)
            if reject is None:
                return Sample(
                    image_id=image_id,
                    identity=photo.identity,
                    image=encode_png(pixels),
                    pixels_sha256=sha256_of(pixels),
                    pose=pose,
                    source=self.container.name,
                    source_sha256=file_hash,
                    estimator=self.estimator,
                    photo=_origin(photo.image_id, number, opened, estimate.detection),
                    dhash=difference_hash(pixels) if self.judges else None,
                    miniature=miniature(pixels) if self.judges else b"",
                )
        return Rejected(image_id, reject, estimate.detail, pose, thumbnail())

    def _check(self, pose: PoseResult, size: tuple[int, int]) -> Reject | None:
        reject = check_camera(pose.cam2world, pose.intrinsics, self.gates)
        if reject is None and self.judges:
            reject = check_pose(pose, self.orbit_center, self.gates)
        return reject or check_crop(pose, size, self.resolution, self.gates)


def process_photos(
    processor: PhotoProcessor, photos: Sequence[Photo]
) -> Iterator[list[Sample | Rejected]]:
    """Outcomes in the order of the photos, on all cores."""
    return ordered_map(processor, photos, count_workers(len(photos)))


def crop_pose(image: Image.Image, pose: PoseResult, resolution: int) -> UInt8[np.ndarray, "h w 3"]:
    """The crop of a pose, free of the distortion of its lens."""
    if pose.lens is None:
        return cut_out(image, pose.crop, resolution)
    return undistorted_crop(image, pose.crop, pose.lens, resolution)


def cut_out(image: Image.Image, crop: Corners, resolution: int) -> UInt8[np.ndarray, "h w 3"]:
    """The crop at a size: exact where nothing changes, Lanczos where nothing is turned."""
    ax, ay, bx, by, cx, cy, dx, dy = crop
    is_upright = ay == by and bx == cx and cy == dy and dx == ax and bx > ax and dy > ay
    is_inside = ax >= 0 and ay >= 0 and bx <= image.width and dy <= image.height
    if not (is_upright and is_inside):
        return crop_image(image, crop, resolution)
    size = (resolution, resolution)
    box = (ax, ay, bx, dy)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))


def _origin(
    name: str, number: int, opened: DecodedPhoto, detection: Detection | None
) -> PhotoOrigin:
    return PhotoOrigin(
        file=name,
        number=number,
        width=opened.image.width,
        height=opened.image.height,
        box=None if detection is None else detection.box,
        score=None if detection is None else detection.score,
        colours=opened.colours,
        focal_mm=opened.focal_mm,
        focal_35mm=opened.focal_35mm,
    )


def _thumbnail(opened: DecodedPhoto, detection: Detection | None) -> bytes:
    """Thumbnail of the photo, or of the part around a detected object."""
    small = opened.image
    if detection is not None:
        left, top, right, bottom = detection.box
        room = THUMBNAIL_ROOM * max(right - left, bottom - top)
        low = max(0, round(left - room)), max(0, round(top - room))
        high = min(small.width, round(right + room)), min(small.height, round(bottom + room))
        if low[0] < high[0] and low[1] < high[1]:
            small = small.crop((*low, *high))
    scale = min(1.0, THUMBNAIL / max(small.size))
    size = max(1, round(scale * small.width)), max(1, round(scale * small.height))
    small = small.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    buffer = io.BytesIO()
    opened.to_srgb(small).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
