from dataclasses import replace

import pytest
import torch

from mimic3d.data.reference import Reals
from mimic3d.evaluation.distribution.features import FeatureExtractor
from mimic3d.evaluation.distribution.references import ReferenceFeatureCache
from mimic3d.metrics.feature_networks import ProbeFeatures
from mimic3d.metrics.features import RandomConvFeatures, to_uint8
from mimic3d.metrics.probe import Probe, ProbeConfig
from mimic3d.metrics.sliced_wasserstein import PatchConfig


class Heard:
    """All that `advance` was told."""

    def __init__(self):
        self.texts, self.total = set(), 0

    def __call__(self, amount, text):
        self.total += amount
        if amount:
            self.texts.add(text)


PATCHES = PatchConfig(patches_per_image=2)
PROBE = ProbeConfig(resolution=16, channels=8, feature_dim=6)


@pytest.fixture
def kept(reals, context):
    extractor = FeatureExtractor((RandomConvFeatures(),), PATCHES)
    return ReferenceFeatureCache(context, reals, extractor)


def features(kept, which="reference"):
    heard = Heard()
    kept = replace(kept, ctx=replace(kept.ctx, advance=heard))
    images = kept.features(which)
    assert heard.total == kept.data.num
    return images, heard.texts == {"features of real images"}


def same(one, other):
    assert one.features.keys() == other.features.keys()
    assert one.patches.sides == other.patches.sides
    return all(a.equal(other.features[key]) for key, a in one.features.items()) and all(
        a.equal(b) for a, b in zip(one.patches.levels, other.patches.levels, strict=True)
    )


def test_features_of_real_images_are_extracted_once(kept):
    first, made = features(kept)
    again, made_again = features(kept)
    assert (made, made_again) == (True, False)
    assert same(first, again)
    expected = RandomConvFeatures()(to_uint8(kept.data.images("reference", range(8))))
    torch.testing.assert_close(first.features["random_conv"], expected)


def test_both_sets_are_kept_apart(kept):
    reference, _ = features(kept)
    floor, made = features(kept, "floor")
    assert made
    assert not same(reference, floor)


@pytest.mark.parametrize("change", ["resolution", "patches", "network", "num", "seed", "images"])
def test_everything_that_matters_is_extracted_anew(kept, change, prepared_project, tmp_path):
    features(kept)
    folder = prepared_project / "data" / "tiny"
    if change == "resolution":
        other = replace(kept, ctx=replace(kept.ctx, resolution=32))
    elif change == "patches":
        other = replace(
            kept, extractor=replace(kept.extractor, patches=PatchConfig(patches_per_image=3))
        )
    elif change == "network":
        networks = (ProbeFeatures(Probe(PROBE)),)
        other = replace(kept, extractor=replace(kept.extractor, networks=networks))
    elif change in ("num", "seed"):
        num, seed = (7, 0) if change == "num" else (8, 1)
        other = replace(kept, data=Reals(folder, tmp_path / "pixels", num, seed))
    else:
        data = Reals(folder, tmp_path / "pixels", 8, 0)
        data.manifest = data.manifest.model_copy(update={"fingerprint": "another"})
        other = replace(kept, data=data)
    assert features(other)[1]
    assert not features(other)[1]
    assert not features(kept)[1]  # what was kept before still is


def test_a_new_network_leaves_the_others_alone(kept):
    before, _ = features(kept)
    path = kept.path("reference", "random_conv")
    stamp = path.stat().st_mtime_ns
    networks = (*kept.extractor.networks, ProbeFeatures(Probe(PROBE).eval()))
    images, made = features(replace(kept, extractor=replace(kept.extractor, networks=networks)))
    assert made
    assert path.stat().st_mtime_ns == stamp
    assert images.features["random_conv"].equal(before.features["random_conv"])
    assert images.features["probe"].shape == (8, 6)


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
def test_damaged_and_foreign_files_are_made_anew(kept, harm):
    first, _ = features(kept)
    features(kept, "floor")
    harm(kept.path("reference", "random_conv"), kept.path("floor", "random_conv"))
    again, made = features(kept)
    assert made
    assert same(first, again)
    assert not features(kept)[1]
    names = [path.name for path in (kept.ctx.cache / "references").iterdir()]
    assert len(names) == 4
    assert not any(name.startswith(".part") for name in names)
