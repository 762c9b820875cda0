import numpy as np
import pytest
import torch
from true_landmarks import find_landmarks

from mimic3d.cameras import project
from mimic3d.preparation.poses.face_template import face_template
from mimic3d.synthetic.catalog import KINDS
from mimic3d.synthetic.identity import HEAD_SCALE
from mimic3d.synthetic.points import ParameterTable, Points


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_landmarks_lie_on_the_surface(subject, kind):
    for number in range(3):
        one = subject(number, kind)
        surface_points = find_landmarks(KINDS[kind], one)
        table = ParameterTable.build(KINDS[kind].tabulate([one]), 1)
        inside = surface_points.points.T / HEAD_SCALE
        inside[0] *= one.side
        parts = KINDS[kind].parts(Points(inside.astype(np.float32), table, None))
        gaps = np.min([parts[material] for material in KINDS[kind].landmark_materials], axis=0)
        assert np.abs(gaps).max() < 1e-3
        assert np.allclose(np.linalg.norm(surface_points.normals, axis=1), 1, atol=1e-4)


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_landmarks_that_are_seen_project_onto_the_rendered_depth(render, orbit, subject, kind):
    cameras, side, met = orbit([0.25], [0.1]), 64, []
    for number in range(3):
        one = subject(number, kind)
        surface_points = find_landmarks(KINDS[kind], one)
        depth = torch.from_numpy(render(one, cameras, side, kind=kind)[0].depth[0].copy())
        points = torch.from_numpy(surface_points.points).float()
        pixels, _ = project(points[None], cameras)
        column, row = (pixels[0] * side).floor().long().T
        away = (points - cameras.centers[0]).norm(dim=-1)
        towards = torch.nn.functional.normalize(cameras.centers[0] - points, dim=-1)
        facing = (towards * torch.from_numpy(surface_points.normals).float()).sum(dim=-1) > 0.5
        gap = away - depth[row, column]
        assert gap[facing].min() > -0.02  # none floats before the surface
        met.append((gap[facing].abs() < 0.02).float().mean())
    assert np.mean(met) > 0.6  # hair and glasses hide the others


def test_landmarks_of_heads_are_those_of_the_face_template(subject):
    template = face_template(1.0)
    all_points = []
    for number in range(12):
        surface_points = find_landmarks(KINDS["heads"], subject(number))
        order = [surface_points.names.index(name) for name in template.names]
        assert len(surface_points.names) == len(template.names) == 33
        all_points.append(surface_points.points[order])
    mean = np.mean(all_points, axis=0)
    off = mean - template.points * HEAD_SCALE
    assert np.sqrt((off**2).sum(axis=1).mean()) < 0.04  # our heads are no average of real ones


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_left_and_right_are_the_subjects_own_and_swap_in_a_mirror(subject, kind):
    one = subject(1, kind)
    surface_points, mirrored = (find_landmarks(KINDS[kind], each) for each in (one, one.mirrored()))
    landmarks = KINDS[kind].landmarks(one)
    places, theirs = (dict(zip(f.names, f.points, strict=True)) for f in (surface_points, mirrored))
    for guess in landmarks:
        if guess.left != guess.right:
            assert places[guess.left][0] > 0 > places[guess.right][0]
        assert np.allclose(theirs[guess.left], places[guess.right] * [-1, 1, 1], atol=1e-6)
