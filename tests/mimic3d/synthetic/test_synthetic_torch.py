import numpy as np
import pytest
import torch

from mimic3d.data.images import decode_png
from mimic3d.preparation.sources.render_tasks import list_render_tasks, render_all
from mimic3d.preparation.sources.synthetic import SyntheticConfig

STYLES = {"short", "long", "bob", "bald", "bun", "afro"}


@pytest.fixture
def varied(subject):
    """Heads of all hair styles, some with glasses; and as many cats."""

    def choose(kind):
        if kind == "cats":
            return [subject(number, "cats") for number in range(7)]
        by_style = {}
        for number in range(60):
            one = subject(number)
            by_style.setdefault(one.wear.style.chosen, one)
        assert set(by_style) == STYLES
        glasses = next(one for one in map(subject, range(60)) if one.wear.glasses_radius)
        return [*by_style.values(), glasses]

    return choose


@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_torch_renders_the_pictures_of_numpy(renderer, orbit, varied, kind):
    subjects = varied(kind)
    cameras = orbit(np.linspace(-0.7, 0.7, 7).tolist(), np.linspace(-0.2, 0.3, 7).tolist())
    together = renderer(subjects, cameras, 32, "constant", kind, specular=0.2)
    with torch.inference_mode():
        batch = together.on("cpu").render()
    for index, one in enumerate(subjects):
        camera = cameras[index : index + 1]
        alone = renderer([one], camera, 32, "constant", kind, specular=0.2).render()
        off = np.abs(alone.images[0].astype(int) - batch.images[index]).max(axis=-1)
        assert (off > 1).mean() < 0.001
        assert (np.isfinite(alone.depth[0]) == np.isfinite(batch.depth[index])).mean() > 0.999
        both = np.isfinite(alone.depth[0]) & np.isfinite(batch.depth[index])
        assert np.quantile(np.abs(alone.depth[0][both] - batch.depth[index][both]), 0.999) < 1e-4
        assert (np.abs(alone.alpha[0].astype(int) - batch.alpha[index]) > 1).mean() < 0.001


def test_an_image_does_not_depend_on_its_batch(renderer, orbit, varied):
    subjects, cameras = varied("heads")[-4:], orbit([0.1, 0.2, 0.3, -0.4], [0.0] * 4)
    together = renderer(subjects, cameras, 24).render()
    for index, one in enumerate(subjects):
        alone = renderer([one], cameras[index : index + 1], 24).render()
        assert (np.abs(together.images[index].astype(int) - alone.images[0]) > 1).mean() < 0.001


def test_both_renderers_make_the_same_samples():
    cfg = SyntheticConfig(num_train=2, num_val=0, num_eval=1, label_noise_rad=0.1)
    shots = [shot for _, shot in list_render_tasks(cfg, 5, 16)]
    by_numpy, by_torch = (list(render_all(shots, how)) for how in ("numpy", "torch"))
    assert [sample.image_id for sample in by_torch] == [shot.image_id for shot in shots]
    for a, b in zip(by_numpy, by_torch, strict=True):
        assert (a.identity, a.factors, a.source) == (b.identity, b.factors, b.source)
        assert (a.pose.cam2world == b.pose.cam2world).all()
        assert (a.depth is None) == (b.depth is None)
        assert (np.abs(decode_png(a.image).astype(int) - decode_png(b.image)) > 1).mean() < 0.002


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", ["heads", "cats"])
def test_the_gpu_renders_the_pictures_of_the_cpu(renderer, orbit, varied, kind):
    cameras = orbit(np.linspace(-0.7, 0.7, 7).tolist(), [0.1] * 7)
    shot = renderer(varied(kind), cameras, 64, "constant", kind)
    cpu = shot.render()
    with torch.inference_mode():
        gpu = shot.on("cuda").render()
    off = np.abs(cpu.images.astype(int) - gpu.images).max(axis=-1)
    assert (off > 1).mean() < 0.001
