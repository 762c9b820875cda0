import math

import pytest
import torch

from mimic3d.metrics.similarity import high_pass_error, psnr, reach, smooth, ssim, ssim_map


def pictures(num=2, side=24):
    images = torch.rand(num, 3, side, side)
    return images, torch.ones(num, 1, side, side)


def test_psnr_of_a_known_error():
    image, everywhere = pictures()
    found = psnr(image + torch.tensor([0.1, 0.01]).reshape(2, 1, 1, 1), image, everywhere)
    torch.testing.assert_close(found, torch.tensor([20.0, 40.0]), rtol=1e-3, atol=0)
    assert psnr(image, image, everywhere).tolist() == [100, 100]


def test_only_the_mask_counts():
    image, _ = pictures()
    mask = (torch.rand(2, 1, 24, 24) > 0.5).float()
    spoilt = torch.where(mask > 0, image, torch.rand_like(image))
    assert psnr(spoilt, image, mask).min() > 99
    torch.testing.assert_close(ssim(spoilt, image, mask), torch.ones(2))
    assert high_pass_error(spoilt, image, mask).max() < 1e-6
    assert psnr(image, image, 0 * mask).isnan().all()


def test_high_pass_error_sees_detail_and_no_brightness():
    image, everywhere = pictures()
    assert high_pass_error(image + 0.2, image, everywhere).max() < 1e-6
    flat = torch.full_like(image, 0.5)
    torch.testing.assert_close(high_pass_error(flat, image, everywhere), torch.ones(2))
    softer = smooth(image, 1.0)
    assert (high_pass_error(softer, image, everywhere) > 0.3).all()


def test_smoothing_keeps_a_constant_away_from_the_frame():
    rim = reach(0.7)
    found = smooth(torch.ones(1, 2, 16, 16), 0.7)
    torch.testing.assert_close(
        found[..., rim:-rim, rim:-rim], torch.ones(1, 2, 16 - 2 * rim, 16 - 2 * rim)
    )
    assert found[..., 0, :].max() < 1
    assert reach(1.5) == 5


def test_similarity_equals_a_plain_loop():
    a, b = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    mask = (torch.rand(1, 1, 16, 16) > 0.3).float()
    found = ssim_map(a, b, mask)[0, 0]
    c1, c2 = 0.01**2, 0.03**2
    for i, j in [(8, 8), (0, 3), (15, 15)]:
        values = []
        for channel in range(3):
            pixels = [
                (
                    math.exp(-((i - k) ** 2 + (j - m) ** 2) / (2 * 1.5**2)),
                    a[0, channel, k, m].item(),
                    b[0, channel, k, m].item(),
                )
                for k in range(max(0, i - 5), min(16, i + 6))
                for m in range(max(0, j - 5), min(16, j + 6))
                if mask[0, 0, k, m]
            ]
            total = sum(w for w, _, _ in pixels)
            p, q = (sum(x[0] * x[k] for x in pixels) / total for k in (1, 2))
            vp, vq, cov = (
                sum(x[0] * x[k] * x[m] for x in pixels) / total for k, m in ((1, 1), (2, 2), (1, 2))
            )
            vp, vq, cov = vp - p * p, vq - q * q, cov - p * q
            values.append(
                (2 * p * q + c1) * (2 * cov + c2) / ((p * p + q * q + c1) * (vp + vq + c2))
            )
        assert found[i, j].item() == pytest.approx(sum(values) / 3, abs=1e-4)
