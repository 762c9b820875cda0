import numpy as np
import pytest

from mimic3d.preparation.poses.face_template import face_template, mesh_indices
from mimic3d.preparation.poses.lookat import Orbit
from mimic3d.preparation.poses.template import read_template

CONTENTS = {
    "points": {"left": [4, 2, 5], "right": [-4, 2, 5], "nose": [0, 0, 9], "chin": [0, -7, 5]},
    "pairs": [["left", "right"]],
    "pivot": [0, 0, 0.1],
    "units": "cm",
}


def changed(**values):
    return {key: value for key, value in (CONTENTS | values).items() if value is not None}


def test_a_template_is_read_in_its_units():
    template = read_template(CONTENTS, "cat.yaml")
    assert template.names == ("left", "right", "nose", "chin")
    assert template.points[0] == pytest.approx([0.108, 0.054, 0.135])  # 1 cm is 0.027
    assert template.orbit == Orbit(pivot=(0.0, 0.0, 0.1))
    assert template.twins.tolist() == [1, 0, 2, 3]
    assert read_template(changed(units="world"), "x").points[2].tolist() == [0, 0, 9]
    metres = {name: [v / 100 for v in point] for name, point in CONTENTS["points"].items()}
    assert read_template(changed(units="m", points=metres), "x").points == pytest.approx(
        template.points
    )
    assert read_template(changed(pivot=None, pairs=None), "x").orbit == Orbit()


def test_what_a_template_describes_is_the_template():
    template = read_template(CONTENTS, "cat.yaml")
    again = read_template(template.describe(), "again")
    assert again.content_hash() == template.content_hash()
    assert (again.points == template.points).all()
    moved = read_template(changed(pivot=[0, 0, 0.2]), "moved")
    assert moved.content_hash() != template.content_hash()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ({}, r"cat\.yaml: points: Field required"),
        (None, r"cat\.yaml: .*dictionary.*, is None; a template has points"),
        (changed(points={"a": [0, 0, 0]}), "points must be at least 4, are 1"),
        (changed(points={"a": [0, 0]}), r"cat\.yaml: points\.a\.2: Field required"),
        (changed(pairs=[["left", "tail"]]), "pairs must be of points, tail is none; they are left"),
        (changed(pairs=[["left", "right"], ["left", "nose"]]), "not share points, left is there"),
        (changed(units="inch"), r"units: be 'world', 'm', 'cm' or 'mm', is 'inch'"),
        (changed(point=1), r"cat\.yaml: point: Extra inputs are not permitted, is 1"),
        (changed(pivot=[0, 0, float("nan")]), r"pivot\.2: be a finite number, is nan"),
    ],
)
def test_what_is_no_template_is_refused(contents, message):
    with pytest.raises(ValueError, match=message):
        read_template(contents, "cat.yaml")


def test_made_symmetric_pairs_are_mirror_images():
    rng = np.random.default_rng(0)
    points = {name: rng.normal(size=3).tolist() for name in CONTENTS["points"]}
    template = read_template(changed(points=points), "cat.yaml").symmetric()
    assert (template.points[0] == template.points[1] * [-1, 1, 1]).all()
    assert (template.points[2:, 0] == 0).all()
    assert template.symmetric().content_hash() == template.content_hash()


def test_the_built_in_face_is_symmetric_and_of_the_mesh():
    face = face_template(1.0)
    assert len(set(face.names)) == 33
    assert set(mesh_indices(face)) <= set(range(468))
    assert (face.points == face.symmetric().points).all()
    left, right = (face.points[face.names.index(name)] for name in ("263", "33"))
    assert left[0] > 0 > right[0]  # the subject's left is on the world's +x side
    assert face.points[face.names.index("4"), 2] == face.points[:, 2].max()  # the nose is in front


def test_a_larger_face_grows_about_the_pivot():
    small, large = face_template(1.0), face_template(1.1)
    pivot = np.array(Orbit().pivot)
    assert large.points - pivot == pytest.approx(1.1 * (small.points - pivot))
