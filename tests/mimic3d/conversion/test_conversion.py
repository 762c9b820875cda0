"""The authors' pickles as snapshots: the same networks, the same pictures."""

import runpy
import sys

import pytest
import torch
from einops import rearrange
from pickles.malice import harmful
from pickles.official import (
    augment_pipe,
    eg3d_generator,
    official_pickle,
)
from pickles.pickler import write_pickle

from mimic3d.cameras import cameras_from_labels
from mimic3d.conversion.conversion import convert, main
from mimic3d.networks.discriminator import DualDiscriminator, PatchDiscriminator
from mimic3d.networks.generator import Generator
from mimic3d.networks.snapshot import load_meta, load_snapshot, read_snapshot
from mimic3d.training.augment import Augment, AugmentConfig


@pytest.fixture(scope="module", params=["tiny_2d", "tiny_3d"])
def converted(request, tmp_path_factory):
    """Name of the reference's tiny network, its snapshot and the description that was returned."""
    folder = tmp_path_factory.mktemp(request.param)
    path = folder / "network-snapshot-000800.pkl"
    contents = official_pickle(request.param)
    if request.param == "tiny_2d":
        contents["augment_pipe"] = augment_pipe(0.25)
    path.write_bytes(write_pickle(contents))
    meta = convert(path, folder / "snapshot")
    return request.param, folder / "snapshot", meta


def test_description(converted):
    net, folder, meta = converted
    assert load_meta(folder).model_copy(update={"sha256": {}}) == meta
    is_3d = net == "tiny_3d"
    assert (meta.stage, meta.nimg) == ("imitate" if is_3d else "pretrain", 800_000)
    cfg, scene = meta.generator, meta.scene
    assert (cfg.legacy, cfg.aware3d, cfg.detail) == (True, True, is_3d)
    assert (cfg.image_resolution, cfg.neural_rendering_resolution) == (128, 16)
    assert (cfg.z_dim, cfg.w_dim, cfg.plane_resolution, cfg.plane_channels) == (48, 32, 32, 32)
    assert (cfg.feature_channels, cfg.decoder.hidden_channels) == (32, 64)
    assert (cfg.backbone.channel_base, cfg.backbone.channel_max) == (512, 16)
    rendering = cfg.rendering
    assert (rendering.depth_resolution, rendering.depth_resolution_importance) == (12, 10)
    assert cfg.mapping.camera_conditioning
    assert (meta.discriminator.channel_base, meta.discriminator.channel_max) == (1024, 32)
    assert meta.patch_size == (16 if is_3d else None)
    assert scene.orbit_center == (0, 0, 0)
    if is_3d:
        assert (scene.near, scene.far, scene.box_warp, scene.white_back) == (0.1, 2.6, 1.6, True)
        assert (scene.radius, scene.pivot, scene.focal) == (1.7, (0, 0, 0), 1.7074)
    else:
        assert (scene.near, scene.far, scene.box_warp, scene.white_back) == (2.25, 3.3, 1, False)
        assert (scene.radius, scene.pivot, scene.focal) == (2.7, (0, 0, 0.2), 4.2647)


def test_frontal_label(converted):
    _, _, meta = converted
    camera = cameras_from_labels(torch.tensor([meta.average_label]))
    assert camera.centers[0].tolist() == pytest.approx([0, 0, meta.scene.radius])
    assert camera.cam2world[0, :3, :3].equal(torch.diag(torch.tensor([1.0, -1.0, -1.0])))
    assert camera.intrinsics[0, 0, 0].item() == pytest.approx(meta.scene.focal)


@pytest.mark.golden
def test_pictures_are_the_references(converted, golden):
    """Weights went through pickle, map and safetensors; numbers are the reference's own."""
    net, folder, _ = converted
    arrays = golden(f"{net}/forward")
    G = load_snapshot(folder)
    cameras = cameras_from_labels(arrays["c_cam"].clone())
    with torch.no_grad():
        ws = G.mapping(arrays["z"], arrays["c_cond"])
        arrays.agree(ws, "ws")
        planes = G.synthesize_planes(ws, G.detail is not None, "const")
        for level, name in zip(planes, ("planes0_const", "planes1_const"), strict=False):
            arrays.agree(rearrange(level, "n p c h w -> (n p) c h w"), name)
        arrays.agree(G.render(ws, cameras, "2d").image, "det_image")
        if G.detail is not None:
            view = G.render(ws[:1], cameras[:1])
            arrays.agree(view.image, "det_image_nrr128_coarse0_1")


@pytest.mark.golden
def test_discriminators_are_the_references(converted, golden):
    net, folder, meta = converted
    arrays = golden(f"{net}/forward")
    names = ("D", "D_patch") if net == "tiny_3d" else ("D",)
    weights = read_snapshot(folder, names).weights
    D = DualDiscriminator(meta.discriminator, 128, legacy=True)
    D.load_state_dict(weights["D"])
    with torch.no_grad():
        logits = D(arrays["D_image"].float(), arrays["D_image_raw"], arrays["D_c"])
        arrays.agree(logits[:, None], "D_logits")
        if net == "tiny_3d":
            D_patch = PatchDiscriminator(meta.patch_discriminator, meta.patch_size, legacy=True)
            D_patch.load_state_dict(weights["D_patch"])
            arrays.agree(D_patch(arrays["D_image_raw"])[:, None], "D_patch_logits")


