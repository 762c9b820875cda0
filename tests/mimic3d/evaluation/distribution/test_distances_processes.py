"""Two processes find what one finds: real ones that talk by gloo."""

import json
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from mimic3d.data.reference import Reals
from mimic3d.evaluation.context import EvaluationContext, ProcessGroup
from mimic3d.evaluation.distribution import features
from mimic3d.evaluation.distribution.distances import DistributionConfig, measure_distances
from mimic3d.evaluation.sampling import SamplingConfig
from mimic3d.networks.generator import Generator

CFG = DistributionConfig(
    num_images=8, samples_per_ray=(8,), patches={"patches_per_image": 2, "num_projections": 8}
)


def gather(objects: list) -> list:
    parts = [[] for _ in range(dist.get_world_size())]
    dist.all_gather_object(parts, objects)
    return [item for part in parts for item in part]


def work(rank: int, num: int, generator: Generator, label: torch.Tensor, dataset: Path, out: Path):
    torch.set_num_threads(1)
    features.BLOCK = 3  # three blocks, dealt unevenly
    dist.init_process_group("gloo", f"file://{out}/store-{num}", rank=rank, world_size=num)
    results = []
    for batch in (2, 3):  # the second time with what the first one kept
        told = []
        data = Reals(dataset, out / "pixels", 8, seed=0)
        ctx = EvaluationContext(
            generator, label, data.manifest, 16, SamplingConfig(batch=batch),
            ProcessGroup(rank, num, gather), out / f"cache-{num}",
            lambda amount, text, told=told: told.append(amount),
        )  # fmt: skip
        distances = measure_distances(ctx, data, CFG)
        intervals = {name: vars(interval) for name, interval in distances.intervals.items()}
        results.append([distances.values, intervals, sum(told)])
    (out / f"{num}-{rank}.json").write_text(json.dumps(results))
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tiny_generator, average_label, prepared_project, tmp_path):
    dataset = prepared_project / "data" / "tiny"
    Reals(dataset, tmp_path / "pixels", 8, seed=0)
    for num in (1, 2):
        torch.multiprocessing.spawn(
            work, (num, tiny_generator, average_label, dataset, tmp_path), nprocs=num
        )
    one, first, second = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("1-0", "2-0", "2-1")
    )
    assert first == second
    for alone, together in zip(one, first, strict=True):
        assert alone[0].keys() == together[0].keys()
        for name, value in alone[0].items():
            assert together[0][name] == pytest.approx(value, rel=1e-6, abs=1e-9), name
        for name, interval in alone[1].items():
            assert together[1][name] == pytest.approx(interval, rel=1e-6, abs=1e-9), name
        assert alone[2] == together[2] == 8 * 6
    assert one[0] == one[1]
