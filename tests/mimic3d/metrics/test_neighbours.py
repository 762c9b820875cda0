import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mimic3d.metrics import neighbours
from mimic3d.metrics.neighbours import NeighboursConfig, precision_recall

CFG = NeighboursConfig()


def gaussian(seed, num, shift=0.0, dim=5):
    return torch.randn(num, dim, generator=torch.Generator().manual_seed(seed)) + shift


def share_inside(points, centers, k):
    """One by one."""
    radii = [sorted(float((c - other).norm()) for other in centers)[k] for c in centers]
    inside = [
        any(float((p - c).norm()) <= r for c, r in zip(centers, radii, strict=True)) for p in points
    ]
    return sum(inside) / len(inside)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31), k=st.integers(1, 4), shift=st.floats(0, 2))
def test_shares_equal_plain_loops(seed, k, shift):
    real, fake = gaussian(seed, 12).double(), gaussian(seed + 1, 9, shift).double()
    found = precision_recall(real, fake, NeighboursConfig(k=k))
    assert found.precision == share_inside(fake, real, k)
    assert found.recall == share_inside(real, fake, k)


def test_chunks_do_not_matter(monkeypatch):
    real, fake = gaussian(0, 50), gaussian(1, 50, 0.7)
    whole = precision_recall(real, fake, CFG)
    monkeypatch.setattr(neighbours, "CHUNK_PAIRS", 170)  # 3 rows
    assert precision_recall(real, fake, CFG) == whole
    assert 0 < whole.precision < 1


def test_a_set_covers_itself_even_if_images_repeat():
    real = gaussian(0, 10).repeat(4, 1) * 1e3
    found = precision_recall(real, real, CFG)
    assert (found.precision, found.recall) == (1, 1)


def test_collapse_costs_recall_and_outliers_cost_precision():
    real = gaussian(0, 200)
    collapsed = precision_recall(real, gaussian(1, 200) * 0.05, CFG)
    assert collapsed.precision > 0.9
    assert collapsed.recall < 0.1
    wild = precision_recall(real, torch.cat([gaussian(1, 100), gaussian(2, 100, 30.0)]), CFG)
    assert wild.precision <= 0.5
    assert wild.recall > 0.7


def test_sets_without_a_kth_neighbour_are_refused():
    with pytest.raises(ValueError, match=r"more than neighbours.k = 3 images in each set, have 9"):
        precision_recall(gaussian(0, 9), gaussian(1, 3), CFG)
