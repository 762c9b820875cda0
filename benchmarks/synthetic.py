"""`python -m benchmarks.synthetic`: ms per procedural image, NumPy on one core against torch."""

import time
from collections.abc import Callable

import torch

from benchmarks.timing import peak_memory_gib
from mimic3d.preparation.sources.render_sample import render_sample, render_samples
from mimic3d.preparation.sources.render_tasks import list_render_tasks
from mimic3d.preparation.sources.synthetic import SyntheticConfig
from mimic3d.synthetic.catalog import KINDS
from mimic3d.synthetic.render import BATCH_PIXELS

SIDES = (64, 128, 256)
REPEATS = 5
NUM_SINGLE = 8  # images, one by one


def least(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Shortest of some calls, seconds: others may use the machine too."""
    times = []
    for _ in range(REPEATS):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def main() -> None:
    """Print one line per kind and size; PNG and hash are included, as `prepare` needs them."""
    torch.set_num_threads(1)
    has_gpu = torch.cuda.is_available()
    device, clock = ("cuda", time.perf_counter) if has_gpu else ("cpu", time.process_time)
    for kind in KINDS:
        for side in SIDES:
            num = BATCH_PIXELS // side**2 if has_gpu else NUM_SINGLE
            cfg = SyntheticConfig(kind=kind, num_train=num, num_val=0, num_eval=0)
            shots = [shot for _, shot in list_render_tasks(cfg, 0, side)]
            one_by_one = [
                least(lambda shot=shot: render_sample(shot), time.process_time)
                for shot in shots[:NUM_SINGLE]
            ]
            single = sum(one_by_one) / len(one_by_one)
            batched = least(lambda shots=shots: render_samples(shots, device), clock) / num
            print(
                f"{kind} {side:3d} px   NumPy {single * 1e3:6.1f} ms per image and core   "
                f"torch on {device} {batched * 1e3:6.1f} ms, {num} together   "
                f"torch / NumPy {batched / single:.2f}"
            )
    print(f"peak memory {peak_memory_gib():.2f} GiB")


if __name__ == "__main__":
    main()
