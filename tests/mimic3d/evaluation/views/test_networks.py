import hashlib

import pytest
import torch
import view_scores
from torch import Tensor, nn

from mimic3d.evaluation.views.config import ConsistencyConfig
from mimic3d.evaluation.views.networks import check_views
from mimic3d.losses.perceptual import LAYERS, Perceptual

PLAIN = view_scores.CONSISTENCY.model_dump() | {"scores": ["warp"], "baselines_rad": [0.05]}


class MeanColors(nn.Module):
    """Stands in for ArcFace."""

    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, 4).flatten(1)


class Frontal(nn.Module):
    """Stands in for Deep3DFaceRecon: sees a tilted plane from the front in every picture."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        num, side = images.shape[0], images.shape[2]
        depth = torch.arange(side).float().expand(num, 1, side, side)
        return torch.zeros(num, 3), depth, torch.ones(num, 1, side, side)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weight files as users bring them, of untrained stand-ins."""
    folder = tmp_path_factory.mktemp("weights")
    for name, network in (("arcface", MeanColors()), ("deep3d", Frontal())):
        torch.jit.script(network).save(str(folder / f"{name}.pt"))
    network = Perceptual()
    vgg, linear = {}, {}
    for index, conv in zip(LAYERS, network.convolutions(), strict=True):
        vgg |= {f"features.{index}.weight": conv.weight, f"features.{index}.bias": conv.bias}
    for index, weight in enumerate(network.linear):
        linear[f"lin{index}.model.1.weight"] = weight.data[None, :, None, None]
    torch.save({name: value.detach() for name, value in vgg.items()}, folder / "vgg.pth")
    torch.save(linear, folder / "linear.pth")
    return folder


def with_all(files):
    return ConsistencyConfig.model_validate(
        PLAIN
        | {
            "faces": {
                name: {"weights": str(files / f"{name}.pt")} for name in ("arcface", "deep3d")
            },
            "lpips": {
                "vgg16_weights": str(files / "vgg.pth"),
                "lpips_weights": str(files / "linear.pth"),
            },
        }
    )


def test_networks_that_are_brought_score_all_branches(files, tmp_path):
    cfg = with_all(files)
    check_views(cfg, tmp_path)
    scored = view_scores.score(tmp_path, cfg)
    value = scored.samples.set_index(["branch", "metric", "identity"])["value"]
    names = ("warp_lpips_at_0.05", "arcface_id", "deep3d_pose", "deep3d_depth")
    for branch in ("2d", "3d", "ceiling"):
        for name in names:
            for identity in range(3):
                assert torch.tensor(value[branch, name, identity]).isfinite()
        assert value[branch, "arcface_id", 0] < 1  # two different views
    assert value["3d", "warp_lpips_at_0.05", 0] < value["2d", "warp_lpips_at_0.05", 0]
    digest = hashlib.sha256((files / "arcface.pt").read_bytes()).hexdigest()
    assert scored.protocol.networks["arcface"] == digest
    assert set(scored.protocol.networks) == {"arcface", "deep3d", "vgg16", "lpips"}
    assert str(files) not in scored.protocol.model_dump_json()
    assert scored.protocol.settings["arcface"] == {"left": 0.0, "top": 0.0, "side": 1.0}


@pytest.mark.parametrize("group", ["faces", "lpips"])
def test_a_missing_file_is_one_clear_error_before_anything_starts(files, tmp_path, group):
    lost = str(tmp_path / "lost.pt")
    changes = {
        "faces": {"faces": {"deep3d": {"weights": lost}}},
        "lpips": {"lpips": {"vgg16_weights": str(files / "vgg.pth"), "lpips_weights": lost}},
    }
    key = {"faces": "faces.deep3d.weights", "lpips": "lpips.lpips_weights"}[group]
    cfg = ConsistencyConfig.model_validate(PLAIN | changes[group])
    with pytest.raises(ValueError, match=f"evaluate.consistency.{key} must be a URL or the path"):
        check_views(cfg, tmp_path)


def test_a_file_that_is_no_network_is_refused(files, tmp_path):
    wrong = {"faces": {"arcface": {"weights": str(files / "linear.pth")}}}
    with pytest.raises(ValueError, match=r"faces.arcface.weights must be a TorchScript file"):
        check_views(ConsistencyConfig.model_validate(PLAIN | wrong), tmp_path)
    swapped = {
        "vgg16_weights": str(files / "linear.pth"), "lpips_weights": str(files / "linear.pth")
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"evaluate.consistency.lpips.vgg16_weights .* must hold"):
        check_views(ConsistencyConfig.model_validate(PLAIN | {"lpips": swapped}), tmp_path)


def test_half_of_lpips_is_refused():
    with pytest.raises(ValueError, match="must both be given or both be null"):
        ConsistencyConfig.model_validate({"lpips": {"vgg16_weights": "vgg.pth"}})


def test_files_by_url_are_left_to_the_run(tmp_path):
    cfg = {"faces": {"arcface": {"weights": "https://example.invalid/arcface.pt"}}}
    check_views(ConsistencyConfig.model_validate(PLAIN | cfg), tmp_path)
    assert not list(tmp_path.iterdir())
