import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mimic3d.cameras import Scene
from mimic3d.data.reference import Reals, Validation, split_reals, split_validation
from mimic3d.data.schema import Manifest


def manifest(train, val, mirror):
    return Manifest(
        name="toy", source="given", counts={"train": train, "val": val}, resolution=16,
        resize_filter="none", scene=Scene(), mirror=mirror, average_label=(0.0,) * 25,
        label_std=(0.0,) * 25, poses={}, fingerprint="ab", licence="CC0",
    )  # fmt: skip


@given(
    train=st.integers(2, 40), val=st.integers(0, 40), mirror=st.booleans(),
    share=st.floats(0.01, 1), seed=st.integers(0, 99),
)  # fmt: skip
def test_both_sets_have_the_size_and_share_no_photo(train, val, mirror, share, seed):
    most = (2 if mirror else 1) * min(train, (train + val) // 2)
    num = max(1, int(share * most))
    split = split_reals(manifest(train, val, mirror), num, seed)
    assert len(split.reference) == num
    assert len(split.floor_val) + len(split.floor_train) == num
    for indices in vars(split).values():
        assert len(indices.unique()) == len(indices)
    photos = [set((indices % train).tolist()) for indices in (split.reference, split.floor_train)]
    assert not photos[0] & photos[1]


def test_val_makes_the_floor_when_it_is_large_enough():
    split = split_reals(manifest(8, 8, True), 10, seed=0)
    assert len(split.floor_train) == 0
    assert set((split.floor_val % 8).tolist()) == set(range(5))


def test_too_few_real_images_are_refused():
    split_reals(manifest(6, 3, True), 8, seed=0)
    with pytest.raises(ValueError, match=r"num_images must be at most 8, is 9"):
        split_reals(manifest(6, 3, True), 9, seed=0)


def test_the_reference_is_another_one_for_another_seed():
    one, other = (split_reals(manifest(100, 100, False), 20, seed) for seed in (0, 1))
    assert not torch.equal(one.reference, other.reference)


@given(
    train=st.integers(2, 40), val=st.integers(0, 40), mirror=st.booleans(), num=st.integers(2, 99)
)  # fmt: skip
def test_validation_shares_no_photo_with_any_reference(train, val, mirror, num):
    facts, copies = manifest(train, val, mirror), 2 if mirror else 1
    largest = split_reals(facts, copies * min(train, (train + val) // 2), seed=0)
    if copies * (train + val - len(largest.reference) // copies) < 2:
        return  # hardly anything is left
    split = split_validation(facts, num, "pretrain.monitor")
    photos = [set((indices % train).tolist()) for indices in (largest.reference, split.train)]
    assert not photos[0] & photos[1]
    assert 2 <= split.num <= num
    assert len(split.val) == min(num, copies * val)
    assert len(split.train.unique()) == len(split.train)


def test_validation_says_what_it_is():
    facts = manifest(10, 4, False)
    assert split_validation(facts, 3, "pretrain.monitor").description == "3 of val"
    both = split_validation(facts, 6, "pretrain.monitor")
    assert both.description == "4 of val and 2 of train outside of the reference"
    with pytest.raises(
        ValueError, match=r"pretrain\.monitor\.every_kimg must be 0 .* has 1, val 0"
    ):
        split_validation(manifest(1, 0, False), 6, "pretrain.monitor")


def test_validation_reads_its_images(prepared_project, tmp_path):
    folder = prepared_project / "data" / "tiny"
    data = Validation(folder, tmp_path, 12, "pretrain.monitor")
    images = torch.cat(list(data.batches(5)))
    assert len(images) == data.num == 12
    assert len(images.flatten(1).unique(dim=0)) == 12


def test_any_range_of_a_set_is_that_part_of_it(prepared_project, tmp_path):
    data = Reals(prepared_project / "data" / "tiny", tmp_path, 16, seed=0)
    for which in ("reference", "floor"):
        whole = data.images(which, range(16))
        parts = [data.images(which, range(first, min(first + 3, 16))) for first in range(0, 16, 3)]
        assert torch.cat(parts).equal(whole)
        assert len(whole.flatten(1).unique(dim=0)) == 16
