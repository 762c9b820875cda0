import numpy as np
import pytest
import torch
from PIL import Image

from mimic3d.gallery.stills import CAPTION, enlarge, image_grid, labelled_rows, save_png


def test_grid_puts_images_row_by_row_and_fills_up_with_black():
    values = torch.linspace(-1, 1, 5)
    grid = np.asarray(image_grid(values.reshape(5, 1, 1, 1).expand(5, 3, 2, 4), columns=3))
    assert grid.shape == (4, 12, 3)
    assert grid[::2, ::4, 0].tolist() == [[0, 64, 128], [191, 255, 0]]


def test_pictures_survive_a_write_that_fails(tmp_path, monkeypatch):
    path = tmp_path / "grid.png"
    save_png(Image.new("RGB", (4, 4), (255, 0, 0)), path)

    def fail(self, target, **_):
        target.write_bytes(b"half")
        raise OSError("power cut")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="power cut"):
        save_png(Image.new("RGB", (4, 4)), path)
    monkeypatch.undo()
    with Image.open(path) as image:
        assert image.getpixel((0, 0)) == (255, 0, 0)
    assert [item.name for item in tmp_path.iterdir()] == ["grid.png"]


def test_labelled_rows_hold_their_images_below_their_texts():
    rows = [("first", -torch.ones(2, 3, 48, 48)), ("second", torch.zeros(1, 3, 48, 48))]
    picture = np.asarray(labelled_rows(rows))
    assert picture.shape == (2 * (CAPTION + 96), 2 * 96, 3)
    assert (picture[CAPTION : CAPTION + 96] == 0).all()
    assert (picture[-96:, :96] == 128).all()
    assert (picture[-96:, 96:] == 255).all()
    texts = picture[:CAPTION], picture[CAPTION + 96 :][:CAPTION]
    assert all(text.min() < 64 and text.mean() > 200 for text in texts)
    assert (texts[0] != texts[1]).any()


def test_enlarged_pixels_are_squares():
    small = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    large = np.asarray(enlarge(small, 3))
    assert (large == np.asarray(small).repeat(3, axis=0).repeat(3, axis=1)).all()
