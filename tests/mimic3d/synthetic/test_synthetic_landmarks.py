import numpy as np
import pytest
import torch
from true_landmarks import find_landmarks

from mimic3d.cameras import project
from mimic3d.preparation.poses.face_template import face_template
from mimic3d.synthetic.catalog import KINDS
from mimic3d.synthetic.identity import HEAD_SCALE
from mimic3d.synthetic.points import Points, Table


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_landmarks_lie_on_the_surface(subject, kind):
    for number in range(3):
        one = subject(number, kind)
        found = find_landmarks(KINDS[kind], one)
        table = Table.build(KINDS[kind].tabulate([one]), 1)
        inside = found.points.T / HEAD_SCALE
        inside[0] *= one.side
        parts = KINDS[kind].parts(Points(inside.astype(np.float32), table, None))
        gaps = np.min([parts[material] for material in KINDS[kind].bare], axis=0)
        assert np.abs(gaps).max() < 1e-3
        assert np.allclose(np.linalg.norm(found.normals, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_landmarks_that_are_seen_project_onto_the_rendered_depth(shoot, orbit, subject, kind):
    cameras, side, met = orbit([0.25], [0.1]), 64, []
    for number in range(3):
        one = subject(number, kind)
        found = find_landmarks(KINDS[kind], one)
        depth = torch.from_numpy(shoot(one, cameras, side, kind=kind)[0].depth[0].copy())
        points = torch.from_numpy(found.points).float()
        pixels, _ = project(points[None], cameras)
        column, row = (pixels[0] * side).floor().long().T
        away = (points - cameras.centers[0]).norm(dim=-1)
        towards = torch.nn.functional.normalize(cameras.centers[0] - points, dim=-1)
        facing = (towards * torch.from_numpy(found.normals).float()).sum(dim=-1) > 0.5
        gap = away - depth[row, column]
        assert gap[facing].min() > -0.02  # none floats before the surface
        met.append((gap[facing].abs() < 0.02).float().mean())
    assert np.mean(met) > 0.6  # hair and glasses hide the others


def test_landmarks_of_heads_are_those_of_the_face_template(subject):
    template = face_template(1.0)
    all_points = []
    for number in range(12):
        found = find_landmarks(KINDS["heads"], subject(number))
        order = [found.names.index(name) for name in template.names]
        assert len(found.names) == len(template.names) == 33
        all_points.append(found.points[order])
    mean = np.mean(all_points, axis=0)
    off = mean - template.points * HEAD_SCALE
    assert np.sqrt((off**2).sum(axis=1).mean()) < 0.04  # our heads are no average of real ones


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_left_and_right_are_the_subjects_own_and_swap_in_a_mirror(subject, kind):
    one = subject(1, kind)
    found, mirrored = (find_landmarks(KINDS[kind], each) for each in (one, one.mirrored()))
    anchors = KINDS[kind].anchors(one)
    places, theirs = (dict(zip(f.names, f.points, strict=True)) for f in (found, mirrored))
    for anchor in anchors:
        if anchor.left != anchor.right:
            assert places[anchor.left][0] > 0 > places[anchor.right][0]
        assert np.allclose(theirs[anchor.left], places[anchor.right] * [-1, 1, 1], atol=1e-6)
