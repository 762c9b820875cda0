import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mimic3d.preparation.photos.duplicates import (
    DuplicateIndex,
    are_alike,
    difference_hash,
    miniature,
)


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


def stepped(signs, rng):
    """Blocks of grey that rise where the signs say, by random amounts."""
    steps = np.concatenate(
        [rng.uniform(-40, 40, (8, 1)), signs * rng.uniform(1, 9, (8, 8))], axis=1
    )
    greys = (128 + steps.cumsum(axis=1)).round().clip(0, 255).astype(np.uint8)
    return np.repeat(greys.repeat(8, axis=0).repeat(8, axis=1)[..., None], 3, axis=2)


@pytest.mark.parametrize("seed", range(5))
def test_near_hashes_of_other_pictures_are_no_copies(seed):
    """Greys rise in the same places by other amounts, as of two heads before one backdrop."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1, 1], (8, 8))
    image, other = stepped(signs, rng), stepped(signs, rng)
    copy = np.asarray(Image.fromarray(image).resize((48, 48)).resize((72, 64))) // 2 + 40
    assert distance(image, other) <= 4  # as near as a copy
    index = DuplicateIndex(4)
    assert index.add(difference_hash(image), "first", miniature(image)) is None
    assert index.add(difference_hash(other), "other", miniature(other)) is None
    duplicate = index.add(difference_hash(copy), "copy", miniature(copy))
    assert duplicate is not None
    assert duplicate[0] == "first"


def test_flat_pictures_are_alike_and_without_greys_the_hash_decides():
    dark, light = (np.full((32, 32, 3), grey, np.uint8) for grey in (20, 200))
    ramp = np.repeat(np.arange(32, dtype=np.uint8)[None, :, None] * 8, 32, axis=0).repeat(3, axis=2)
    assert are_alike(miniature(dark), miniature(light))
    assert not are_alike(miniature(dark), miniature(ramp))
    assert are_alike(b"", miniature(ramp))
