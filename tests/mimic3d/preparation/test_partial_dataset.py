import hashlib

import pytest

from mimic3d.cameras import Scene
from mimic3d.preparation.partial_dataset import PART, PartialDataset
from mimic3d.preparation.pose import Reject
from mimic3d.preparation.sample import Rejected


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


class Maker:
    """Samples from a list; counts what it was asked for, and may stop."""

    def __init__(self, samples, dies_at=None):
        self.samples, self.dies_at, self.asked = samples, dies_at, []

    def __call__(self, numbers):
        for number in numbers:
            if number == self.dies_at:
                raise KeyboardInterrupt
            self.asked.append(number)
            yield [self.samples[number % len(self.samples)]]


@pytest.fixture
def tasks(make_sample):
    samples = [make_sample(index) for index in range(3)]
    samples.append(
        Rejected("bad", Reject("blur", 3.0, 100.0), pose=samples[0].pose, thumbnail=b"x")
    )
    return [("train", number) for number in range(2 * PART + 9)], samples


def test_a_run_that_was_cut_short_does_only_what_is_missing(tmp_path, tasks):
    numbered, samples = tasks
    whole, cut = Maker(samples), Maker(samples, dies_at=PART + 50)
    steps = list(PartialDataset(tmp_path / "whole", Scene(), True).fill(numbered, whole))
    assert steps == list(range(1, len(numbered) + 1))
    with pytest.raises(KeyboardInterrupt):
        list(PartialDataset(tmp_path / "cut", Scene(), True).fill(numbered, cut))
    again = Maker(samples)
    steps = list(PartialDataset(tmp_path / "cut", Scene(), True).fill(numbered, again))
    assert again.asked == list(range(PART, len(numbered)))
    assert steps == list(range(PART, len(numbered) + 1))
    assert digests(tmp_path / "cut") == digests(tmp_path / "whole")
    third = Maker(samples)
    assert list(PartialDataset(tmp_path / "cut", Scene(), True).fill(numbered, third)) == [
        len(numbered)
    ]
    assert third.asked == []


def test_a_part_in_the_middle_is_made_again_alone(tmp_path, tasks):
    numbered, samples = tasks
    partial = PartialDataset(tmp_path, Scene(), True)
    list(partial.fill(numbered, Maker(samples)))
    before = digests(tmp_path)
    (tmp_path / "kept-000001.parquet").unlink()
    maker = Maker(samples)
    list(partial.fill(numbered, maker))
    assert maker.asked == list(range(PART, 2 * PART))
    assert digests(tmp_path) == before


def test_facts_images_and_thumbnails_are_found_by_their_place(tmp_path, tasks):
    numbered, samples = tasks
    partial = PartialDataset(tmp_path, Scene(), True)
    list(partial.fill(numbered, Maker(samples)))
    assert partial.num_parts == 3
    dhash, _, facts = list(partial.kept_facts(0))[1]
    assert dhash is None
    assert facts["image_id"] == "image-0001"
    assert partial.images([(2, 0), (0, 1)]) == [samples[0].image, samples[1].image]
    assert partial.landmarks([(0, 1)]) == [[]]
    rejected = partial.rejected_facts(2)[0]
    assert (rejected["gate"], rejected["split"]) == ("blur", "train")
    assert rejected["yaw"] == pytest.approx(facts["yaw"], abs=1)
    assert partial.thumbnails([(2, 0)]) == [b"x"]
