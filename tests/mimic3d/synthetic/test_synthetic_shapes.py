import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mimic3d.synthetic import light
from mimic3d.synthetic.albedo import Texture
from mimic3d.synthetic.catalog import KINDS, identity_of
from mimic3d.synthetic.points import ParameterTable, Points
from mimic3d.synthetic.primitives import (
    Capsule,
    Ellipsoid,
    Sphere,
    smooth_max,
    smooth_min,
    vector,
)


def cloud(num, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (3, num)).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_bodies_are_zero_on_their_surface_and_signed_beside_it(seed):
    rng = np.random.default_rng(seed)
    center, radii = rng.uniform(-0.2, 0.2, (3, 1)), rng.uniform(0.05, 0.3, (3, 1))
    out = rng.standard_normal((3, 50))
    out = out / np.linalg.norm(out, axis=0)
    bodies = [
        (Sphere(center, float(radii[0, 0])), radii[0, 0] * out),
        (Ellipsoid.of(center, radii), radii * out),
    ]
    for body, surface in bodies:
        for factor, sign in ((0.8, -1), (1.0, 0), (1.2, 1)):
            d = body.distance((center + factor * surface).astype(np.float32))
            assert (np.abs(d) < 1e-4).all() if sign == 0 else (np.sign(d) == sign).all()


def test_a_capsule_is_as_far_as_the_nearest_point_of_its_segment():
    start, end = vector(-0.1, 0.2, 0.0), vector(0.3, -0.1, 0.2)
    points = cloud(100)
    along = start + np.linspace(0, 1, 2001) * (end - start)
    slow = np.linalg.norm(points[:, :, None] - along[:, None], axis=0).min(axis=1) - 0.05
    table = ParameterTable.build({"group": {"body": Capsule.of(start, end, 0.05, 0.05)}}, 1)
    assert np.allclose(table.of("group", None).body.distance(points), slow, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), k=st.floats(0.005, 0.1))
def test_smooth_union_is_the_union_but_near_the_seam(seed, k):
    a, b = np.random.default_rng(seed).uniform(-1, 1, (2, 100)).astype(np.float32)
    union = smooth_min(a, b, k)
    assert (union <= np.minimum(a, b) + 1e-6).all()
    assert (union >= np.minimum(a, b) - k / 4 - 1e-6).all()
    apart = np.abs(a - b) > k
    assert (union[apart] == np.minimum(a, b)[apart]).all()
    assert np.allclose(smooth_max(a, b, k), -smooth_min(-a, -b, k), atol=1e-6)


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_points_of_many_owners_are_as_far_as_those_of_each(kind):
    identities = [identity_of((2, 0, index), kind) for index in range(6)]
    xyz, owners = cloud(600), np.arange(600) % 6
    table = ParameterTable.build(KINDS[kind].tabulate(identities), 6)
    together = light.distance(KINDS[kind], Points(xyz, table, owners))
    for index, one in enumerate(identities):
        alone = ParameterTable.build(KINDS[kind].tabulate([one]), 1)
        mine = owners == index
        d = light.distance(KINDS[kind], Points(xyz[:, mine], alone, None))
        assert np.allclose(d, together[mine], atol=1e-5)


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_distances_are_hardly_ever_steeper_than_one(kind):
    """Steps of a ray are as long as the distance, so a steeper one would lead through a surface."""
    table = ParameterTable.build(KINDS[kind].tabulate([identity_of((3, 0, 1), kind)]), 1)
    xyz = cloud(4000, 1)
    step = np.random.default_rng(2).standard_normal((3, 4000)).astype(np.float32)
    step *= 2e-3 / np.linalg.norm(step, axis=0)
    here, there = (light.distance(KINDS[kind], Points(p, table, None)) for p in (xyz, xyz + step))
    before_cameras = (np.abs(here) < 0.1) & (xyz[2] > -0.1)
    steep = np.abs(there - here)[before_cameras] / 2e-3
    assert np.quantile(steep, 0.99) < 1.1


def test_an_unknown_parameter_is_named():
    table = ParameterTable.build({"group": {"known": 1.0}}, 1)
    with pytest.raises(AttributeError, match="no parameter unknown among"):
        _ = table.of("group", None).unknown


@pytest.mark.parametrize("frequency", [100.0, 400.0])
def test_texture_fades_as_pixels_grow(frequency):
    phase = np.linspace(0, 50, 500, dtype=np.float32)
    sizes = [np.full_like(phase, size) for size in (1e-4, 5e-3, 2e-2)]
    fine, medium, coarse = (Texture(size).wave(phase, frequency).std() for size in sizes)
    assert fine > medium > coarse
    assert fine == pytest.approx(np.sin(phase).std(), rel=0.01)
    assert Texture(np.full_like(phase, 4 / frequency)).wave(phase, frequency).std() < 0.3
