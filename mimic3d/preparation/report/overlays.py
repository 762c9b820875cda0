"""The kept images that a person should inspect, and how their cameras see them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mimic3d.cameras import mirror_cameras
from mimic3d.data.images import decode_png
from mimic3d.preparation.partial_dataset import PartialDataset
from mimic3d.preparation.pose import PoseResult
from mimic3d.preparation.poses.lookat import Point
from mimic3d.preparation.poses.overlay import draw_overlay
from mimic3d.preparation.review import ImageOutcome

UNIT_SQUARE = (0.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0)  # landmarks in shares of the crop


@dataclass(frozen=True)
class PosedCrop:
    """A kept image and its camera, or their mirror images."""

    outcome: ImageOutcome
    pixels: UInt8[np.ndarray, "h w 3"]
    pose: PoseResult
    """Pose in the crop alone: its pixels are shares of the crop."""
    mirrored_pose: PoseResult

    def draw(self, origin: Point, side: int) -> Image.Image:
        """Landmarks and the world's axes over the image."""
        return draw_overlay(self.pixels, self.pose, origin, side)

    def mirror(self) -> "PosedCrop":
        """The copy that training sees, and its own camera."""
        pixels = np.ascontiguousarray(self.pixels[:, ::-1])
        return PosedCrop(self.outcome, pixels, self.mirrored_pose, self.pose)


def load_posed_crops(outcomes: Sequence[ImageOutcome], partial: PartialDataset) -> list[PosedCrop]:
    """Pixels and cameras of kept images."""
    places = [item.place for item in outcomes]
    cameras = partial.cameras(places)
    mirrored = mirror_cameras(cameras)
    crops = []
    for index, (item, image, marks) in enumerate(
        zip(outcomes, partial.images(places), partial.landmarks(places), strict=True)
    ):
        landmarks = np.array(marks, dtype=np.float32).reshape(-1, 2) if marks else None
        pose = PoseResult(
            cam2world=cameras.cam2world[index].numpy(),
            intrinsics=cameras.intrinsics[index].numpy(),
            crop=UNIT_SQUARE,
            confidence=item.confidence,
            reproj_px=item.reproj_px,
            landmarks=landmarks,
        )
        mirrored_pose = replace(
            pose,
            cam2world=mirrored.cam2world[index].numpy(),
            intrinsics=mirrored.intrinsics[index].numpy(),
            landmarks=None
            if landmarks is None
            else np.stack([1 - landmarks[:, 0], landmarks[:, 1]], axis=1),
        )
        crops.append(PosedCrop(item, decode_png(image), pose, mirrored_pose))
    return crops


def order_by_trust(kept: Sequence[ImageOutcome]) -> tuple[list[ImageOutcome], str]:
    """Images whose cameras are to be trusted least first, and what tells it.

    None, and no word, where nothing tells them apart: exact cameras, or given ones.
    """
    fitted = [item for item in kept if item.reproj_px > 0]
    if fitted:
        return sorted(fitted, key=lambda item: -item.reproj_px), "reprojection error"
    if len({item.confidence for item in kept}) > 1:
        return sorted(kept, key=lambda item: item.confidence), "confidence"
    return [], ""


def choose_by_yaw(kept: Sequence[ImageOutcome], num: int) -> list[ImageOutcome]:
    """Some images from one side to the other, evenly by rank, not quite the outermost."""
    ordered = sorted(kept, key=lambda item: (item.yaw, item.image_id))
    ranks = (np.arange(num) + 0.5) / num * len(ordered)
    return [ordered[rank] for rank in sorted(set(ranks.astype(int).tolist()))]
