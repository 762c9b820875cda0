"""Losses replayed: our losses, given the random numbers that the reference drew.

In float64, but for what may compute in a shorter format (`MixedPrecision`), where it would take
long: in float32 an activation near zero lies on the other side of its leaky ReLU now and then, and
a single one of the backbone's changes some gradients by a percent.
"""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

import torch
from golden.arrays import Arrays
from golden.networks import (
    build_discriminators,
    build_generator,
    build_perceptual,
    options,
    reference_names,
)
from torch import Tensor, nn

from mimic3d.data.dataset import Batch
from mimic3d.losses.adversarial import AdversarialConfig
from mimic3d.losses.density import DensityConfig
from mimic3d.losses.imitation import ImitationConfig
from mimic3d.losses.perceptual import Perceptual
from mimic3d.networks.generator import Generated
from mimic3d.networks.mapping import MappingConfig
from mimic3d.rays import Windows, crop
from mimic3d.training.imitate_losses import ImitateLossConfig, ImitationLosses
from mimic3d.training.phases import StepContext
from mimic3d.training.pretrain_losses import (
    CameraLabels,
    Fake,
    Latents,
    PretrainLossConfig,
    PretrainLosses,
)
from mimic3d.training.schedules import BlurConfig, SwappingConfig, blur_sigma, swapping_prob

Network = TypeVar("Network", bound=nn.Module)

PRECISION = torch.float64


@cache
def perceptual() -> Perceptual:
    """Drawn once; nothing changes it."""
    return build_perceptual().to(PRECISION)


def in_training(network: Network) -> Network:
    """The network in training mode, in the format of the replay."""
    return network.train().to(PRECISION)


def build_losses(net: str, conditioned: bool) -> PretrainLosses | ImitationLosses:
    """The losses that the reference took with this net, in training mode."""
    given = options(net)["loss_kwargs"]
    rendering = options(net)["G_kwargs"]["rendering_kwargs"]
    changes = {} if conditioned else {"mapping": MappingConfig(camera_conditioning=False)}
    G = in_training(build_generator(net, **changes))
    D, D_patch = build_discriminators(net)
    D, labels = in_training(D), CameraLabels(torch.zeros(1, 25), torch.ones(1))
    dual = {
        "adversarial": AdversarialConfig(r1_gamma=given["r1_gamma"]),
        "density": DensityConfig(
            weight=rendering["density_reg"], distance=rendering["density_reg_p_dist"]
        ),
        "swapping": SwappingConfig(final_prob=given["gpc_reg_prob"], fade_kimg=1000),
        "blur": BlurConfig(initial_sigma_px=10, fade_kimg=given["blur_fade_kimg"]),
    }
    if D_patch is None:
        return PretrainLosses(G, D, labels, PretrainLossConfig(**dual))
    cfg = ImitateLossConfig(
        **dual,
        imitation=ImitationConfig(adversarial_weight=given["patch_gan"]),
        patch_adversarial=AdversarialConfig(r1_gamma=given["r1_gamma_patch"]),
    )
    size = G.config.neural_rendering_resolution
    return ImitationLosses(G, D, in_training(D_patch), perceptual(), labels, cfg, size)


