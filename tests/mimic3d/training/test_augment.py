import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mimic3d.training.augment import Augment, AugmentConfig

BATCH = 32


def build(**fields) -> Augment:
    return Augment(AugmentConfig(enabled=True, **fields))


def observe(augment: Augment, *signs: float) -> float:
    for sign in signs:
        augment.observe(torch.tensor(sign), BATCH)
    return augment.p.item()


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_p_rises_by_1_in_speed_kimg_when_all_reals_are_known():
    augment = build(speed_kimg=1)
    observed = [observe(augment, 1.0) for _ in range(9)]
    step = 4 * BATCH / 1000
    assert observed == pytest.approx([0] * 3 + [step] * 4 + [2 * step] * 2)


def test_p_falls_when_they_are_not_and_stops_at_0():
    augment = build(speed_kimg=1, initial_p=0.2)
    assert observe(augment, *[0.5] * 4) == pytest.approx(0.2 - 0.128)
    assert observe(augment, *[-1.0] * 4) == 0
    assert observe(augment, *[-1.0] * 40) == 0


def test_p_follows_the_mean_of_an_interval():
    assert observe(build(speed_kimg=1), 1.0, 1.0, 1.0, -0.5) > 0
    assert observe(build(speed_kimg=1, initial_p=0.5), 1.0, 1.0, 1.0, -0.7) < 0.5


def test_each_interval_counts_for_itself():
    augment = build(speed_kimg=1)
    risen = observe(augment, *[1.0] * 4)
    assert observe(augment, *[0.5] * 4) < risen


def test_p_stays_below_its_bound():
    assert observe(build(speed_kimg=1, max_p=0.3), *[1.0] * 40) == pytest.approx(0.3)
    assert observe(build(speed_kimg=1), *[1.0] * 40) == pytest.approx(1.28)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from([-1.0, -0.25, 0.5, 0.75, 1.0]), max_size=30),
    st.integers(0, 30),
    st.integers(1, 5),
)
def test_a_resumed_run_equals_an_uninterrupted_one(signs, interruption, interval):
    cfg = AugmentConfig(enabled=True, initial_p=0.1, interval=interval, speed_kimg=1)
    through, before, after = (Augment(cfg) for _ in range(3))
    observe(through, *signs)
    observe(before, *signs[:interruption])
    after.load_state_dict(before.state_dict())
    observe(after, *signs[interruption:])
    assert_close(after.state_dict(), through.state_dict(), rtol=0, atol=0)


def test_images_pass_untouched_while_p_is_0():
    augment, generator = build(), rng()
    images = torch.randn(2, 3, 8, 8)
    assert augment.is_idle()
    assert augment(images, generator) is images
    assert torch.equal(generator.get_state(), rng().get_state())


def test_nothing_ever_happens_when_it_is_not_enabled():
    augment = Augment(AugmentConfig(initial_p=0.5, speed_kimg=1))
    assert observe(augment, *[1.0] * 8) == 0.5
    images = torch.randn(2, 3, 8, 8)
    assert augment.is_idle()
    assert augment(images, rng()) is images


def raise_by_observing(augment: Augment):
    observe(augment, *[1.0] * 4)


def raise_by_loading(augment: Augment):
    augment.load_state_dict(build(initial_p=1.0).state_dict())


def raise_by_writing(augment: Augment):
    augment.p.fill_(1.0)


def raise_by_replacing(augment: Augment):
    augment.p = torch.tensor(1.0)


@pytest.mark.parametrize(
    "raise_p", [raise_by_observing, raise_by_loading, raise_by_writing, raise_by_replacing]
)
def test_images_change_as_soon_as_p_does(raise_p):
    augment, images = build(speed_kimg=0.1), torch.randn(4, 3, 8, 8)
    assert augment(images, rng()) is images
    raise_p(augment)
    result = augment(images, rng())
    assert not augment.is_idle()
    assert not torch.equal(result, images)
    assert torch.equal(result, augment(images, rng()))
    augment.p.zero_()
    assert augment(images, rng()) is images


def test_a_larger_p_changes_more_images():
    images = torch.randn(200, 3, 4, 4)

    def changed(p: float) -> float:
        result = build(initial_p=p)(images, rng())
        return (result - images).abs().amax(dim=(1, 2, 3)).gt(1e-3).float().mean().item()

    assert 0 < changed(0.02) < changed(0.1) < changed(0.9) == 1


def test_gradients_flow_to_the_images():
    images = torch.randn(2, 6, 8, 8, requires_grad=True)
    build(initial_p=1.0)(images, rng()).square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().amax(dim=(2, 3)).min() > 0


def test_autocast_does_not_lower_the_precision():
    augment, images = build(initial_p=1.0), torch.randn(2, 3, 16, 16)
    expected = augment(images, rng())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augment(images, rng()), expected)


def test_a_start_above_the_bound_is_refused():
    with pytest.raises(ValueError, match=r"initial_p must not exceed max_p = 0\.5, is 0\.6"):
        AugmentConfig(initial_p=0.6, max_p=0.5)
