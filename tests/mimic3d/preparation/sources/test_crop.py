import io

import numpy as np
import pytest
from PIL import Image

from mimic3d.data.images import decode_png
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.pose import Detection, Estimate, PoseResult, Reject, whole_image
from mimic3d.preparation.sample import PhotoOrigin, Rejected, Sample
from mimic3d.preparation.sources.crop import Photo, PhotoProcessor, cut_out

CAM2WORLD = np.diag([1, -1, -1, 1]).astype(np.float32)
CAM2WORLD[2, 3] = 2.7
LENS = np.array([[4.26, 0, 0.5], [0, 4.26, 0.5], [0, 0, 1]], dtype=np.float32)


class Frontal:
    """Sees the whole image from the front; has no answer for some."""

    name = "frontal"
    built = 0

    def __init__(self):
        Frontal.built += 1

    def estimate(self, image, image_id):
        if "faceless" in image_id:
            return Reject("no_face", 0.1, 0.5)
        return PoseResult(CAM2WORLD, LENS, whole_image(*image.size), 0.9, 0.0)


@pytest.fixture
def processor(tmp_path, photo_tools):
    encode, textured, _ = photo_tools
    (tmp_path / "photos").mkdir()
    for number, name in enumerate(("a.png", "b.png", "faceless.png")):
        (tmp_path / "photos" / name).write_bytes(encode(textured((48, 48), number)))
    (tmp_path / "photos" / "small.png").write_bytes(encode(textured((10, 48))))
    (tmp_path / "photos" / "flat.png").write_bytes(encode(Image.new("RGB", (48, 48))))
    (tmp_path / "photos" / "broken.png").write_bytes(b"hello")

    def build(**changes):
        settings = {
            "build_estimator": Frontal,
            "resolution": 16,
            "background": None,
            "gates": GatesConfig(),
        } | changes
        return PhotoProcessor(
            container=tmp_path / "photos",
            image_column="image",
            estimator=Frontal.name,
            orbit_center=(0.0, 0.0, 0.0),
            **settings,
        )

    return build


def test_a_photo_becomes_a_sample_at_the_wanted_size(processor, photo_tools):
    (sample,) = processor()(Photo("a.png", "anna"))
    assert isinstance(sample, Sample)
    expected = photo_tools[1]((48, 48), 0).resize((16, 16), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(decode_png(sample.image), np.asarray(expected))
    assert (sample.image_id, sample.identity, sample.estimator) == ("a.png", "anna", "frontal")
    assert (sample.source, len(sample.source_sha256)) == ("photos", 64)
    assert sample.dhash is not None


def test_the_estimator_is_built_once(processor):
    room, before = processor(), Frontal.built
    for name in ("a.png", "b.png", "faceless.png"):
        room(Photo(name))
    assert Frontal.built == before + 1


@pytest.mark.parametrize(
    ("name", "gate", "has_picture"),
    [
        ("faceless.png", "no_face", True),
        ("small.png", "min_side", True),
        ("flat.png", "blur", True),
        ("broken.png", "unreadable", False),
    ],
)
def test_rejects_name_the_first_gate_and_show_what_can_be_shown(processor, name, gate, has_picture):
    (outcome,) = processor()(Photo(name))
    assert isinstance(outcome, Rejected)
    assert outcome.reject.gate == gate
    assert bool(outcome.thumbnail) == has_picture
    assert (outcome.pose is not None) == (gate == "blur")


def test_given_images_are_not_judged_unless_that_is_asked_for(processor):
    assert isinstance(processor(is_given=True)(Photo("flat.png"))[0], Sample)
    gates = GatesConfig(judge_given=True)
    assert isinstance(processor(is_given=True, gates=gates)(Photo("flat.png"))[0], Rejected)


def test_upright_crops_are_exact(photo_tools):
    image = photo_tools[1]((40, 32))
    same = cut_out(image, (8.0, 0.0, 40.0, 0.0, 40.0, 32.0, 8.0, 32.0), 32)
    np.testing.assert_array_equal(same, np.asarray(image)[:, 8:])
    turned = cut_out(image, (8.0, 32.0, 8.0, 0.0, 40.0, 0.0, 40.0, 32.0), 32)
    upright = np.rot90(np.asarray(image)[:, 8:], -1)
    assert np.abs(turned.astype(int) - upright).mean() < 1  # a quarter turn of whole pixels


class Pair(Frontal):
    """Sees two objects in every photo, and a third that it rejects."""

    def estimate_all(self, image, image_id):
        pose = self.estimate(image, image_id)
        return [
            Estimate(pose),
            Estimate(pose, Detection((4.0, 4.0, 20.0, 20.0), 0.9, 0.8)),
            Estimate(Reject("face_size", 9.0, 25.0), Detection((4.0, 4.0, 9.0, 9.0), 0.9, 0.8)),
        ]


def test_every_object_of_a_photo_has_a_name_of_its_own(processor):
    outcomes = processor(build_estimator=Pair)(Photo("a.png"))
    names = [
        outcome.image_id if isinstance(outcome, Sample) else (outcome.image_id, outcome.reject.gate)
        for outcome in outcomes
    ]
    assert names == ["a.png", "a.png#2", ("a.png#3", "face_size")]
    assert isinstance(outcomes[2], Rejected)
    with Image.open(io.BytesIO(outcomes[2].thumbnail)) as thumbnail:
        assert thumbnail.size == (10, 10)  # the object and half its size around it


def test_an_image_keeps_where_it_came_from(processor):
    one, two, _ = processor(build_estimator=Pair)(Photo("a.png"))
    assert isinstance(one, Sample)
    assert isinstance(two, Sample)
    assert one.photo == PhotoOrigin("a.png", 1, 48, 48, None, None, "", 0.0, 0.0)
    box = (4.0, 4.0, 20.0, 20.0)
    assert two.photo == PhotoOrigin("a.png", 2, 48, 48, box, 0.9, "", 0.0, 0.0)


def test_a_person_may_veto_single_objects(processor):
    vetoed = frozenset({"a.png#1", "a.png#7", "b.png#2"})
    outcomes = processor(build_estimator=Pair, vetoed=vetoed)(Photo("a.png"))
    left = [
        (one.image_id, one.reject.gate, one.detail) for one in outcomes if isinstance(one, Rejected)
    ]
    assert [one.image_id for one in outcomes if isinstance(one, Sample)] == ["a.png#2"]
    assert left[0][:2] == ("a.png", "vetoed")
    assert left[1][:2] == ("a.png#3", "face_size")
    assert left[2] == ("a.png#7", "vetoed", "the photo has 3")
    names = [
        one.image_id
        for one in processor(build_estimator=Pair, vetoed=vetoed)(Photo("b.png"))
        if isinstance(one, Sample)
    ]
    assert names == ["b.png"]
