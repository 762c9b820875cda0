import numpy as np
import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras, project
from mimic3d.splats.rasterize import (
    LOW_PASS,
    project_splats,
    render_splats,
    splat_footprints,
)
from mimic3d.splats.splats import Splats

pytest.importorskip("numba")
SIDE = 24


def random_splats(num, seed=0, size=0.02):
    rng = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(shape, generator=rng)

    rotations = torch.nn.functional.normalize(torch.randn(num, 4, generator=rng), dim=-1)
    return Splats(
        uniform(num, 3) * 0.3 - 0.15 + torch.tensor([0, 0, 0.2]), rotations,
        size * (0.3 + uniform(num, 3)), 0.1 + 0.85 * uniform(num), uniform(num, 3),
    )  # fmt: skip


def camera_at(yaw, pitch):
    return orbit_cameras(torch.tensor([yaw]), torch.tensor([pitch]), Scene())


def test_ellipses_are_the_moments_of_projected_points():
    """Points drawn from a small splat, projected one by one, have its centre and covariance."""
    splats, camera = random_splats(3, size=0.004), camera_at(0.4, -0.2)
    ellipses = project_splats(splats, camera, 256)
    rng = torch.Generator().manual_seed(1)
    for i in range(3):
        root = torch.linalg.cholesky(splats.covariances()[i])
        points = splats.centers[i] + torch.randn(40_000, 3, generator=rng) @ root.T
        places, depths = project(points[None], camera)
        pixels = places[0] * 256 - 0.5
        xx, xy, yy = ellipses[i, 2:5]
        expected = torch.cov(pixels.T).numpy() + LOW_PASS * np.eye(2)
        assert np.linalg.inv([[xx, xy], [xy, yy]]) == pytest.approx(expected, rel=0.05, abs=0.02)
        assert ellipses[i, :2] == pytest.approx(pixels.mean(0).numpy(), abs=0.02)
        assert ellipses[i, 5] == pytest.approx(float(depths.mean()), abs=1e-3)


def blended_slowly(splats, camera, background):
    """The image by the definition, pixel by pixel over all splats, in float64."""
    ellipses = project_splats(splats, camera, SIDE).astype(np.float64)
    colors, opacities = splats.colors.double().numpy(), splats.opacities.double().numpy()
    image = np.zeros((SIDE, SIDE, 3))
    for row in range(SIDE):
        for column in range(SIDE):
            light = 1.0
            for i in np.argsort(ellipses[:, 5]):
                offset = np.array([column, row]) - ellipses[i, :2]
                xx, xy, yy = ellipses[i, 2:5]
                exponent = offset @ np.array([[xx, xy], [xy, yy]]) @ offset / 2
                alpha = opacities[i] * np.exp(-exponent)
                if alpha >= 1 / 255:
                    image[row, column] += light * alpha * colors[i]
                    light *= 1 - alpha
            image[row, column] += light * background
    return image


@pytest.mark.parametrize("background", [0.0, 1.0])
def test_pictures_are_those_of_the_definition(background):
    splats, camera = random_splats(40), camera_at(-0.3, 0.1)
    shown = render_splats(splats, camera, SIDE, background)[0].permute(1, 2, 0).numpy() / 2 + 0.5
    assert shown == pytest.approx(blended_slowly(splats, camera, background), abs=2e-3)


def test_gradients_are_those_of_finite_differences():
    splats, camera, background = random_splats(15, seed=3), camera_at(0.2, 0.0), 0.3
    footprints = splat_footprints(splats, camera, SIDE)
    opacities, colors = splats.opacities.numpy(), splats.colors.numpy()
    target = np.random.default_rng(0).random((SIDE**2, 3)).astype(np.float32)

    def loss(opacities, colors):
        image, light = footprints.composite(opacities, colors)
        return np.square(image + background * light[:, None] - target).sum(dtype=np.float64) / 2

    image, light = footprints.composite(opacities, colors)
    gradient = image + background * light[:, None] - target
    analytic = footprints.differentiate(opacities, colors, light, background, gradient)
    step = np.float32(1e-2)
    for i in range(0, 15, 3):
        moved = np.zeros_like(opacities)
        moved[i] = step
        numeric = (loss(opacities + moved, colors) - loss(opacities - moved, colors)) / (2 * step)
        assert analytic.by_opacity[i] == pytest.approx(numeric, rel=0.02, abs=0.02)
        tinted = np.zeros_like(colors)
        tinted[i, 1] = step
        numeric = (loss(opacities, colors + tinted) - loss(opacities, colors - tinted)) / (2 * step)
        assert analytic.by_color[i, 1] == pytest.approx(numeric, rel=0.02, abs=0.02)


def test_no_light_is_lost():
    splats, camera = random_splats(200, seed=4), camera_at(0.0, 0.2)
    footprints = splat_footprints(splats, camera, SIDE)
    ones = np.ones((len(splats), 1), np.float32)
    image, light = footprints.composite(splats.opacities.numpy(), ones)
    assert image[:, 0] + light == pytest.approx(1.0, abs=1e-4)
    shares = footprints.shares(splats.opacities.numpy())
    assert shares.sum() == pytest.approx(image.sum(), rel=1e-3)


def test_splats_behind_the_camera_are_not_drawn():
    splats, camera = random_splats(5), camera_at(0.0, 0.0)
    turned = Splats(
        splats.centers + torch.tensor([0.0, 0.0, 10.0]), splats.rotations, splats.scales,
        splats.opacities, splats.colors,
    )  # fmt: skip
    assert len(splat_footprints(turned, camera, SIDE).pixels) == 0


def test_without_numba_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr("mimic3d.splats.rasterize.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"numba.*\[fast\]"):
        render_splats(random_splats(1), camera_at(0.0, 0.0), SIDE, 0.0)
