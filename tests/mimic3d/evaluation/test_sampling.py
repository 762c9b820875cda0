import torch

from mimic3d.evaluation.sampling import draw_latents


def test_latents_have_a_seed_of_their_own():
    z, rows = draw_latents(0, 6, 4, 10, seed=3)
    z_later, rows_later = draw_latents(4, 2, 4, 10, seed=3)
    assert torch.equal(z[4:], z_later)
    assert torch.equal(rows[4:], rows_later)
    assert len(z.unique()) == 24
    assert 0 <= rows.min() <= rows.max() < 10
