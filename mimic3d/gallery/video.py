"""MP4 files from frames, whose bytes are the same every time."""

import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import numpy as np
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from mimic3d.atomic import atomic_file
from mimic3d.metrics.features import to_uint8

SMALLEST_FRAME = 256  # rows; smaller videos are enlarged, or players blur them
# One thread, as x264 decides otherwise by the number of cores; no times and versions in the file;
# its index in front, so that browsers show it while it loads.
REPEATABLE = (
    "-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1",
    "-movflags", "+faststart",
)  # fmt: skip


def load_video_writer() -> ModuleType:
    """The module that writes videos, which is an optional dependency.

    Raises:
        ValueError: it is not installed, or brings no ffmpeg for this platform.
    """
    try:
        import imageio_ffmpeg

        imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise ValueError(
            f"videos need imageio-ffmpeg, which is missing ({error}); "
            f"pip install -e '.[export]', or do without by evaluate.video=false"
        ) from error
    return imageio_ffmpeg


def save_video(
    frames: Iterable[Float[Tensor, "3 h w"]], path: Path, frames_per_second: int
) -> None:
    """Writes frames in [-1, 1] as an H.264 MP4, atomically and one by one; small ones are enlarged.

    The same frames give the same bytes on one machine.

    Raises:
        ValueError: imageio-ffmpeg is missing.
    """
    writer_module = load_video_writer()
    pictures = _pictures(frames)
    first = next(pictures)
    height, width = first.shape[:2]
    with atomic_file(path) as tmp:
        writer = writer_module.write_frames(
            str(tmp), (width, height), fps=frames_per_second, codec="libx264", quality=8,
            macro_block_size=2, output_params=list(REPEATABLE),
        )  # fmt: skip
        with closing(writer):
            writer.send(None)
            writer.send(first)
            for picture in pictures:
                writer.send(picture)


def _pictures(frames: Iterable[Float[Tensor, "3 h w"]]) -> Iterator[np.ndarray]:
    for frame in frames:
        scale = math.ceil(SMALLEST_FRAME / frame.shape[1])
        large = F.interpolate(frame[None], scale_factor=scale, mode="nearest")
        pixels = rearrange(to_uint8(large)[0], "c h w -> h w c").cpu().numpy()
        yield np.ascontiguousarray(pixels)
