"""Laws of inversion, with a tiny random generator and a distance without learned weights."""

import pytest
import torch

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.inversion.camera_fit import (
    CameraCorrection,
    CameraFitConfig,
    correct_cameras,
    no_correction,
)
from mimic3d.inversion.domain import DomainConfig, depth_relief, measure_domain
from mimic3d.inversion.inversion import Inversion, InversionConfig
from mimic3d.inversion.reconstruction import Reconstruction, ReconstructionConfig
from mimic3d.inversion.schedule import Schedule, ScheduleConfig
from mimic3d.inversion.targets import InversionTarget
from mimic3d.losses.perceptual import Perceptual
from mimic3d.metrics.similarity import psnr
from mimic3d.metrics.views import unit_range
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import synthesize_objects

KEPT_DB = 35  # PSNR of other styles before and after tuning
SHORT = {"num_steps": 6, "patience": 2}


@pytest.fixture
def generator(tiny_config) -> Generator:
    """A generator whose objects have features: random weights, and densities that are opaque."""
    rendering = tiny_config.rendering.model_copy(update={"density_gain": 20.0})
    cfg = tiny_config.model_copy(update={"detail": True, "rendering": rendering})
    G = Generator(cfg, Scene())
    for parameter in G.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return G.eval().requires_grad_(False)


@pytest.fixture
def camera():
    return orbit_cameras(torch.tensor([0.1]), torch.zeros(1), Scene())


@pytest.fixture
def label(camera):
    return camera.labels()


@pytest.fixture
def reconstruction():
    perceptual = Perceptual(channel_divisor=32)
    return Reconstruction(ReconstructionConfig(perceptual_weight=0.0), perceptual)


def own_target(G: Generator, label, camera, seed: int = 3) -> InversionTarget:
    z = torch.randn((1, G.config.z_dim), generator=torch.Generator().manual_seed(seed))
    image = synthesize_objects(G, G.mapping(z, label)).render(camera).image
    return InversionTarget(image, camera)


def config(**changes) -> InversionConfig:
    short = {part: SHORT for part in ("w", "w_plus", "tuning")}
    tree = InversionConfig(camera=CameraFitConfig(interval=0)).model_dump()
    tree["distribution"]["num_samples"] = 200
    tree["tuning"]["num_others"] = 4
    for part, fields in (short | changes).items():
        tree[part] |= fields
    return InversionConfig.model_validate(tree)


def run(inversion: Inversion, num: int = -1) -> Inversion:
    for count, _ in enumerate(inversion.steps(), start=1):
        if count == num:
            break
    return inversion


@torch.no_grad()
def psnr_of(inversion: Inversion, phase, target: InversionTarget) -> float:
    answer = inversion.answer(phase)
    image = answer.objects.render(answer.cameras).image
    mask = torch.ones_like(image[:, :1])
    return float(psnr(unit_range(image), unit_range(target.images), mask))


@pytest.mark.slow
def test_an_image_of_the_generator_is_given_back(generator, label, camera, reconstruction):
    target = own_target(generator, label, camera)
    steps = {"num_steps": 120, "patience": 60}
    cfg = config(w=steps | {"prior_weight": 0.0}, w_plus=steps | {"prior_weight": 0.0})
    inversion = Inversion(generator, label, target, reconstruction, cfg)
    start = psnr_of(inversion, "w", target)
    run(inversion)
    assert psnr_of(inversion, "w", target) > max(35, start + 8)
    assert psnr_of(inversion, "w_plus", target) > 38


@pytest.mark.slow
def test_tuning_reaches_a_strange_image_and_keeps_other_styles(
    generator, label, camera, reconstruction
):
    strange = InversionTarget(own_target(generator, label, camera).images.flip(2), camera)
    cfg = config(tuning={"num_steps": 60, "patience": 30, "lr": 0.01})
    inversion = run(Inversion(generator, label, strange, reconstruction, cfg))
    gain = psnr_of(inversion, "tuned", strange) - psnr_of(inversion, "w", strange)
    assert gain > 3
    tuned = inversion.answer("tuned").objects.G
    z = torch.randn((8, generator.config.z_dim), generator=torch.Generator().manual_seed(99))
    ws = generator.mapping(z, label.expand(8, -1))
    cameras = orbit_cameras(torch.full((8,), 0.1), torch.zeros(8), Scene())
    before = synthesize_objects(generator, ws).render(cameras).image
    after = synthesize_objects(tuned, ws).render(cameras).image
    mask = torch.ones_like(before[:, :1])
    kept = psnr(unit_range(after), unit_range(before), mask)
    assert float(kept.mean()) > KEPT_DB


@pytest.mark.slow
def test_the_tuned_generator_shows_the_pivot_at_truncation_0(
    generator, label, camera, reconstruction
):
    target = own_target(generator, label, camera)
    answer = run(Inversion(generator, label, target, reconstruction, config())).answer("tuned")
    z = torch.randn(1, generator.config.z_dim)
    ws = answer.objects.G.mapping(z, label, truncation_psi=0.0)
    torch.testing.assert_close(ws, answer.objects.ws)
    assert not generator.mapping.w_avg.equal(answer.objects.G.mapping.w_avg)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [3, 9, 15])
