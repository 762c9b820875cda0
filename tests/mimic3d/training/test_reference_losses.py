"""Our losses and their gradients against those of the reference.

Tolerances of gradients are ten times what the reference itself differs by between one and two
threads, parameter by parameter at most (tests/golden/README.md).
"""

import pytest
import torch
from golden.replay import Replay
from torch import Tensor

from mimic3d.losses.adversarial import discriminator_loss, generator_loss
from mimic3d.rays import crop

pytestmark = pytest.mark.golden

G_GRADIENT = 4e-4
D_GRADIENT = 1e-4


@pytest.fixture
def replay(golden):
    def build(name: str, conditioned: bool = True) -> Replay:
        play = Replay(golden, name, conditioned)
        play.check_schedule()
        return play

    return build


def report_fake(play: Replay, logits: Tensor) -> None:
    play.report(scores__fake=logits, signs__fake=logits.sign())


def compare_generated(play: Replay, generated) -> None:
    arrays = play.arrays
    arrays.agree(generated.image, "gen0.image_half", tolerance=5e-4)  # stored with 11 bits
    arrays.agree(generated.image_raw, "gen0.image_raw")
    arrays.agree(generated.depth, "gen0.image_depth")


def each(loss, *logits: Tensor) -> Tensor:
    """A loss of every sample alone."""
    return torch.stack([loss(*(x[k : k + 1] for x in logits)) for k in range(len(logits[0]))])


@pytest.mark.parametrize(
    ("name", "conditioned"),
    [("tiny_2d_Gmain", True), ("tiny_2d_Gmain_noswap_c0", False), ("tiny_3d_Gmain_adv", True)],
)
def test_generator_loss(replay, name, conditioned):
    """Phase G: the 2D branch against D; with poses swapped, or hidden from the mapping."""
    play = replay(name, conditioned=conditioned)
    fake, generated = play.generated()
    logits = play.losses.discriminate(play.losses.augment_fake(generated, fake.c, play.context))
    report_fake(play, logits)
    play.report(G__loss=each(generator_loss, logits))
    if name.startswith("tiny_2d"):
        compare_generated(play, generated)
    output = play.losses.generator_loss(generated, fake.c, play.context)
    play.backward(output.loss, "G", play.losses.G, G_GRADIENT)


@pytest.mark.parametrize(("name", "tolerance"), [("tiny_2d_Greg", 1e-4), ("tiny_3d_Greg", 1e-2)])
def test_density(replay, name, tolerance):
    """Phase G_density, in [-1, 1]^3; the 3D net's densities are nearly equal, so that their
    difference cancels most digits."""
    play = replay(name)
    fake = play.fake(detail=play.losses.G.detail is not None)
    points = play.drawn("rand.")[1].double() * 2 - 1
    neighbours = points + play.drawn("randn_like")[0] * play.losses.cfg.density.distance
    output = play.losses.density_loss(fake, points, neighbours)
    play.report(G__reg=output.loss)
    same = {"decoder.net.2.bias": "decoder.net.2.weight"}  # neighbours get the same bias
    play.backward(output.loss, "G", play.losses.G, tolerance, vanishing=same)


@pytest.mark.parametrize("name", ["tiny_2d_Dmain", "tiny_2d_Dmain_blur", "tiny_3d_Dmain"])
def test_discriminator_loss(replay, name):
    """Phase D. The reference takes the gradients of fakes and of reals one after the other."""
    play = replay(name)
    losses, D = play.losses, play.losses.D
    with torch.no_grad():
        fake, generated = play.generated()
    compare_generated(play, generated)
    fakes = losses.discriminate(losses.augment_fake(generated, fake.c, play.context))
    reals = losses.discriminate(losses.augment_real(losses.real_input(play.real), play.context))
    report_fake(play, fakes)
    play.report(scores__real=reals, signs__real=reals.sign())
    play.report(D__loss=each(discriminator_loss, reals, fakes))
    certain = torch.full_like(reals, torch.inf)
    of_fakes = discriminator_loss(certain, fakes)  # as if reals cost nothing
    of_reals = discriminator_loss(reals, -certain)
    play.backward(of_fakes, "D", D, D_GRADIENT, index=0)
    play.backward(of_reals, "D", D, D_GRADIENT, index=1)
    whole = losses.discriminator_loss(generated, fake.c, play.real, play.context).loss
    torch.testing.assert_close(whole, of_fakes + of_reals)


