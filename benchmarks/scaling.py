"""`python -m benchmarks.scaling`: training and evaluation on 8, 64 and 256 GPUs, derived.

Gradient bytes are counted from the networks of a preset; the time to reduce them follows from the
bandwidth of the wires; the time to compute them is an input. docs/scaling.md holds what it prints.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.reduction import Traffic, traffic_of_preset

GPUS_PER_NODE = 8
GPUS = (8, 64, 256)
EFFICIENCY = 0.8
"""Share of the nominal bandwidth that large all-reduces are assumed to reach."""
STEP_LATENCY = 5e-6
"""Seconds per step of a ring: 631 us for the smallest all-reduce of 64 GPUs, which takes 126 steps
(nccl-tests on eight p3dn.24xlarge, gist.github.com/jacobkahn/3150a1a38abba40f58d8263d9c55969f)."""
NVLINK = 450e9
"""Bytes/s out of one H100 or H200: 900 GB/s in both directions together (NVIDIA, "NVLink 4")."""
NETWORKS = {"InfiniBand, 8 x 400 Gb/s": 8 * 50e9, "Ethernet, 1 x 100 Gb/s": 12.5e9}
"""Bytes/s out of one machine: of a DGX H100 or H200 (its user guide), of many a rented one."""
BATCH, MICROBATCH = 32, 4  # images of pretrain.loop and imitate.loop
EVALUATED, FEATURES = 50_000, 2048  # images; float32 features of an Inception network for each


@dataclass(frozen=True)
class Speed:
    """Speed of one GPU in `imitate`, and the source of that number."""

    name: str
    seconds_per_kimg: float
    render_seconds: float
    """Seconds of one 512 px view of the 3D branch."""


SPEEDS = (
    Speed("A6000, the authors' code", 277.0, 0.2867),
    Speed("5 times faster", 55.0, 0.057),
    Speed("25 times faster", 11.0, 0.0115),
)
"""80.2 GPU-days on one RTX A6000 for 25 million images, and 286.7 ms per view (both from the
comparison in GGHead, arXiv 2406.09377); then what faster GPUs and code would change."""


def reduce_seconds(num_bytes: float, gpus: int, network: float) -> float:
    """Time of one all-reduce: within each machine over NVLink, between machines over the network.

    A ring moves 2 (p - 1) / p of the tensor through each wire (nccl-tests, PERFORMANCE.md).
    """
    within, machines = min(gpus, GPUS_PER_NODE), -(-gpus // GPUS_PER_NODE)
    wire = 2 * (within - 1) / within * num_bytes / (NVLINK * EFFICIENCY)
    wire += 2 * (machines - 1) / machines * num_bytes / (network * EFFICIENCY)
    return wire + 2 * (gpus - 1) * STEP_LATENCY


def communication_seconds(phases: Sequence[Traffic], gpus: int, network: float) -> float:
    """Time per iteration; reductions come after the backward pass, nothing hides them."""
    return sum(
        reduce_seconds(each.num_values * 4, gpus, network) / each.interval for each in phases
    )


def traffic_table(preset: dict[str, list[Traffic]]) -> str:
    """Megabytes that one iteration reduces, by stage and phase."""
    rows = [
        [stage, each.phase, f"{each.num_values:,}", str(each.interval), _mb(each)]
        for stage, phases in preset.items()
        for each in phases
    ]
    for stage, phases in preset.items():
        total = sum(each.bytes_per_iteration for each in phases) / 1e6
        rows.append([stage, "**all**", "", "", f"**{total:.1f}**"])
    return _table(["stage", "phase", "values", "every", "MB per iteration"], rows)


def reduce_table(preset: dict[str, list[Traffic]]) -> str:
    """Milliseconds of communication per iteration of each stage."""
    rows = [
        [network, str(gpus), *(_ms(communication_seconds(p, gpus, wire)) for p in preset.values())]
        for network, wire in NETWORKS.items()
        for gpus in GPUS
    ]
    return _table(["between machines", "GPUs", *(f"{stage}, ms" for stage in preset)], rows)


def training_table(phases: Sequence[Traffic]) -> str:
    """Speed and efficiency of `imitate` with one microbatch on every GPU."""
    rows = []
    for speed in SPEEDS:
        compute = MICROBATCH * speed.seconds_per_kimg / 1000
        for gpus in GPUS:
            cells = [speed.name, str(gpus), str(gpus * MICROBATCH), _ms(compute)]
            for wire in NETWORKS.values():
                step = compute + communication_seconds(phases, gpus, wire)
                cells.append(f"{compute / step:.1%}, {gpus * MICROBATCH / step:,.0f} images/s")
            rows.append(cells)
    headers = ["one GPU", "GPUs", "batch", "compute, ms", *NETWORKS]
    return _table(headers, rows)


def strong_table(phases: Sequence[Traffic]) -> str:
    """Speed of one batch of 32 on up to eight GPUs: all that its microbatches of 4 can use."""
    rows = []
    for speed in SPEEDS:
        cells = [speed.name]
        for gpus in (1, 2, 4, 8):
            compute = BATCH / gpus * speed.seconds_per_kimg / 1000
            step = compute + (communication_seconds(phases, gpus, 1.0) if gpus > 1 else 0.0)
            cells.append(f"{step / BATCH * 1000:.1f}")
        rows.append(cells)
    return _table(["one GPU", *(f"{gpus} GPU, s per kimg" for gpus in (1, 2, 4, 8))], rows)


def evaluation_table() -> str:
    """Minutes to render the images of a Frechet distance, and seconds to gather their features."""
    gathered = EVALUATED * FEATURES * 4
    rows = [
        [
            speed.name,
            *(f"{EVALUATED * speed.render_seconds / gpus / 60:.1f}" for gpus in (1, *GPUS)),
            *(f"{gathered / (wire * EFFICIENCY):.3f}" for wire in NETWORKS.values()),
        ]
        for speed in SPEEDS
    ]
    minutes = [f"{gpus} GPU, min" for gpus in (1, *GPUS)]
    return _table(["one GPU", *minutes, *(f"gather, s: {name}" for name in NETWORKS)], rows)


def report(preset: dict[str, list[Traffic]]) -> dict[str, str]:
    """All tables, by title."""
    return {
        "What is reduced": traffic_table(preset),
        "How long that takes": reduce_table(preset),
        "The same batch on more GPUs": strong_table(preset["imitate"]),
        "A larger batch on more GPUs": training_table(preset["imitate"]),
        "Evaluation": evaluation_table(),
    }


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--preset", type=Path, default=Path("presets/ffhq512.yaml"))
    for title, table in report(traffic_of_preset(parser.parse_args().preset)).items():
        print(f"{title}\n\n{table}\n")


def _table(headers: list[str], rows: list[list[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f}"


def _mb(traffic: Traffic) -> str:
    return f"{traffic.bytes_per_iteration / 1e6:.1f}"


if __name__ == "__main__":
    main()
