"""`python -m benchmarks.loader`: images per second from the memory-mapped cache, against PNG."""

import io
from pathlib import Path

import pyarrow.parquet as pq
import torch
from PIL import Image

from benchmarks.timing import peak_memory_gib, seconds
from mimic3d.data.dataset import ImageDataset
from mimic3d.data.schema import find_shards
from mimic3d.training.sampler import draw_indices
from stages.dataset import dataset_folder

BATCH = 64


def main() -> None:
    """Print the speed of one core; run it after `prepare`."""
    torch.set_num_threads(1)
    root = Path.cwd()
    dataset = ImageDataset(dataset_folder(root), "train", root / "cache")
    steps = 20

    def read() -> None:
        for step in range(steps):
            dataset.batch(draw_indices(len(dataset), 0, step * BATCH, BATCH))

    cached = BATCH * steps / seconds(read)
    column = pq.read_table(find_shards(dataset_folder(root), "train")[0], columns=["image"])
    pngs = [row["bytes"] for row in column["image"].to_pylist()[: BATCH * 4]]

    def decode() -> None:
        for png in pngs:
            Image.open(io.BytesIO(png)).load()

    decoded = len(pngs) / seconds(decode)
    side = dataset.manifest.resolution
    print(f"cache, {side} px        {cached:10,.0f} images/s per core")
    print(
        f"decoding PNG, {side} px {decoded:10,.0f} images/s per core, ours {cached / decoded:.0f} x"
    )
    print(f"peak memory           {peak_memory_gib():10.2f} GiB")


if __name__ == "__main__":
    main()