def test_all_networks_can_start_a_training(converted):
    net, folder, meta = converted
    names = {path.stem for path in folder.glob("*.safetensors")}
    assert names == {"G", "G_ema", "D", "D_patch" if net == "tiny_3d" else "augment"}
    weights = read_snapshot(folder, tuple(names)).weights
    Generator(meta.generator, meta.scene).load_state_dict(weights["G"])
    if net == "tiny_2d":
        augment = Augment(AugmentConfig())
        augment.load_state_dict(weights["augment"])
        assert augment.p.item() == 0.25


@pytest.fixture
def write(tmp_path):
    """Writes a pickle of a G_ema, and returns its path."""

    def write_file(network, name="network-snapshot-000000.pkl", **others):
        path = tmp_path / name
        path.write_bytes(write_pickle({"G_ema": network, **others}))
        return path

    return write_file


@pytest.mark.parametrize("records_axes", [True, False])
def test_eg3d(write, tmp_path, records_axes):
    weights, network = eg3d_generator(records_axes)
    meta = convert(write(network, "ffhq.pkl"), tmp_path / "snapshot")
    assert (meta.stage, meta.nimg) == ("pretrain", 0)
    assert (meta.generator.aware3d, meta.generator.detail) == (False, False)
    assert meta.generator.rendering.plane_axes == ("xy", "xz", "zx")
    assert (meta.scene.radius, meta.scene.pivot, meta.scene.focal) == (2.7, (0, 0, 0), 4.2647)
    G = load_snapshot(tmp_path / "snapshot")
    assert G.pyramid is None
    assert G.backbone.first.const[0].equal(weights["backbone.synthesis.b4.const"])
    c = torch.tensor([meta.average_label])
    with torch.no_grad():
        ws = G.mapping(torch.randn(1, 48), c)
        (planes,) = G.synthesize_planes(ws, False, "const")
        assert planes.flatten(1, 2).equal(G.backbone(ws, "const")[-1])
        for branch, side in (("2d", 16), ("3d", 32)):
            view = G.render(ws, cameras_from_labels(c), branch, None if branch == "2d" else side)
            assert view.depth.shape == (1, 1, side, side)
            assert view.image.isfinite().all()
            assert view.image.std() > 0


@pytest.mark.parametrize("contents", [{}, [1], {"G_ema": None}, {"G": 1, "G_ema": {"a": 1}}])
def test_pickle_without_g_ema(tmp_path, contents):
    path = tmp_path / "other.pkl"
    path.write_bytes(write_pickle(contents))
    with pytest.raises(ValueError, match="must hold a network G_ema"):
        convert(path, tmp_path / "snapshot")


def test_a_class_name_that_lies(write, tmp_path):
    """A network that calls itself something else is not believed, and never looked up."""
    _, network = eg3d_generator(True)
    network.arguments[0]["class_name"] = "os.system"
    with pytest.raises(ValueError, match=r"must be a TriPlaneGenerator, is 'os\.system'"):
        convert(write(network), tmp_path / "snapshot")


def test_g_must_be_like_g_ema(write, tmp_path):
    (_, own), (_, other) = eg3d_generator(True), eg3d_generator(True)
    modules = other.arguments[0]["state"]["_modules"]
    first = modules["decoder"].state["_modules"]["net"].state["_modules"]["0"]
    first.arguments[0]["state"]["_parameters"]["weight"] = torch.ones(65, 32)
    message = r"G\.decoder\.net\.0\.weight must be .*\(64, 32\).*our decoder\.hidden.*\(65, 32\)"
    with pytest.raises(ValueError, match=message):
        convert(write(own, G=other), tmp_path / "snapshot")
    assert not (tmp_path / "snapshot").exists()


@pytest.mark.parametrize("p", [-0.1, float("nan"), float("inf")])
def test_augment_pipe_without_strength(write, tmp_path, p):
    path = write(eg3d_generator(True)[1], augment_pipe=augment_pipe(p))
    with pytest.raises(ValueError, match="augment_pipe must hold a strength p from 0 on"):
        convert(path, tmp_path / "snapshot")


def test_folder_in_use_is_not_touched(write, tmp_path):
    path = write(None)
    with pytest.raises(ValueError, match="goes to a new file or an empty folder"):
        convert(path, tmp_path)
    with pytest.raises(ValueError, match="goes to a new file or an empty folder"):
        convert(path, path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_command(write, tmp_path, capsys):
    path = write(eg3d_generator(True)[1], "ffhq512-128.pkl")
    assert main([str(path), str(tmp_path / "snapshot")]) == 0
    printed = capsys.readouterr()
    assert printed.out == (
        f"{tmp_path}/snapshot: G_ema of {path} (EG3D's generator, coarse planes, 128 pixels)\n"
    )
    assert printed.err == ""
    assert load_meta(tmp_path / "snapshot").generator.legacy


def test_command_refuses_in_one_sentence(tmp_path, monkeypatch, capsys):
    path = tmp_path / "harmful.pkl"
    canary = tmp_path / "canary"
    path.write_bytes(dict(harmful(canary))["reduce_system"])
    monkeypatch.setattr(sys, "argv", ["conversion", str(path), str(tmp_path / "snapshot")])
    monkeypatch.delitem(sys.modules, "mimic3d.conversion.conversion")
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("mimic3d.conversion.conversion", run_name="__main__")
    assert stopped.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "the name 'posix.system' is not allowed" in printed.err
    assert sorted(tmp_path.iterdir()) == [path]