class Replay:
    """One stored phase: its inputs and draws, and comparisons with what it computed."""

    def __init__(self, golden: Callable[[str], Arrays], name: str, conditioned: bool = True):
        self.net = name[: len("tiny_2d")]
        self.arrays = golden(f"losses/{name}")
        self.losses = build_losses(self.net, conditioned)
        self.gain = float(self.arrays["gain"])
        self.context = StepContext(float(self.arrays["cur_nimg"]) / 1000, torch.Generator())
        inputs = golden(f"losses/{self.net}_inputs")
        self.z, self.c = (inputs[k].to(PRECISION) for k in ("gen_z", "gen_c"))
        image = inputs["real_uint8"].to(PRECISION) / 127.5 - 1
        self.real = Batch(image, inputs["real_c"].to(PRECISION))

    def check_schedule(self) -> None:
        """The blur, the size of image_raw, and the interval of lazy regularisation."""
        losses, phase = self.losses, self.arrays.text("phase")
        cfg = losses.cfg
        intervals = {"Greg": cfg.density.interval, "Dreg": cfg.adversarial.r1_interval}
        if isinstance(losses, ImitationLosses):
            intervals["D_patchreg"] = losses.patch_adversarial.r1_interval
        self.arrays.agree(torch.tensor(intervals.get(phase, 1)), "gain")
        schedule = {
            "blur_sigma": blur_sigma(self.context.kimg, cfg.blur),
            "render_size": losses.G.config.neural_rendering_resolution,
        }
        for name, value in schedule.items():
            self.arrays.agree(torch.tensor(value), f"report.Progress/{name}")

    def drawn(self, function: str) -> list[Tensor]:
        """What the reference drew with a function of torch, in the order of its calls."""
        return [self.arrays[k] for k in self.arrays if k.startswith("rng.") and function in k]

    def latents(self) -> Latents:
        """Those of the reference, whose cameras are swapped by the first number drawn."""
        chances = self.drawn("rand.")
        if not chances:  # the mapping sees no cameras
            return Latents(self.z, self.c, self.c)
        swapped = chances[0] < swapping_prob(self.context.kimg, self.losses.cfg.swapping)
        return Latents(self.z, self.c, torch.where(swapped, self.c.roll(1, dims=0), self.c))

    def fake(self, detail: bool) -> Fake:
        """The reference's objects."""
        return self.losses.synthesize(self.latents(), detail, "const")

    def generated(self) -> tuple[Fake, Generated]:
        """The reference's objects without detail planes, and their 2D branch."""
        fake = self.fake(detail=False)
        return fake, self.losses.render_2d(fake, None)

    def windows(self, first: int = 0) -> Windows:
        """The four drawn from the `first` pair of integers on."""
        pairs = torch.stack(self.drawn("randint"))[2 * first : 2 * first + 8].reshape(4, 2)
        return Windows(pairs[:, 0], pairs[:, 1], self.losses.G.config.neural_rendering_resolution)

    def patch_3d(self, fake: Fake, windows: Windows) -> Tensor:
        """The 3D branch in these windows."""
        assert isinstance(self.losses, ImitationLosses)
        return self.losses.render_patch(fake, windows, None).image

    def patch_2d(self, fake: Fake, windows: Windows) -> Tensor:
        """The 2D branch in these windows."""
        return crop(self.losses.render_2d(fake, None).image, windows)

    def report(self, **values: Tensor) -> None:
        """Compares with what the reference reported; `scores__fake` is Loss/scores/fake."""
        for name, value in values.items():
            stored = self.arrays[f"report.Loss/{name.replace('__', '/')}"]
            self.arrays.agree(value.reshape(stored.shape), stored.array)

    def backward(
        self, loss: Tensor, network: str, module: nn.Module, tolerance: float, index: int = 0,
        vanishing: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Compares the loss, which parameters get no gradient, and the stored gradients.

        Of a `vanishing` gradient only rounding is stored; it is judged by the size of another one.
        """
        prefix, vanishing = f"backward{index}.", vanishing or {}
        self.arrays.agree(loss * self.gain, f"{prefix}loss_times_gain")
        gradients = self._gradients(loss, network, module)
        without = {k for k, g in gradients.items() if not g.any()} - vanishing.keys()
        self.arrays.agree_names(without, f"{prefix}zero_or_none")
        for stored in self.arrays:
            if not stored.startswith(f"{prefix}grad."):
                continue
            name = stored.removeprefix(f"{prefix}grad.")
            other = vanishing.get(name)
            size = gradients[other].norm().item() if other else None
            self.arrays.agree(gradients[name], stored, tolerance, size)

    def _gradients(self, loss: Tensor, network: str, module: nn.Module) -> dict[str, Tensor]:
        """By the reference's names; zero where there is none."""
        parameters = dict(module.named_parameters())
        found = torch.autograd.grad(
            loss * self.gain, list(parameters.values()), retain_graph=True,
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        names = reference_names(self.net, network)
        return {names[k]: g for k, g in zip(parameters, found, strict=True)}
