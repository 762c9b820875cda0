import copy

import pytest
import torch
from accelerate import Accelerator
from torch import nn

from mimic3d.data.dataset import Batch
from mimic3d.training.ema import EmaConfig
from mimic3d.training.loop import HaltedError, LoopConfig, train
from mimic3d.training.nonfinite import NonFiniteCounter, NonFiniteError
from mimic3d.training.phases import LossOutput, Phase
from mimic3d.training.state import Progress, load_state, save_state

CFG = LoopConfig(total_kimg=0.064, batch=8, microbatch=4, tick_kimg=0.032, snapshot_ticks=1)


class Toy:
    """A linear network that learns to answer 1; its loss is `wrong` for some images."""

    def __init__(self, wrong: float = 0.0, since: int = 10**9, until: int = 10**9) -> None:
        torch.manual_seed(3)
        self.network = nn.Linear(25, 1)
        self.average = copy.deepcopy(self.network)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=0.01)
        self._wrong, self._since, self._until = wrong, since, until

    def loss(self, real, context):
        noise = torch.randn(real.c.shape, generator=context.rng)
        loss = (self.network(real.c + 0.1 * noise) - 1).square().mean()
        if self._since <= context.kimg * 1000 < self._until:
            loss = loss + self._wrong
        return LossOutput(loss, {"loss/fit": loss})

    def train(self, cfg=CFG, nimg=0, sums=None, halt_after=10**9):
        steps = iter(range(10**9))
        phase = Phase("fit", self.network, self.adam, self.loss)
        return train(
            [phase], load, self.network, self.average, Accelerator(cpu=True), cfg, EmaConfig(),
            nimg, sums, lambda: next(steps) >= halt_after,
        )  # fmt: skip


def load(start: int, num: int) -> Batch:
    positions = torch.arange(start, start + num).float()
    images = positions.reshape(-1, 1, 1, 1).expand(-1, 3, 4, 4)
    return Batch(images, positions[:, None].expand(-1, 25) / 64)


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 5])
def test_a_halted_training_goes_on_to_the_same_bits_and_statistics(tmp_path, steps):
    straight, first, second = Toy(), Toy(), Toy()
    expected = [(tick.nimg, tick.stats) for tick in straight.train()]
    ticks = []
    with pytest.raises(HaltedError) as halted:
        ticks += [(tick.nimg, tick.stats) for tick in first.train(halt_after=steps)]
    progress = Progress(halted.value.nimg, sums=halted.value.sums)
    assert progress.nimg == 8 * steps
    save_state(tmp_path, progress, {"net": first.network}, {"net": first.adam})
    progress = load_state(tmp_path, {"net": second.network}, {"net": second.adam})
    for tick in second.train(nimg=progress.nimg, sums=progress.sums):
        ticks.append((tick.nimg, tick.stats))
    assert ticks[-2:] == expected[-2:] if steps < 4 else ticks[-1:] == expected[-1:]
    assert second.network.weight.equal(straight.network.weight)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_losses_that_are_not_finite_are_counted_and_end_a_training(wrong):
    toy = Toy(wrong, since=32)
    cfg = CFG.model_copy(update={"max_nonfinite": 4})
    ticks = toy.train(cfg)
    assert next(ticks).stats["nonfinite_losses/fit"] == 0
    with pytest.raises(
        NonFiniteError, match=r"loop\.max_nonfinite = 4 steps .* fit had 4 up to 64 images"
    ):
        next(ticks)


def test_a_few_such_losses_are_reported_and_survived():
    toy = Toy(float("nan"), since=32, until=48)
    stats = [tick.stats for tick in toy.train(CFG.model_copy(update={"max_nonfinite": 3}))]
    assert [row["nonfinite_losses/fit"] for row in stats] == [0, 0.5]
    assert toy.network.weight.isfinite().all()


def test_streaks_are_of_one_phase_and_end_with_a_good_step():
    counter = NonFiniteCounter(3)
    for bad in (1, 1, 0, 1, 1):
        counter.add("a", torch.tensor(float(bad)))
        counter.add("b", torch.tensor(1.0 - bad))
    counter.check(8)
    counter.add("a", torch.tensor(1.0))
    with pytest.raises(NonFiniteError, match="a had 3 up to 16 images"):
        counter.check(16)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_broken_weights_never_take_the_place_of_a_state(tmp_path, wrong):
    toy = Toy()
    save_state(tmp_path, Progress(8), {"net": toy.network}, {"net": toy.adam})
    good = toy.network.weight.detach().clone()
    with torch.no_grad():
        toy.network.weight[0, 3] = wrong
    with pytest.raises(ValueError, match=r"must be finite to be saved, weight of net .* 16 images"):
        save_state(tmp_path, Progress(16), {"net": toy.network}, {"net": toy.adam})
    assert [path.name for path in tmp_path.iterdir()] == ["nimg-000000008"]
    load_state(tmp_path, {"net": toy.network}, {"net": toy.adam})
    assert toy.network.weight.equal(good)
