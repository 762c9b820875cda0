import math
from dataclasses import replace

import numpy as np
import pytest

from mimic3d.cameras import Scene
from mimic3d.preparation.gates import GatesConfig
from mimic3d.preparation.partial_dataset import PartialDataset
from mimic3d.preparation.pose import Reject
from mimic3d.preparation.review import (
    ImageOutcome,
    check_outcomes,
    circular_deviation,
    collect_outcomes,
    count_gates,
    rejects_table,
    thumbnails_of,
)
from mimic3d.preparation.sample import Rejected


def kept(num, spread=0.3):
    return [ImageOutcome(f"{index}", "train", yaw=spread * math.sin(index)) for index in range(num)]


def rejected(num, gate="blur"):
    return [ImageOutcome(f"bad-{index}", "train", gate, 1.0, 2.0) for index in range(num)]


def check(outcomes, **gates):
    check_outcomes(outcomes, GatesConfig(**gates), "rejects.csv")


def test_of_near_copies_the_first_is_kept(tmp_path, make_sample):
    hashes = [0b1111, 0b1111 << 30, 0b0111, None, 0b1111 << 30]
    samples = [replace(make_sample(index), dhash=dhash) for index, dhash in enumerate(hashes)]
    before = [Rejected("odd", Reject("name", 0.0, 1.0))] * 2
    partial = PartialDataset(tmp_path, Scene(), True)
    list(
        partial.fill(
            [("train", sample) for sample in samples], lambda all_: ([one] for one in all_)
        )
    )
    outcomes = collect_outcomes(partial, before, 4)
    gates = ["name", "name", "ok", "ok", "duplicate", "ok", "duplicate"]
    assert [item.gate for item in outcomes] == gates
    copy = outcomes[4]
    assert (copy.value, copy.threshold) == (1, 4)
    assert copy.reason == "a near copy, 1 of 64 bits differ (of image-0000)"
    pictures = [sample.image for sample in reversed(samples)]
    assert thumbnails_of(outcomes[::-1], partial) == [*pictures, b"", b""]
    assert all(item.is_kept for item in collect_outcomes(partial, [], None))
    assert count_gates(outcomes) == {"duplicate": 2, "name": 2}
    table = rejects_table(outcomes).to_pylist()
    assert [row["image_id"] for row in table] == ["image-0002", "image-0004", "odd", "odd"]


def test_a_good_set_passes():
    check([*kept(20), *rejected(20)])


def test_too_many_rejects_are_an_error_that_names_their_gates():
    outcomes = [*kept(20), *rejected(19), *rejected(2, "yaw")]
    with pytest.raises(ValueError, match=r"21 of 41 images are rejected \(19 blur, 2 yaw\)"):
        check(outcomes)
    check(outcomes, max_rejected_share=0.6)


def test_photos_without_a_face_have_a_limit_of_their_own():
    outcomes = [*kept(20), *rejected(19), *rejected(70, "no_face"), *rejected(60, "presence")]
    check(outcomes)
    more = [*outcomes, *rejected(300, "no_face")]
    with pytest.raises(ValueError, match=r"max_faceless_share .*= 0.9, 430 of 469 photos show no"):
        check(more)
    check(more, max_faceless_share=1)


def test_files_that_are_no_images_and_vetoes_are_not_held_against_the_images():
    check([*kept(20), *rejected(50, "suffix"), *rejected(50, "vetoed")])


def test_too_few_images_are_an_error():
    with pytest.raises(ValueError, match=r"min_kept must be reached = 10, 9 of 9 images"):
        check(kept(9))
    with pytest.raises(ValueError, match=r"min_kept .* 9 of 11 .* \(rejected: 2 blur\)"):
        check([*kept(9), *rejected(2)])


def test_images_from_one_side_only_are_an_error():
    with pytest.raises(ValueError, match=r"min_yaw_spread_deg must be reached = 1, the yaws of 20"):
        check(kept(20, spread=0.01))
    check(kept(20, spread=0.01), min_yaw_spread_deg=0)


def test_the_deviation_of_directions_has_no_edge():
    small = np.random.default_rng(0).normal(0, 0.2, 2000)
    assert circular_deviation(small) == pytest.approx(0.2, rel=0.05)
    assert circular_deviation(small + math.pi) == pytest.approx(0.2, rel=0.05)
    assert circular_deviation(np.zeros(3)) == 0
    assert circular_deviation(np.array([0, math.pi])) > 5
