import copy
from dataclasses import dataclass

import pytest
import torch
from accelerate import Accelerator
from torch import nn
from torch.testing import assert_close

from mimic3d.data.dataset import Batch
from mimic3d.training.ema import EmaConfig
from mimic3d.training.loop import LoopConfig, check_batch, train
from mimic3d.training.phases import LossOutput, Phase
from mimic3d.training.state import Progress, load_state, save_state

CFG = LoopConfig(total_kimg=0.064, batch=8, microbatch=4, tick_kimg=0.016, snapshot_ticks=2)


@dataclass
class Toy:
    """A linear network that learns to answer 1, with noise, and a lazy penalty."""

    network: nn.Linear
    average: nn.Linear
    adam: torch.optim.Adam
    calls: list[str]

    def phases(self) -> list[Phase]:
        return [
            Phase("fit", self.network, self.adam, self.fit),
            Phase("decay", self.network, self.adam, self.decay, interval=3),
        ]

    def fit(self, real, context):
        self.calls.append("fit")
        noise = torch.randn(real.c.shape, generator=context.rng)
        loss = (self.network(real.c + 0.1 * noise) - 1).square().mean()
        return LossOutput(loss, {"loss/fit": loss})

    def decay(self, real, context):
        self.calls.append("decay")
        return LossOutput(0.01 * self.network.weight.square().sum())


def toy() -> Toy:
    torch.manual_seed(3)
    network = nn.Linear(25, 1)
    adam = torch.optim.Adam(network.parameters(), lr=0.01)
    return Toy(network, copy.deepcopy(network), adam, [])


def load(start: int, num: int) -> Batch:
    """Image p of the stream is all p."""
    positions = torch.arange(start, start + num).float()
    return Batch(
        positions.reshape(-1, 1, 1, 1).expand(-1, 3, 4, 4), positions[:, None].expand(-1, 25) / 64
    )


def run(player: Toy, cfg: LoopConfig = CFG, nimg: int = 0):
    accelerator = Accelerator(cpu=True)
    return train(
        player.phases(), load, player.network, player.average, accelerator, cfg, EmaConfig(), nimg
    )


def test_ticks_cover_the_budget():
    player = toy()
    ticks = list(run(player))
    assert [tick.nimg for tick in ticks] == [16, 32, 48, 64]
    assert [tick.is_snapshot for tick in ticks] == [False, True, False, True]
    assert [tick.is_last for tick in ticks] == [False, False, False, True]
    assert ticks[-1].stats["loss/fit"] < ticks[0].stats["loss/fit"]
    assert player.calls.count("fit") == 16
    assert player.calls.count("decay") == 6  # iterations 0, 3 and 6, two microbatches each


def test_no_budget_trains_nothing():
    player = toy()
    assert not list(run(player, CFG.model_copy(update={"total_kimg": 0.0})))
    assert player.network.weight.equal(toy().network.weight)


def test_lazy_gradients_are_scaled_by_their_interval():
    player = toy()
    before = player.network.weight.detach().clone()
    gradients = []
    player.adam.step = lambda: gradients.append(player.network.weight.grad.clone())
    next(run(player, CFG.model_copy(update={"tick_kimg": 0.008})))
    assert_close(gradients[1], 3 * 0.01 * 2 * before)


def test_gradients_are_the_mean_over_microbatches():
    whole, parts = toy(), toy()
    for player, microbatch in ((whole, 8), (parts, 2)):
        player.fit = lambda real, context, p=player: LossOutput(
            (p.network(real.c) - 1).square().mean()
        )
        player.adam.step = lambda: None
        cfg = CFG.model_copy(update={"microbatch": microbatch, "total_kimg": 0.008})
        player.decay = player.fit
        list(run(player, cfg))
    assert_close(whole.network.weight.grad, parts.network.weight.grad)


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    straight = toy()
    expected = list(run(straight))
    first = toy()
    for tick in run(first):
        if tick.is_snapshot:
            progress = Progress(tick.nimg, [{"nimg": 16.0}], [{"nimg": 32.0, "swd": 0.5}])
            save_state(tmp_path, progress, {"net": first.network}, {"net": first.adam})
            break
    second = toy()
    with torch.no_grad():
        second.network.weight.zero_()
    assert load_state(tmp_path, {"net": second.network}, {"net": second.adam}) == progress
    assert progress.nimg == 32
    ticks = list(run(second, nimg=progress.nimg))
    assert [tick.stats for tick in ticks] == [tick.stats for tick in expected[2:]]
    assert second.network.weight.equal(straight.network.weight)


def test_broken_gradients_are_replaced_and_counted():
    player = toy()
    player.fit = lambda real, context: LossOutput(
        (player.network.weight * torch.tensor([float("nan")])).sum()
    )
    player.decay = player.fit
    tick = next(run(player))
    assert tick.stats["replaced_gradients/fit"] == 25
    assert player.network.weight.isfinite().all()


def test_uneven_batch_is_explained():
    with pytest.raises(
        ValueError, match=r"pretrain\.loop\.batch must be a multiple .* 4 x 3, is 8"
    ):
        check_batch(CFG, 3, 4, "pretrain.loop")
    with pytest.raises(ValueError, match=r"pretrain\.loop\.microbatch must be a multiple .* 3 or"):
        check_batch(CFG, 1, 3, "pretrain.loop")
    check_batch(CFG, 2, 4, "pretrain.loop")
    check_batch(CFG, 1, 32, "pretrain.loop")  # a small microbatch is one group


def test_two_states_are_kept_and_a_damaged_one_is_named(tmp_path):
    player = toy()
    run_forward(player)
    for nimg in (8, 16, 24):
        save_state(tmp_path, Progress(nimg), {"net": player.network}, {"net": player.adam})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["nimg-000000016", "nimg-000000024"]
    file = tmp_path / "nimg-000000024" / "net.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"nimg-000000024 is not .*the one before, nimg-000000016"):
        load_state(tmp_path, {"net": player.network}, {"net": player.adam})


def run_forward(player: Toy) -> None:
    next(run(player))
