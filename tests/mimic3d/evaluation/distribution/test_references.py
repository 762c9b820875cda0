from dataclasses import replace

import pytest
import torch

from mimic3d.data.reference import Reals
from mimic3d.evaluation.distribution.features import Eye
from mimic3d.evaluation.distribution.references import Album
from mimic3d.evaluation.share import ALONE
from mimic3d.metrics.feature_networks import ProbeFeatures
from mimic3d.metrics.features import RandomConvFeatures, to_uint8
from mimic3d.metrics.probe import Probe, ProbeConfig
from mimic3d.metrics.sliced_wasserstein import PatchConfig


class Heard:
    """What `advance` was told."""

    def __init__(self):
        self.texts, self.total = set(), 0

    def __call__(self, amount, text):
        self.total += amount
        if amount:
            self.texts.add(text)


PATCHES = PatchConfig(patches_per_image=2)
PROBE = ProbeConfig(resolution=16, channels=8, feature_dim=6)


@pytest.fixture
def album(reals, tmp_path):
    eye = Eye((RandomConvFeatures(),), PATCHES)
    return Album(reals, 16, eye, torch.device("cpu"), tmp_path / "references")


def look(album, which="reference"):
    heard = Heard()
    found = album.look(which, ALONE, heard)
    assert heard.total == album.data.num
    return found, heard.texts == {"looking at real images"}


def same(one, other):
    assert one.features.keys() == other.features.keys()
    assert one.patches.sides == other.patches.sides
    return all(a.equal(other.features[key]) for key, a in one.features.items()) and all(
        a.equal(b) for a, b in zip(one.patches.levels, other.patches.levels, strict=True)
    )


def test_real_images_are_looked_at_once(album):
    first, made = look(album)
    again, made_again = look(album)
    assert (made, made_again) == (True, False)
    assert same(first, again)
    expected = RandomConvFeatures()(to_uint8(album.data.images("reference", range(8))))
    torch.testing.assert_close(first.features["random_conv"], expected)


def test_both_sets_are_kept_apart(album):
    reference, _ = look(album)
    floor, made = look(album, "floor")
    assert made
    assert not same(reference, floor)


@pytest.mark.parametrize("change", ["resolution", "patches", "network", "num", "seed", "images"])
def test_everything_that_matters_is_looked_at_anew(album, change, prepared_project, tmp_path):
    look(album)
    folder = prepared_project / "data" / "tiny"
    if change == "resolution":
        other = replace(album, resolution=32)
    elif change == "patches":
        other = replace(album, eye=replace(album.eye, patches=PatchConfig(patches_per_image=3)))
    elif change == "network":
        networks = (ProbeFeatures(Probe(PROBE)),)
        other = replace(album, eye=replace(album.eye, networks=networks))
    elif change in ("num", "seed"):
        num, seed = (7, 0) if change == "num" else (8, 1)
        other = replace(album, data=Reals(folder, tmp_path / "pixels", num, seed))
    else:
        data = Reals(folder, tmp_path / "pixels", 8, 0)
        data.manifest = data.manifest.model_copy(update={"fingerprint": "another"})
        other = replace(album, data=data)
    assert look(other)[1]
    assert not look(other)[1]
    assert not look(album)[1]  # what was kept before still is


def test_a_new_network_leaves_the_others_alone(album):
    before, _ = look(album)
    kept = album.path("reference", "random_conv")
    stamp = kept.stat().st_mtime_ns
    networks = (*album.eye.networks, ProbeFeatures(Probe(PROBE).eval()))
    found, made = look(replace(album, eye=replace(album.eye, networks=networks)))
    assert made
    assert kept.stat().st_mtime_ns == stamp
    assert found.features["random_conv"].equal(before.features["random_conv"])
    assert found.features["probe"].shape == (8, 6)


def flip_bit(path, _):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def cut(path, _):
    path.write_bytes(path.read_bytes()[:-1])


def fill_with_text(path, _):
    path.write_text("not a file of ours")


def put_another(path, other):
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("harm", [flip_bit, cut, fill_with_text, put_another])
def test_damaged_and_foreign_files_are_made_anew(album, harm):
    first, _ = look(album)
    look(album, "floor")
    harm(album.path("reference", "random_conv"), album.path("floor", "random_conv"))
    again, made = look(album)
    assert made
    assert same(first, again)
    assert not look(album)[1]
    names = [path.name for path in album.folder.iterdir()]
    assert len(names) == 4
    assert not any(name.startswith(".part") for name in names)
