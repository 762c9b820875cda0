import pytest
from hypothesis import given
from hypothesis import strategies as st

from mimic3d.training.schedules import BlurConfig, SwappingConfig, blur_sigma, swapping_prob


def test_swapping_fades_from_always_to_its_final_probability():
    cfg = SwappingConfig(final_prob=0.5, fade_kimg=1000)
    assert [swapping_prob(k, cfg) for k in (0, 400, 1000, 9999)] == [1.0, 0.8, 0.5, 0.5]
    assert swapping_prob(0, SwappingConfig(fade_kimg=0)) == 0.5


def test_blur_fades_to_nothing():
    cfg = BlurConfig(initial_sigma_px=10, fade_kimg=200)
    assert [blur_sigma(k, cfg) for k in (0, 50, 200, 999)] == [10, 7.5, 0, 0]
    assert blur_sigma(0, BlurConfig(initial_sigma_px=0)) == 0
    assert blur_sigma(0, BlurConfig(fade_kimg=0)) == 0
    assert [blur_sigma(k, BlurConfig(), batch=8) for k in (0, 25, 50)] == [10, 5, 0]  # 200 / 4


@given(st.floats(0, 1e5), st.floats(0, 1e5))
def test_schedules_never_rise(a, b):
    early, late = sorted((a, b))
    assert swapping_prob(early, SwappingConfig()) >= swapping_prob(late, SwappingConfig())
    assert blur_sigma(early, BlurConfig()) >= blur_sigma(late, BlurConfig())
    assert blur_sigma(late, BlurConfig()) == pytest.approx(max(0, 10 * (1 - late / 200)))
