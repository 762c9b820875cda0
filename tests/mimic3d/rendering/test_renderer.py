import torch
from torch.testing import assert_close

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.rays import Windows, cast_rays, crop
from mimic3d.rendering import renderer
from mimic3d.rendering.depths import uniform_draws
from mimic3d.rendering.renderer import RenderingConfig, render

SCENE = Scene()
CFG = RenderingConfig(depth_resolution=24, depth_resolution_importance=24)


def ball(features, channels):
    """Opaque ball of radius 0.2 around the origin; planes carry x, y, z and 1 inside the box."""
    radius = features[..., :3].norm(dim=-1, keepdim=True)
    logits = (0.2 - radius) * 2e4 - (1 - features[..., 3:]) * 1e6
    return logits, (features + 0.5)[..., :channels]


def coordinate_planes() -> tuple[torch.Tensor]:
    """Planes whose features at a point (inside the box) are its world coordinates."""
    steps = (torch.arange(128) + 0.5) / 128 - 0.5
    planes = torch.zeros(1, 3, 4, 128, 128)
    planes[:, :, 3] = 1
    for plane, (column, row) in enumerate(((0, 1), (1, 2), (2, 0))):
        planes[0, plane, column] += 1.5 * steps
        planes[0, plane, row] += 1.5 * steps[:, None]
    return (planes,)


def cameras(yaw: float = 0.0):
    return orbit_cameras(torch.tensor([yaw]), torch.tensor([0.1]), SCENE)


def test_depth_and_opacity_of_a_ball():
    rays = cast_rays(cameras(0.3), 33)
    seen = render(coordinate_planes(), ball, rays, SCENE, CFG, 3)
    toward = (rays.directions * -rays.origins).sum(-1)  # distance to the point nearest the centre
    miss = (rays.origins + toward[..., None] * rays.directions).norm(dim=-1)
    hit, clear = miss < 0.18, miss > 0.22
    assert hit.sum() > 100
    expected = toward - (0.2**2 - miss**2).clamp(min=0).sqrt()
    assert (seen.depth[..., 0] - expected)[hit].abs().max() < 0.03
    assert seen.alpha[hit].min() > 0.99
    assert seen.alpha[clear].max() < 0.01
    assert_close(seen.depth[clear], torch.full_like(seen.depth[clear], SCENE.far))
    surface = rays.origins + expected[..., None] * rays.directions
    color_error = ((seen.features + 1) / 2 - (surface + 0.5))[hit]
    assert color_error.abs().max() < 0.03


def test_evaluation_is_deterministic_and_sampling_is_seeded():
    planes = (torch.randn(1, 3, 4, 16, 16),)
    rays = cast_rays(cameras(), 8)
    fixed = [render(planes, ball, rays, SCENE, CFG, 3).features for _ in range(2)]
    assert fixed[0].equal(fixed[1])
    drawn = [
        render(
            planes, ball, rays, SCENE, CFG, 3, uniform_draws(torch.Generator().manual_seed(s))
        ).features
        for s in (0, 0, 1)
    ]
    assert drawn[0].equal(drawn[1])
    assert not drawn[0].equal(drawn[2])


def test_chunks_change_nothing(monkeypatch):
    planes, rays = coordinate_planes(), cast_rays(cameras(), 16)
    with torch.no_grad():
        whole = render(planes, ball, rays, SCENE, CFG, 3)
        monkeypatch.setattr(renderer, "chunk_bytes", lambda device: 4 * 48 * 12 * 50)  # 50 rays
        parts = render(planes, ball, rays, SCENE, CFG, 3)
    for field in ("features", "depth", "alpha"):
        assert_close(getattr(parts, field), getattr(whole, field), rtol=0, atol=1e-6)


def test_a_window_is_the_crop_of_the_whole():
    planes = coordinate_planes()
    whole = render(planes, ball, cast_rays(cameras(), 32), SCENE, CFG, 3).features
    windows = Windows(torch.tensor([5]), torch.tensor([9]), 16)
    part = render(planes, ball, cast_rays(cameras(), 32, windows), SCENE, CFG, 3).features
    image = whole.reshape(1, 32, 32, 3).permute(0, 3, 1, 2)
    assert_close(part.reshape(1, 16, 16, 3).permute(0, 3, 1, 2), crop(image, windows))


def test_white_back_fills_what_is_empty():
    rays = cast_rays(cameras(), 8)
    white = render(
        coordinate_planes(), lambda f, c: (f[..., :1] - 1e3, f[..., :c]),
        rays, SCENE.model_copy(update={"white_back": True}), CFG, 3,
    )  # fmt: skip
    assert_close(white.features, torch.ones_like(white.features))


def test_gradients_reach_planes_through_both_passes():
    planes = (torch.randn(1, 3, 3, 16, 16, requires_grad=True),)
    soft = lambda f, c: (f.sum(-1, keepdim=True), f[..., :c].sigmoid())  # noqa: E731
    seen = render(planes, soft, cast_rays(cameras(), 8), SCENE, CFG, 3)
    (grad,) = torch.autograd.grad(seen.features.sum() + seen.depth.sum(), planes)
    assert grad.isfinite().all()
    assert (grad.abs().amax(dim=(0, 2, 3, 4)) > 0).all()
