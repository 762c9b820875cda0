import pandas as pd
import torch
from einops import rearrange
from torch import nn

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.dataset import Multiview
from mimic3d.evaluation.sampling import SamplingConfig, draw_latents
from mimic3d.evaluation.views import ConsistencyConfig, score_identities, score_multiview
from mimic3d.networks.generator import Generated, Generator, GeneratorConfig, View
from mimic3d.rays import cast_rays

SCENE = Scene(orbit_center=(0.0, 0.0, 0.0), pivot=(0.0, 0.0, 0.0))
FREQUENCIES = torch.tensor([[40.0, 9, 14], [7.0, 45, -20], [11.0, -12, 38]])
CONSISTENCY = ConsistencyConfig(num_identities=3, baselines_rad=(0.05, 0.3))


class PaintedBalls(Generator):
    """A ball with colours of its own per latent: the 3D branch is exact, the 2D branch has a
    pattern glued to the screen and coarse depth."""

    def __init__(self):
        nn.Module.__init__(self)
        self.config = GeneratorConfig(image_resolution=64, neural_rendering_resolution=32, z_dim=2)
        self.scene = SCENE

    def mapping(self, z, c, truncation_psi=1.0):
        return (z + c[:, :2])[:, None]

    def synthesize_planes(self, ws, detail, noise):
        return (ws[:, 0, None, :, None, None].expand(-1, 3, -1, 4, 4),)

    def render_3d(self, planes, cameras, resolution, sampling=None, windows=None):
        rays = cast_rays(cameras, resolution)
        along = (rays.origins * rays.directions).sum(dim=-1)
        inner = along**2 - (rays.origins**2).sum(dim=-1) + 0.25**2
        seen = inner > 0
        depth = torch.where(seen, -along - inner.clamp(min=0).sqrt(), SCENE.far)
        points = rays.origins + depth[..., None] * rays.directions
        phase = planes[0][:, 0, :1, 0, 0, None]
        color = 0.5 * torch.sin(points @ FREQUENCIES + phase) * seen[..., None]
        shape = {"h": resolution}
        return View(
            rearrange(color, "n (h w) c -> n c h w", **shape),
            rearrange(depth, "n (h w) -> n 1 h w", **shape),
            rearrange(seen.float(), "n (h w) -> n 1 h w", **shape),
        )

    def render_2d(self, planes, ws, cameras, sampling=None):
        raw, fine = self.render_3d(planes, cameras, 32), self.render_3d(planes, cameras, 64)
        pattern = 0.2 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
        return Generated(fine.image + pattern, raw.image, raw.depth, raw.alpha)


def front():
    return orbit_cameras(torch.zeros(1), torch.zeros(1), SCENE).labels()


def scores(sampling):
    rows = score_identities(PaintedBalls(), front(), 0.1, 64, CONSISTENCY, sampling)
    return pd.concat(rows, ignore_index=True)


def true_views():
    yaw = torch.tensor([0.0, 0.05, 0.2])
    cameras = orbit_cameras(yaw.repeat(2), torch.zeros(6), SCENE)
    G = PaintedBalls()
    ws = G.mapping(torch.randn(2, 2), front().expand(2, -1)).repeat_interleave(3, dim=0)
    view = G.render_3d(G.synthesize_planes(ws, True, "const"), cameras, 64)
    return Multiview(
        images=view.image.unflatten(0, (2, 3)), depth=view.depth[:, 0].unflatten(0, (2, 3)),
        alpha=view.alpha[:, 0].unflatten(0, (2, 3)),
        labels=cameras.labels().unflatten(0, (2, 3)), yaw=yaw.expand(2, 3),
    )  # fmt: skip


def test_every_object_is_scored_once_per_branch_and_baseline():
    table = scores(SamplingConfig(batch=2))
    keys = table[["branch", "baseline", "identity"]]
    assert len(table) == 2 * 2 * 3
    assert not keys.duplicated().any()
    assert sorted(keys["identity"].unique()) == [0, 1, 2]


def test_the_consistent_branch_wins():
    means = scores(SamplingConfig()).groupby(["branch", "baseline"]).mean()
    for baseline in CONSISTENCY.baselines_rad:
        good, bad = means.loc[("3d", baseline)], means.loc[("2d", baseline)]
        assert good["warp_psnr"] > bad["warp_psnr"] + 5
        assert good["warp_hf"] < bad["warp_hf"] / 2
        assert good["warp_cov"] > 0.4


def test_samples_do_not_depend_on_batch():
    one, many = scores(SamplingConfig(batch=1)), scores(SamplingConfig(batch=3))
    order = ["branch", "baseline", "identity"]
    one, many = (table.sort_values(order, ignore_index=True) for table in (one, many))
    pd.testing.assert_frame_equal(one, many, rtol=1e-4)


def test_latents_have_a_seed_of_their_own():
    z, rows = draw_latents(0, 6, 4, 10, seed=3)
    z_later, rows_later = draw_latents(4, 2, 4, 10, seed=3)
    assert torch.equal(z[4:], z_later)
    assert torch.equal(rows[4:], rows_later)
    assert len(z.unique()) == 24
    assert 0 <= rows.min() <= rows.max() < 10


def test_true_renderings_are_scored_where_their_views_exist():
    cfg = CONSISTENCY.model_copy(update={"baselines_rad": (0.05, 0.2, 0.4)})
    table = pd.concat(score_multiview(true_views(), 64, cfg, SamplingConfig(batch=1)))
    assert set(table["branch"]) == {"ceiling"}
    assert sorted(table["baseline"].unique()) == [0.05, 0.2]
    assert table["warp_psnr"].min() > 30
