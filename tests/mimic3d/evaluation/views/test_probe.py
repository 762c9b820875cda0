import torch
import truth
import view_scores

from mimic3d.evaluation.context import ALONE, ProcessGroup
from mimic3d.evaluation.truth import held_out_subject, other_subject
from mimic3d.evaluation.views.objects import MARGIN_RAD, draw_angles
from mimic3d.evaluation.views.probe import obtain_probe, photograph_others

PROBING = view_scores.CONSISTENCY.probe
MANIFEST = view_scores.manifest_of()


def obtain(cache, group=ALONE, resolution=16, cfg=PROBING, **changes):
    ctx = view_scores.context(cache, group, resolution=resolution, **changes)
    return obtain_probe(ctx, ctx.manifest.subjects, cfg)


def equal(one, two):
    a, b = one.state_dict(), two.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


def test_it_is_trained_once_per_dataset_resolution_and_config(tmp_path):
    first = obtain(tmp_path)
    (path,) = tmp_path.glob("*.safetensors")
    before = path.stat().st_mtime_ns
    assert equal(obtain(tmp_path), first)
    assert obtain(tmp_path, resolution=64).config == first.config  # sees 16 pixels all the same
    assert path.stat().st_mtime_ns == before
    assert list(tmp_path.glob("*.safetensors")) == [path]
    obtain(tmp_path, fingerprint="cd34")
    obtain(tmp_path, cfg=PROBING.model_copy(update={"num_train_views": 3}))
    assert len(list(tmp_path.glob("*.safetensors"))) == 3


def test_the_number_of_threads_does_not_move_a_bit(tmp_path):
    first = obtain(tmp_path / "one")
    torch.set_num_threads(2)
    assert equal(obtain(tmp_path / "two"), first)
    assert torch.get_num_threads() == 2


def test_the_other_processes_are_handed_it(tmp_path):
    first = obtain(tmp_path)
    handed = obtain(tmp_path / "nothing", ProcessGroup(1, 2, lambda objects: [first, *objects]))
    assert handed is first
    assert not (tmp_path / "nothing").exists()


def test_it_learns_from_subjects_that_nobody_else_sees():
    subjects = MANIFEST.subjects
    views = photograph_others(MANIFEST, subjects, 16, PROBING)
    assert views.images.shape == (3, 2, 3, 16, 16)
    low, high = torch.tensor([-0.3, -0.1]), torch.tensor([0.3, 0.1])
    assert (views.angles >= low - MARGIN_RAD).all()
    assert (views.angles <= high + MARGIN_RAD).all()
    assert len(views.angles.unique()) == 12
    numbers = range(20)
    others = [other_subject(subjects, number).factors() for number in numbers]
    held_out = [held_out_subject(subjects, number).factors() for number in numbers]
    assert not [one for one in others if one in held_out]


def test_a_photo_shows_the_subject_from_its_angles():
    subjects = MANIFEST.subjects
    views = photograph_others(MANIFEST, subjects, 16, PROBING)
    yaw, pitch = views.angles[2, 1]
    cameras = truth.orbit_cameras(yaw[None], pitch[None], truth.SCENE)
    alone = truth.render_true_views([other_subject(subjects, 2)], cameras, 16, subjects)
    difference = views.images[2, 1].float() - (alone.images[0] * 127.5 + 127.5)
    assert difference.abs().max() < 2


def test_drawn_views_belong_to_the_object():
    few, many = draw_angles(MANIFEST, 5, 2, seed=1), draw_angles(MANIFEST, 5, 200, seed=1)
    assert torch.equal(few, many[:2])
    assert not torch.equal(few, draw_angles(MANIFEST, 6, 2, seed=1))
    assert not torch.equal(few, draw_angles(MANIFEST, 5, 2, seed=2))
    assert many.abs().amax(dim=0).tolist() == [torch.tensor(0.3).item(), torch.tensor(0.1).item()]
    assert 0.15 < many[:, 0].std() < 0.3
