"""Cameras that come with the images, as numbers."""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from mimic3d.data.gates import check_camera
from mimic3d.data.poses.protocol import PoseResult, Reject, whole_image


class GivenPoses:
    """Looks cameras up by image id, in labels of 25 numbers (EG3D); insane ones are rejected."""

    name = "given"

    def __init__(self, labels: Mapping[str, Sequence[float]]) -> None:
        self.labels = labels

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult | Reject:
        """The image's label as a camera.

        Raises:
            KeyError: The image has no label; the importer checks that before.
        """
        label = np.asarray(self.labels[image_id], dtype=np.float32)
        cam2world, intrinsics = label[:16].reshape(4, 4), label[16:].reshape(3, 3)
        reject = check_camera(cam2world, intrinsics)
        if reject is not None:
            return reject
        return PoseResult(cam2world, intrinsics, whole_image(*image.size), 1.0, 0.0)