def squared_gradients(logits: Tensor, *inputs: Tensor) -> Tensor:
    """Of each sample, which the reference reports before it takes their mean."""
    grads = torch.autograd.grad(logits.sum(), inputs, retain_graph=True)
    return torch.stack([g.square().sum(dim=[1, 2, 3]) for g in grads]).sum(dim=0)


@pytest.mark.parametrize("name", ["tiny_2d_Dreg", "tiny_2d_Dreg_blur", "tiny_3d_Dreg"])
def test_r1(replay, name):
    """Phase D_r1, of what is left after blur."""
    play = replay(name)
    losses = play.losses
    images = losses.augment_real(losses.real_input(play.real), play.context).require_grad()
    logits = losses.discriminate(images)
    penalty = squared_gradients(logits, images.image, images.image_raw)
    play.report(r1_penalty=penalty, D__reg=penalty * losses.cfg.adversarial.r1_gamma / 2)
    play.report(scores__real=logits, signs__real=logits.sign())
    output = losses.r1_phase(play.real, play.context)
    play.backward(output.loss, "D", losses.D, D_GRADIENT)


def test_imitation(replay):
    """LPIPS between the branches, in the windows that the reference drew."""
    play = replay("tiny_3d_Gmain_lpips")
    fake, windows = play.fake(detail=True), play.windows()
    patch_3d, patch_2d = play.patch_3d(fake, windows), play.patch_2d(fake, windows)
    play.report(G__lpips=play.losses.perceptual(patch_3d, patch_2d))
    output = play.losses.imitation_loss(patch_3d, patch_2d)
    play.backward(output.loss, "G", play.losses.G, 5e-3)


def test_generator_loss_of_patches(replay):
    play = replay("tiny_3d_Gmain_patch")
    losses = play.losses
    patch_3d = play.patch_3d(play.fake(detail=True), play.windows())
    logits = losses.D_patch(losses.augment_patch(patch_3d, play.context))
    play.report(scores__patch_fake=logits, signs__patch_fake=logits.sign())
    play.report(G__patch=losses.imitation.adversarial_weight * each(generator_loss, logits))
    output = losses.patch_generator_loss(patch_3d, play.context)
    play.backward(output.loss, "G", losses.G, G_GRADIENT)


@torch.no_grad()
def test_all_terms_of_imitation_together(replay):
    """From a run that had two more terms, of which nothing here depends."""
    play = replay("tiny_3d_Gmain_featmatch_detailreg")
    losses = play.losses
    fake, windows = play.fake(detail=True), play.windows()
    generated = losses.render_2d(fake, None)
    logits = losses.discriminate(losses.augment_fake(generated, fake.c, play.context))
    report_fake(play, logits)
    play.report(G__loss=each(generator_loss, logits))
    patch_3d = play.patch_3d(fake, windows)
    play.report(G__lpips=losses.perceptual(patch_3d, crop(generated.image, windows)))
    logits = losses.D_patch(patch_3d)
    play.report(scores__patch_fake=logits, signs__patch_fake=logits.sign())
    play.report(G__patch=losses.imitation.adversarial_weight * each(generator_loss, logits))


def test_patch_discriminator_loss(replay):
    """Phase D_patch."""
    play = replay("tiny_3d_D_patchmain")
    losses = play.losses
    with torch.no_grad():
        patch_3d = play.patch_3d(play.fake(detail=True), play.windows(first=4))
    play.arrays.agree(patch_3d, "gen0.patch_image_raw")
    real = crop(play.real.image, play.windows())
    fakes, reals = losses.D_patch(patch_3d), losses.D_patch(real)
    play.report(scores__patch_fake=fakes, signs__patch_fake=fakes.sign())
    play.report(scores__patch_real=reals, signs__patch_real=reals.sign())
    play.report(D_patch__loss=each(discriminator_loss, reals, fakes))
    output = losses.patch_discriminator_loss(patch_3d, real, play.context)
    play.backward(output.loss, "D_patch", losses.D_patch, D_GRADIENT)


def test_patch_r1(replay):
    play = replay("tiny_3d_D_patchreg")
    losses = play.losses
    real = crop(play.real.image, play.windows())
    leaf = real.clone().requires_grad_()
    penalty = squared_gradients(losses.D_patch(leaf), leaf)
    play.report(
        patch_r1_penalty=penalty, D_patch__reg=penalty * losses.patch_adversarial.r1_gamma / 2
    )
    output = losses.patch_r1_loss(real, play.context)
    play.backward(output.loss, "D_patch", losses.D_patch, D_GRADIENT)
