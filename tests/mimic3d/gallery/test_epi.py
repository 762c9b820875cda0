import numpy as np
import torch

from mimic3d.gallery.config import GalleryConfig
from mimic3d.gallery.epi import epipolar_images, stack_epipolar
from mimic3d.gallery.panels import compare_orbit
from mimic3d.gallery.paths import epi_path


def test_lines_of_the_epipolar_image_are_one_row_of_every_view(generator):
    cameras = epi_path(GalleryConfig(epi_views=5), 0.0, generator.scene)
    ws = generator.mapping(torch.randn(1, 8), cameras.labels()[:1])
    flat, direct = epipolar_images(generator, ws, cameras, height=0.45, batch=2)
    views = compare_orbit(generator, ws, cameras, batch=5).panels
    for view in range(5):
        torch.testing.assert_close(flat[:, view], views["2d"][view, :, 7])
        torch.testing.assert_close(direct[:, view], views["3d"][view, :, 7])
    (only,) = epipolar_images(generator, ws, cameras, 0.99, 3, ("3d",), resolution=32)
    assert only.shape == (3, 5, 32)


def test_both_branches_lie_above_each_other_with_a_white_line_between():
    picture = np.asarray(stack_epipolar([-torch.ones(3, 4, 256), torch.zeros(3, 4, 256)]))
    assert picture.shape == (18, 512, 3)
    assert [picture[row, 0, 0] for row in (0, 7, 8, 9, 10, 17)] == [0, 0, 255, 255, 128, 128]
