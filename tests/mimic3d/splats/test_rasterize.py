import numpy as np
import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras, project
from mimic3d.splats.rasterize import (
    LOW_PASS,
    Raster,
    project_splats,
    render_splats,
    unproject_gradients,
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


@pytest.fixture
def scene_of_gradients():
    """Splats before a light ground, a camera, a target, and the loss and its gradients."""
    splats, camera, background = random_splats(15, seed=3), camera_at(0.2, 0.05), 0.3
    target = np.random.default_rng(0).random((SIDE, SIDE, 3)).astype(np.float32)

    def loss(splats):
        image, light = Raster(splats, camera, SIDE).composite(splats.colors.numpy())
        error = image + background * light[..., None] - target
        return float(np.square(error).sum(dtype=np.float64) / 2)

    raster = Raster(splats, camera, SIDE)
    image, light = raster.composite(splats.colors.numpy())
    gradient = image + background * light[..., None] - target
    slopes = raster.differentiate(splats.colors.numpy(), light, background, gradient)
    gradients = np.zeros((len(splats), 13), np.float32)
    unproject_gradients(splats, camera, raster, slopes, gradients)
    return splats, loss, gradients


def moved(splats, number, column, step):
    """One splat moved along one of the thirteen columns."""
    parts = {name: getattr(splats, name).clone() for name in splats.__dataclass_fields__}
    if column < 3:
        parts["centers"][number, column] += step
    elif column < 6:
        parts["scales"][number, column - 3] *= np.exp(step)
    elif column < 9:
        turn = torch.zeros(4)
        turn[0], turn[column - 5] = np.cos(step / 2), np.sin(step / 2)
        parts["rotations"][number] = hamilton(parts["rotations"][number], turn)
    elif column == 9:
        parts["opacities"][number] = torch.sigmoid(parts["opacities"][number].logit() + step)
    else:
        parts["colors"][number, column - 10] += step
    return Splats(**parts)


def hamilton(a, b):
    """Product of two quaternions w, x, y, z."""
    imaginary = a[0] * b[1:] + b[0] * a[1:] + torch.linalg.cross(a[1:], b[1:])
    return torch.cat([(a[0] * b[0] - a[1:] @ b[1:])[None], imaginary])


@pytest.mark.parametrize(
    ("columns", "step"), [(range(3), 2e-4), (range(3, 6), 2e-2), (range(6, 9), 3e-2),
                          (range(9, 10), 2e-2), (range(10, 13), 1e-2)],
)  # fmt: skip
def test_gradients_are_those_of_finite_differences(scene_of_gradients, columns, step):
    splats, loss, gradients = scene_of_gradients
    numeric = np.array([
        [(loss(moved(splats, i, c, step)) - loss(moved(splats, i, c, -step))) / (2 * step)
         for c in columns] for i in range(len(splats))
    ])  # fmt: skip
    analytic = gradients[:, list(columns)]
    # pixels at the rim of a splat come and go with a step of 1/255, which the loss feels
    assert np.quantile(np.abs(analytic - numeric), 0.75) < 0.01 * np.abs(numeric).max()
    assert np.corrcoef(analytic.ravel(), numeric.ravel())[0, 1] > 0.99


def test_no_light_is_lost():
    splats, camera = random_splats(200, seed=4), camera_at(0.0, 0.2)
    raster = Raster(splats, camera, SIDE)
    image, light = raster.composite(np.ones((len(splats), 3), np.float32))
    assert image[..., 0] + light == pytest.approx(1.0, abs=1e-4)
    assert raster.shares().sum() == pytest.approx(image[..., 0].sum(), rel=1e-3)


def test_splats_behind_the_camera_are_not_drawn():
    splats, camera = random_splats(5), camera_at(0.0, 0.0)
    turned = Splats(
        splats.centers + torch.tensor([0.0, 0.0, 10.0]), splats.rotations, splats.scales,
        splats.opacities, splats.colors,
    )  # fmt: skip
    _, light = Raster(turned, camera, SIDE).composite(turned.colors.numpy())
    assert (light == 1).all()


def test_without_numba_the_way_out_is_named(monkeypatch):
    monkeypatch.setattr("mimic3d.splats.rasterize.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"numba.*\[fast\]"):
        render_splats(random_splats(1), camera_at(0.0, 0.0), SIDE, 0.0)
