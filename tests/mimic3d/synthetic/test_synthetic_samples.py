import dataclasses

import numpy as np
import pytest
from PIL import Image

from mimic3d.data.schema import EVAL_YAWS_RAD, SPLITS
from mimic3d.parallel import ordered_map
from mimic3d.preparation.sources.render_sample import factor_names, render_sample
from mimic3d.preparation.sources.render_tasks import list_render_tasks
from mimic3d.preparation.sources.synthetic import SyntheticConfig
from mimic3d.synthetic import albedo
from mimic3d.synthetic.catalog import identity_of
from mimic3d.synthetic.cats.identity import sample_cat
from mimic3d.synthetic.heads.identity import sample_head


def resize(image, side, how):
    return np.asarray(Image.fromarray(image).resize((side, side), how))


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_subjects_are_drawn_from_their_key_alone_and_differ(kind):
    identities = [identity_of((0, 0, index), kind) for index in range(50)]
    factors = np.asarray([list(one.factors().values()) for one in identities])
    again = identity_of((0, 0, 7), kind)
    assert again == identities[7]
    assert np.isfinite(factors).all()
    assert len(np.unique(factors, axis=0)) == 50
    assert set(factors[:, 0]) == {-1.0, 1.0}  # one and its mirror image are equally likely
    assert (*again.factors(), "yaw_rad", "pitch_rad") == factor_names(kind)
    assert len(set(factor_names(kind))) == len(factor_names(kind))
    varying = (factors.std(axis=0) > 0).mean()
    assert varying > 0.95


def test_every_head_is_parted_lit_and_marked_on_one_side():
    for index in range(200):
        head = sample_head(np.random.default_rng(index))
        assert abs(head.wear.part) >= 0.03
        assert abs(head.paint.mole_x) >= 0.04
        assert abs(head.light.direction[0]) > 0.2
        assert abs(head.shape.smirk) >= 0.02


def test_every_cat_has_a_patch_a_bell_and_light_on_one_side():
    for index in range(200):
        cat = sample_cat(np.random.default_rng(index))
        assert abs(cat.paint.spot_x) >= 0.08
        assert abs(cat.bell) >= 0.02
        assert abs(cat.light.direction[0]) > 0.2


@pytest.mark.parametrize(("kind", "number"), [("heads", 3), ("heads", 4), ("cats", 1)])
def test_a_small_image_is_a_reduced_large_one_and_lacks_its_detail(
    render, orbit, subject, psnr, kind, number
):
    cameras = orbit([0.1], [0.05])
    small, large = (
        render(subject(number, kind), cameras, side, kind=kind)[0].images[0] for side in (64, 128)
    )
    kept = psnr(small, resize(large, 64, Image.Resampling.BOX))
    lost = psnr(resize(small, 128, Image.Resampling.BICUBIC), large)
    assert kept > 26
    assert lost < min(29, kept - 1)


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_fine_texture_shows_at_128_pixels_what_64_cannot_show(
    renderer, orbit, subject, monkeypatch, kind
):
    shot = renderer([subject(1, kind)], orbit([0.2], [0.1]), 128, "constant", kind)
    sharp = shot.render()
    monkeypatch.setattr(albedo, "FOOTPRINT", 2 * albedo.FOOTPRINT)  # that of 64 pixels
    blunt = shot.render()
    lost = (sharp.images.astype(float) - blunt.images)[sharp.alpha > 0]
    assert np.sqrt((lost**2).mean()) > 6  # of 255
    assert (sharp.depth == blunt.depth).all()  # it is paint, not shape


def test_a_subject_belongs_to_one_split_and_only_held_out_ones_have_depth():
    cfg = SyntheticConfig(kind="cats", num_train=4, num_val=2, num_eval=2)
    shots = list_render_tasks(cfg, 7, 16)
    owners = {split: {s.key for name, s in shots if name == split} for split in SPLITS}
    assert {split: len(keys) for split, keys in owners.items()} == {
        "train": 4, "val": 2, "eval_multiview": 2,
    }  # fmt: skip
    assert not owners["train"] & owners["val"]
    views = [shot for name, shot in shots if name == "eval_multiview"]
    assert len(views) == 2 * len(EVAL_YAWS_RAD)
    assert all(shot.depth_where_empty is not None for shot in views)
    sample = render_sample(views[0])
    assert sample.depth is not None
    assert len(sample.depth) == 16 * 16 * 4
    assert sample.factors[-2:] == pytest.approx((EVAL_YAWS_RAD[0], 0))
    assert render_sample(shots[0][1]).depth is None


def test_samples_do_not_depend_on_the_number_of_processes():
    shots = [
        shot
        for _, shot in list_render_tasks(SyntheticConfig(num_train=3, num_val=0, num_eval=1), 5, 16)
    ]
    alone, together = (list(ordered_map(render_sample, shots, num)) for num in (1, 2))
    assert [s.image_id for s in together] == [shot.image_id for shot in shots]
    for a, b in zip(alone, together, strict=True):
        assert (a.image, a.depth, a.mask, a.factors) == (b.image, b.depth, b.mask, b.factors)
    assert len({s.image for s in alone}) == len(alone)


def test_a_shot_says_all_about_its_image():
    (_, shot), *_ = list_render_tasks(SyntheticConfig(num_train=1, num_val=0, num_eval=0), 5, 16)
    assert (
        render_sample(shot).pixels_sha256 == render_sample(dataclasses.replace(shot)).pixels_sha256
    )
    for change in ({"key": (5, 0, 1)}, {"kind": "cats"}, {"specular": 1.0}):
        other = dataclasses.replace(shot, **change)
        assert render_sample(other).pixels_sha256 != render_sample(shot).pixels_sha256
