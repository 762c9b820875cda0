"""Pictures of several images: grids, labelled rows; and their files."""

import math
from collections.abc import Sequence
from pathlib import Path

from einops import rearrange
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from mimic3d.atomic import atomic_file
from mimic3d.metrics.features import to_uint8

CAPTION = 18  # pixels of a line of text
SMALLEST_LABELLED = 96  # pixels; smaller images in labelled rows are enlarged


def image_grid(images: Float[Tensor, "n 3 h w"], columns: int) -> Image.Image:
    """Images in [-1, 1] row by row; places left over are black."""
    missing = -len(images) % columns
    filled = F.pad(images, (0, 0, 0, 0, 0, 0, 0, missing), value=-1.0)
    pixels = rearrange(to_uint8(filled), "(r k) c h w -> (r h) (k w) c", k=columns)
    return Image.fromarray(pixels.cpu().numpy())


def labelled_rows(rows: Sequence[tuple[str, Float[Tensor, "_ 3 h w"]]]) -> Image.Image:
    """A row of images in [-1, 1] each, under a line of text; small images are enlarged."""
    pictures = []
    for _, images in rows:
        scale = math.ceil(SMALLEST_LABELLED / images.shape[-2])
        pictures.append(enlarge(image_grid(images, len(images)), scale))
    width = max(picture.width for picture in pictures)
    height = sum(picture.height + CAPTION for picture in pictures)
    canvas = Image.new("RGB", (width, height), "white")
    draw, font, top = ImageDraw.Draw(canvas), ImageFont.load_default(12), 0
    for (text, _), picture in zip(rows, pictures, strict=True):
        draw.text((4, top + 2), text, fill="black", font=font)
        canvas.paste(picture, (0, top + CAPTION))
        top += picture.height + CAPTION
    return canvas


def enlarge(image: Image.Image, scale: int) -> Image.Image:
    """The picture with square pixels of this size."""
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def save_png(image: Image.Image, path: Path) -> None:
    """Writes a picture atomically."""
    with atomic_file(path) as tmp:
        image.save(tmp, format="PNG")
