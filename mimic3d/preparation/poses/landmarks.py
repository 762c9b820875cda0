"""Cameras from landmarks that any tool or person found, for any kind of object. Without torch."""

import numpy as np
from PIL import Image
from pydantic import Field, NonNegativeFloat

from mimic3d.preparation.pose import PoseResult, Reject
from mimic3d.preparation.poses.fit import FitConfig, fit_pose
from mimic3d.preparation.poses.landmark_table import LandmarkTable
from mimic3d.preparation.poses.learning import LearningConfig, learn_template
from mimic3d.preparation.poses.scratch import learn_from_scratch
from mimic3d.preparation.poses.template import MIN_POINTS, Template, read_template


class LandmarkConfig(FitConfig):
    """Cameras from a table of landmarks and a template of where they lie in 3-D."""

    table: str = "landmarks.csv"
    """The table image,name,x,y[,weight], relative to data/raw/; images by their path there, pixels
    from the corner of the first one, names by the side of the subject."""
    template: str = "learn"
    """YAML file (points, pairs, pivot, units), relative to data/raw/; learn: from the table."""
    refine: bool = False
    """True if learning goes on from the template of the file; keep a good one as it is."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Landmarks that are mirror images of each other, the subject's left one first; with template
    learn."""
    front: str | None = None
    """Landmark nearer to a frontal camera than most, such as the nose; with template learn."""
    learning: LearningConfig = LearningConfig()
    """Learning of a template."""
    min_points: int = Field(default=MIN_POINTS, ge=MIN_POINTS)
    """Least landmarks of an image, rejected with fewer; three fit exactly whatever they are."""
    min_extent_px: NonNegativeFloat = 25
    """Least span of an image's landmarks across or down, the larger one, pixels; with less it is
    rejected; our choice, where detected faces become fragile."""


def build_template(
    cfg: LandmarkConfig, table: LandmarkTable, contents: object, key: str
) -> Template:
    """The template of a file with these contents, refined if asked for, or learnt without one.

    `key` is what errors call the parameters.

    Raises:
        ValueError: The contents are no template, or the table does not suffice to learn one.
    """
    if cfg.template == "learn":
        return learn_from_scratch(table, cfg.pairs, cfg.front, cfg.learning, key).template
    template = read_template(contents, cfg.template)
    return learn_template(table, template, cfg.learning).template if cfg.refine else template


class LandmarkPoses:
    """Looks landmarks up by image id and fits the template to them.

    Gates: no_landmarks, num_landmarks, extent, square (crop none only), reprojection.
    """

    name = "landmarks"

    def __init__(self, cfg: LandmarkConfig, table: LandmarkTable, template: Template) -> None:
        self._cfg = cfg
        self._table = table.arrange(template.names)
        self._template = template

    def estimate(self, image: Image.Image, image_id: str) -> PoseResult | Reject:
        """The camera that sees the template where the table has the landmarks."""
        cfg = self._cfg
        if image_id not in self._table.places:
            return Reject("no_landmarks", 0.0, float(cfg.min_points))
        place = self._table.places[image_id]
        positions, weights = self._table.positions[place], self._table.weights[place]
        known = weights > 0
        if known.sum() < cfg.min_points:
            return Reject("num_landmarks", float(known.sum()), float(cfg.min_points))
        extent = float(np.ptp(positions[known], axis=0).max())
        if extent < cfg.min_extent_px:
            return Reject("extent", extent, cfg.min_extent_px)
        confidence = float(weights[known].mean())
        return fit_pose(cfg, self._template, positions, weights, image.size, confidence)
