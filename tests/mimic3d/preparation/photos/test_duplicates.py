import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mimic3d.preparation.photos.duplicates import DuplicateIndex, difference_hash


def smooth(seed):
    """A random image without fine detail, as a photo is at 8 px."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((64, 64), Image.Resampling.BICUBIC)


def distance(one, other):
    return (difference_hash(np.asarray(one)) ^ difference_hash(np.asarray(other))).bit_count()


@pytest.mark.parametrize("seed", range(5))
def test_copies_have_near_hashes_and_others_far_ones(seed):
    image = smooth(seed)
    copy = image.resize((32, 32)).resize((64, 64)).point(lambda value: value * 0.8 + 10)
    assert distance(image, copy) <= 4
    assert distance(image, smooth(seed + 100)) > 15
    assert distance(image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 15


def test_a_hash_says_where_the_grey_rises():
    ramp = np.tile(np.arange(0, 90, 10, dtype=np.uint8), (8, 1))
    pixels = np.repeat(ramp[..., None], 3, axis=2)
    assert difference_hash(pixels) == 2**64 - 1
    assert difference_hash(pixels[:, ::-1].copy()) == 0
    pixels[0] = pixels[0, ::-1]
    assert difference_hash(pixels) == 2**56 - 1


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**31), max_bits=st.integers(0, 16))
def test_the_slices_find_what_a_comparison_with_all_finds(seed, max_bits):
    rng = np.random.default_rng(seed)
    hashes = [int.from_bytes(rng.bytes(8), "big") for _ in range(20)]
    for dhash in hashes[:20]:
        flips = rng.choice(64, rng.integers(0, 20), replace=False)
        hashes.append(dhash ^ sum(1 << int(bit) for bit in flips))
    index, kept = DuplicateIndex(max_bits), []
    for number, dhash in enumerate(hashes):
        near = [other for other in kept if (other ^ dhash).bit_count() <= max_bits]
        duplicate = index.add(dhash, str(number))
        assert (duplicate is None) == (not near)
        if duplicate is None:
            kept.append(dhash)
        else:
            assert duplicate[1] == (dhash ^ hashes[int(duplicate[0])]).bit_count()
