import subprocess
import sys

import pytest
import torch
from pydantic import ValidationError

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.dataset import ImageDataset
from mimic3d.data.reference import Validation
from mimic3d.evaluation.context import ALONE
from mimic3d.evaluation.monitor import SEED, Monitor, MonitorConfig, explain_missing, means
from mimic3d.evaluation.sampling import draw_latents
from mimic3d.networks.generator import Generator

CFG = MonitorConfig(num_images=8, num_identities=3, batch=2)


class GivenReals(Validation):
    """Given images as the real ones."""

    def __init__(self, images):
        self.images, self.num, self.description = images, len(images), "given"

    def batches(self, batch):
        yield from self.images.split(batch)


class Mime(Generator):
    """Paints given images, one per sample, whatever the latents."""

    def __init__(self, cfg, images):
        super().__init__(cfg, Scene())
        self.images, self.next = images, 0

    def render_2d(self, planes, ws, cameras, sampling=None, neural_rendering_resolution=None):
        seen = super().render_2d(planes, ws, cameras, sampling)
        image = self.images[[(self.next + k) % len(self.images) for k in range(len(ws))]]
        self.next += len(ws)
        return type(seen)(image, seen.image_raw, seen.depth, seen.alpha)


def opaque(cfg) -> Generator:
    """A random generator whose objects fill the box, so that views can be compared."""
    torch.manual_seed(1)
    generator = Generator(cfg, Scene()).eval().requires_grad_(False)
    generator.decoder.out_bias[0] = 300.0
    return generator


def monitor(cfg=CFG, images=None, group=ALONE):
    if images is None:
        images = torch.rand(8, 3, 16, 16) * 2 - 1
    labels = orbit_cameras(torch.linspace(-0.3, 0.3, 5), torch.zeros(5), Scene()).labels()
    return Monitor(cfg, GivenReals(images), labels, labels[2:3], 0.1, group)


def test_a_generator_without_detail_has_its_2d_branch_measured(tiny_config):
    names = monitor().measure(opaque(tiny_config)).keys()
    assert {name.split("/")[1] for name in names} == {"2d"}
    both = monitor().measure(opaque(tiny_config.model_copy(update={"detail": True})))
    assert {name.split("/")[1] for name in both} == {"2d", "3d"}
    wanted = {
        "fd_random_conv",
        "swd",
        "warp_psnr_at_0.2",
        "warp_cov_at_0.2",
        "flow_residual",
        "nfs",
    }
    for branch in ("2d", "3d"):
        assert {f"val/{branch}/{name}" for name in wanted} <= both.keys()
    assert all(isinstance(value, float) for value in both.values())


def test_measurements_repeat_to_the_bit_and_leave_the_random_state_alone(tiny_config):
    generator, watching = opaque(tiny_config.model_copy(update={"detail": True})), monitor()
    state = torch.get_rng_state()
    first = watching.measure(generator)
    assert watching.measure(generator) == first
    assert torch.get_rng_state().equal(state)
    assert monitor(images=watching.real.images).measure(generator) == first


def test_real_images_themselves_are_at_no_distance(tiny_config):
    images = torch.rand(8, 3, 16, 16) * 2 - 1
    found = monitor(images=images).measure(Mime(tiny_config, images).eval())
    assert found["val/2d/fd_random_conv"] < 1e-6
    assert found["val/2d/swd"] == 0
    others = monitor(images=images).measure(Mime(tiny_config, images.flip(1).sqrt().nan_to_num()))
    assert others["val/2d/fd_random_conv"] > 0.1


def test_a_transparent_world_says_why_its_views_are_not_compared(tiny_config):
    solid = monitor().measure(opaque(tiny_config))
    assert solid["val/2d/transparent_share"] < 0.5
    assert explain_missing(solid) == []
    generator = opaque(tiny_config)
    generator.decoder.out_bias[0] = -300.0
    thin = monitor().measure(generator)
    assert thin["val/2d/transparent_share"] == 1
    assert explain_missing(thin) == [
        "no agreement of views of the 2d branch: 100% of its pixels are transparent (alpha < 0.8)"
    ]


def test_scores_of_nothing_are_left_out():
    nan = float("nan")
    scores = [{"a": torch.tensor([1.0, nan]), "b": torch.tensor([nan, nan])}]
    assert means([*scores, {"a": torch.tensor([4.0]), "b": torch.tensor([nan])}]) == {"a": 2.5}


def test_latents_are_others_than_those_of_an_evaluation():
    ours, _ = draw_latents(0, 1, 8, 1, SEED)
    theirs, _ = draw_latents(0, 2000, 8, 1, seed=0)
    assert (theirs - ours).abs().sum(dim=1).min() > 0.01
    assert SEED + 2**20 < 2**32  # or the generator would see a small seed


def test_what_is_not_measured_cannot_select():
    MonitorConfig(every_kimg=0)
    with pytest.raises(ValidationError, match="select must be last where nothing is measured"):
        MonitorConfig(every_kimg=0, select="val/2d/swd")


PROGRAM = """
import json, os, sys
from pathlib import Path
import torch
import torch.distributed as dist
from accelerate import Accelerator
from mimic3d.data.dataset import ImageDataset
from mimic3d.evaluation.monitor import MonitorConfig
from mimic3d.cameras import Scene
from mimic3d.networks.generator import Generator, GeneratorConfig
from stages.monitoring import build_selector

rank, world, folder, root, config = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
torch.set_num_threads(1)
if world > 1:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    dist.init_process_group("gloo", f"file://{folder}/store", rank=rank, world_size=world)
torch.manual_seed(0)
cfg = GeneratorConfig.model_validate_json(config)
G = Generator(cfg, Scene()).eval()
root = Path(root)
dataset = ImageDataset(root / "data" / "tiny", "train", root / "cache")
monitor = MonitorConfig(num_images=7, num_identities=3, batch=2)
selector = build_selector(monitor, root, dataset, Accelerator(cpu=True), "imitate")
row = selector.measure(16, G)
Path(folder, f"{world}-{rank}.json").write_text(json.dumps(row))
"""


@pytest.mark.slow
def test_two_processes_measure_the_same_as_one(project, tmp_path, tiny_config):
    ImageDataset(project / "data" / "tiny", "train", project / "cache")
    config = tiny_config.model_copy(update={"detail": True}).model_dump_json()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(world), str(tmp_path), project, config]
        )
        for rank, world in ((0, 1), (0, 2), (1, 2))
    ]
    assert [process.wait(timeout=240) for process in processes] == [0, 0, 0]
    one, first, second = ((tmp_path / f"{name}.json").read_text() for name in ("1-0", "2-0", "2-1"))
    assert "val/3d/swd" in one
    assert one == first == second