def test_a_resumed_inversion_equals_an_uninterrupted_one(
    generator, label, camera, reconstruction, stop
):
    target = own_target(generator, label, camera)
    cfg = config(camera={"interval": 2}, w={**SHORT, "camera_from": 0})
    whole = run(Inversion(generator, label, target, reconstruction, cfg))
    part = run(Inversion(generator, label, target, reconstruction, cfg), stop)
    state = {name: tensor.clone() for name, tensor in part.state().items()}
    resumed = Inversion(generator, label, target, reconstruction, cfg)
    resumed.load(state)
    run(resumed)
    ours, theirs = resumed.state(), whole.state()
    assert ours.keys() == theirs.keys()
    assert all(ours[name].equal(theirs[name]) for name in theirs)


@pytest.mark.slow
def test_correction_finds_a_known_error_of_the_camera(generator, label, camera):
    z = torch.randn((1, generator.config.z_dim), generator=torch.Generator().manual_seed(5))
    objects = synthesize_objects(generator, generator.mapping(z, label))
    twist = torch.tensor([[0.02, -0.03, 0.01, 0.01, -0.01, 0.0]])
    true = CameraCorrection(twist).apply(camera, generator.scene.pivot)
    target = InversionTarget(objects.render(true).image, camera)
    cfg = CameraFitConfig(prior_weight=1e-8)
    correction = no_correction(target)
    errors = []
    for _ in range(8):
        correction = correct_cameras(objects, target, correction, cfg)
        seen = objects.render(correction.apply(camera, generator.scene.pivot)).image
        errors.append(float((seen - target.images).square().mean()))
    start = float((objects.render(camera).image - target.images).square().mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.05 * start


def test_a_correction_turns_about_the_pivot_and_stays_a_camera(camera):
    twist = torch.tensor([[0.0, 0.3, 0.0, 0.0, 0.0, 0.0]])
    scene = Scene()
    turned = CameraCorrection(twist).apply(camera, scene.pivot)
    expected = orbit_cameras(torch.tensor([0.4]), torch.zeros(1), scene)
    torch.testing.assert_close(turned.cam2world, expected.cam2world, atol=1e-5, rtol=0)


def test_a_correction_never_exceeds_its_limit(generator, label, camera):
    target = InversionTarget(torch.rand(1, 3, 16, 16) * 2 - 1, camera)
    z = torch.randn((1, generator.config.z_dim), generator=torch.Generator().manual_seed(5))
    objects = synthesize_objects(generator, generator.mapping(z, label))
    cfg = CameraFitConfig(prior_weight=0.0)
    correction = no_correction(target)
    for _ in range(4):
        correction = correct_cameras(objects, target, correction, cfg)
    limit = cfg.limit * torch.tensor([cfg.rotation_sigma_deg]).deg2rad()
    assert bool((correction.twist[:, :3].abs() <= limit + 1e-6).all())
    assert bool((correction.twist[:, 3:].abs() <= cfg.limit * cfg.translation_sigma + 1e-6).all())


@pytest.mark.slow
def test_several_photos_have_one_style_and_a_camera_each(generator, label, reconstruction):
    cameras = orbit_cameras(torch.tensor([-0.2, 0.3]), torch.zeros(2), Scene())
    z = torch.randn((1, generator.config.z_dim), generator=torch.Generator().manual_seed(3))
    images = synthesize_objects(generator, generator.mapping(z, label)).render(cameras).image
    target = InversionTarget(images, cameras)
    cfg = config(camera={"interval": 2})
    inversion = run(Inversion(generator, label, target, reconstruction, cfg))
    answer = inversion.answer("w_plus")
    assert len(answer.objects) == 1
    assert len(answer.cameras) == 2
    assert answer.objects.render(answer.cameras).image.shape == images.shape


def test_a_schedule_ends_early_where_nothing_is_gained():
    cfg = ScheduleConfig(num_steps=100, lr=1.0, patience=5)
    flat, falling = Schedule(cfg), Schedule(cfg)
    while not flat.is_over:
        flat.record(1.0)
    while not falling.is_over:
        falling.record(0.9**falling.step)
    assert flat.step == 10 + 25
    assert falling.step == 100


def test_the_learning_rate_rises_and_falls_to_nothing():
    schedule = Schedule(ScheduleConfig(num_steps=40, lr=2.0, patience=40))
    rates = []
    while not schedule.is_over:
        rates.append(schedule.lr())
        schedule.record(0.0)
    assert rates[0] < max(rates) == 2.0
    assert rates[-1] < 0.05
    assert rates[30:] == sorted(rates[30:], reverse=True)


def test_a_sample_of_the_generator_is_near_to_it_and_noise_is_far(
    generator, label, camera, reconstruction
):
    cfg = DomainConfig(num_samples=6)
    generator.config = generator.config.model_copy()
    large = camera
    perceptual = Perceptual(channel_divisor=32)
    for conv in perceptual.convolutions():
        conv.weight.normal_(std=0.1)
    reference = measure_domain(generator, label, perceptual, cfg)
    own = own_target(generator, label, large).images
    noise = torch.rand_like(own) * 2 - 1
    assert reference.ratio(float(perceptual(own, own))) == 0
    assert reference.ratio(float(perceptual(noise, own))) > cfg.far_ratio
    assert reference.quantile(0.0) == 0
    assert reference.quantile(10.0) == 1


def test_relief_is_the_span_of_what_is_opaque():
    depth = torch.linspace(2, 3, 101).reshape(1, 1, 1, 101)
    alpha = torch.ones_like(depth)
    assert depth_relief(depth, alpha, Scene()) == pytest.approx(0.9)
    alpha[..., 51:] = 0
    assert depth_relief(depth, alpha, Scene()) == pytest.approx(0.45)
    assert depth_relief(depth, alpha * 0, Scene()) == pytest.approx(Scene().far - Scene().near)
