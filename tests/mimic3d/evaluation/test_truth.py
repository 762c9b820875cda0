import pytest
import torch

from mimic3d.cameras import cameras_from_labels, orbit_cameras
from mimic3d.data.dataset import load_multiview
from mimic3d.data.schema import EVAL_YAWS_RAD, Subjects, load_manifest
from mimic3d.evaluation.truth import held_out_subject, render_true_views
from mimic3d.synthetic.scene import SYNTHETIC_SCENE
from pipeline.tracking.tracker import SilentTracker
from stages import prepare

CATS = {"kind": "cats", "num_train": 2, "num_val": 1, "num_eval": 2, "specular": 0.2}


@pytest.mark.parametrize("synthetic", [CATS, CATS | {"kind": "heads", "background": "constant"}])
def test_the_views_of_the_dataset_can_be_taken_again(tmp_path, synthetic):
    cfg = {"name": "toy", "resolution": 16, "seed": 3, "synthetic": synthetic}
    prepare.run(prepare.PrepareConfig.model_validate(cfg), tmp_path, SilentTracker())
    folder = tmp_path / "data" / "toy"
    subjects = load_manifest(folder).subjects
    assert subjects is not None
    assert subjects.kind == synthetic["kind"]
    known = load_multiview(folder, tmp_path / "cache")
    assert known is not None
    views = len(EVAL_YAWS_RAD)
    shown = [held_out_subject(subjects, number) for number in range(2) for _ in range(views)]
    cameras = cameras_from_labels(known.labels.flatten(0, 1))
    found = render_true_views(shown, cameras, 16, subjects)
    assert (found.images - known.images.flatten(0, 1)).abs().max() < 2.5 / 127.5
    torch.testing.assert_close(found.depth[:, 0], known.depth.flatten(0, 1), rtol=0, atol=1e-3)
    torch.testing.assert_close(found.alpha[:, 0], known.alpha.flatten(0, 1), rtol=0, atol=0.01)


def test_empty_rays_see_the_far_end():
    subjects = Subjects(kind="heads", seed=0, background="constant", specular=0)
    cameras = orbit_cameras(torch.zeros(1), torch.zeros(1), SYNTHETIC_SCENE)
    views = render_true_views([held_out_subject(subjects, 0)], cameras, 16, subjects)
    assert (views.depth[views.alpha == 0] == SYNTHETIC_SCENE.far).all()
    assert views.depth[views.alpha == 1].max() < SYNTHETIC_SCENE.far
    assert (views.alpha == 0).any()
