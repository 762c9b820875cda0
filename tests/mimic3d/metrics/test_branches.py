import torch

from mimic3d.metrics.branches import branch_gap
from mimic3d.metrics.similarity import smooth


def test_a_perfect_imitation_has_no_gap():
    image = torch.rand(2, 3, 24, 24) * 2 - 1
    gap = branch_gap(image, image)
    assert gap.gap_psnr.tolist() == [100, 100]
    torch.testing.assert_close(gap.gap_ssim, torch.ones(2))
    torch.testing.assert_close(gap.gap_hf, torch.zeros(2))


def test_a_blurred_imitation_lacks_detail_and_a_darker_one_does_not():
    target = torch.rand(2, 3, 24, 24) * 2 - 1
    blurred, darker = branch_gap(smooth(target, 1.0), target), branch_gap(target - 0.2, target)
    assert (blurred.gap_hf > 0.3).all()
    assert (darker.gap_hf < 1e-5).all()
    torch.testing.assert_close(darker.gap_psnr, torch.full((2,), 20.0), rtol=1e-4, atol=0)
    assert (blurred.gap_ssim < darker.gap_ssim).all()


def test_detail_is_measured_by_that_of_the_2d_branch():
    target = torch.rand(1, 3, 24, 24) * 2 - 1
    flat = torch.zeros_like(target)
    torch.testing.assert_close(branch_gap(flat, target).gap_hf, torch.ones(1))
    assert branch_gap(target, flat).gap_hf.isnan().all()  # none to imitate
