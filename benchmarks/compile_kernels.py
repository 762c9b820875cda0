"""`python -m benchmarks.compile_kernels`: the kernels in Triton, compiled without a GPU.

Prints registers, spilled bytes, shared memory and instructions of every kernel at the FFHQ-512
sizes and at those of the default experiment, for compute capabilities 8.0 and 9.0. Fails if a
kernel spills registers to memory. Needs `pip install triton`, which brings the assembler and the
disassembler, and no GPU.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.pop("TRITON_INTERPRET", None)

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from mimic3d.rendering.fused import triton_launch as launch
from mimic3d.rendering.fused.triton_backward import decode_gradients, scatter_gradients
from mimic3d.rendering.fused.triton_composite import composite, composite_gradients
from mimic3d.rendering.fused.triton_points import decode_points
from mimic3d.rendering.fused.triton_rays import importance_depths

CAPABILITIES = (80, 90)
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
WARP_WIDTH = 32
AXES = 11220  # `triton_launch.KernelField.axes` of the planes xy, yz, zx
INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")
USAGE = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
INTEGERS = {
    "rays", "samples", "start", "stop", "image_pitch", "sample_pitch", "ray_pitch",
}  # fmt: skip
NUMBERS = {"scale", "gain"}


@dataclass(frozen=True)
class Case:
    """A kernel with the numbers that it is compiled for."""

    name: str
    kernel: Any
    constants: dict[str, Any]
    warps: int
    levels: int = 2
    is_half: bool = False


@dataclass(frozen=True)
class Compiled:
    """What a compiled kernel takes."""

    name: str
    capability: int
    registers: int
    spilled_bytes: int
    shared_bytes: int
    instructions: int
    most_frequent: dict[str, int]


def cases() -> list[Case]:
    """All kernels of a training and of a view."""
    sizes = {
        "ffhq512": {"CHANNELS": 32, "HIDDEN": 64, "OUTPUTS": 4, "INNER": 16},
        "ffhq512, 32 colours": {"CHANNELS": 32, "HIDDEN": 64, "OUTPUTS": 33, "INNER": 64},
        "default": {"CHANNELS": 16, "HIDDEN": 16, "OUTPUTS": 4, "INNER": 16},
    }
    return [case for name, size in sizes.items() for case in _cases(name, size)]


def _cases(name: str, size: dict[str, int]) -> list[Case]:
    outputs, samples = size["OUTPUTS"], 48 if size["CHANNELS"] == 32 else 12
    levels = 1 if outputs > launch.SMALLEST else 2
    field = size | {"LEVELS": levels, "AXES": AXES}
    plain = {"IS_HALF": False, "IS_FAST": False, "BLOCK": launch.BLOCK}
    plain |= {"RAYS": launch.tile_rays(outputs)}
    half = plain | {"IS_HALF": True, "IS_FAST": True, "PRECISION": "tf32", "BLOCK": samples}
    tile = launch.march_rays(outputs)
    rays = {"FIRST": samples, "SAMPLES": 2 * samples, "OUTPUTS": outputs, "RAYS": tile}
    rays |= {"COLORS": launch.pad_size(outputs - 1, 1)}
    padded = launch.pad_size(samples, 4)
    second = {"FIRST": samples, "FIRST_PADDED": padded, "SECOND": samples}
    second |= {"SECOND_PADDED": padded, "OUTPUTS": outputs, "IS_LEGACY": False}
    second |= {"RAYS": launch.IMPORTANCE_RAYS}
    points = []
    for precision in ("tf32", "tf32x3"):
        forward = field | plain | {"PRECISION": precision}
        backward = field | {"PRECISION": precision}
        backward |= {"RAYS": launch.GRADIENT_RAYS, "BLOCK": launch.GRADIENT_BLOCK}
        points += [
            Case(f"{name}: points, {precision}", decode_points, forward, launch.WARPS, levels),
            Case(
                f"{name}: gradients of points, {precision}", decode_gradients, backward,
                launch.gradient_warps(outputs), levels,
            ),
        ]  # fmt: skip
    return [
        *points,
        Case(f"{name}: points, float16", decode_points, field | half, launch.WARPS, levels, True),
        Case(
            f"{name}: scatter",
            scatter_gradients,
            {name: field[name] for name in ("LEVELS", "AXES", "CHANNELS")}
            | {"RAYS": launch.SCATTER_RAYS},
            launch.FEW_WARPS,
            levels,
        ),
        Case(f"{name}: importance", importance_depths, second, launch.FEW_WARPS),
        Case(f"{name}: composite", composite, rays | {"IS_KEPT": True}, launch.FEW_WARPS),
        Case(f"{name}: gradients of composite", composite_gradients, rays, launch.FEW_WARPS),
    ]


def source_of(case: Case) -> ASTSource:
    """Types of the arguments of a kernel; addresses and counts are multiples of 16, as in use."""
    signature: dict[str, Any] = {}
    constants: dict[tuple[int, ...], Any] = {}
    attributes: dict[tuple[int, ...], list] = {}
    sixteen = [["tt.divisibility", 16]]
    table = "*fp16" if case.is_half else "*fp32"
    for i, argument in enumerate(case.kernel.arg_names):
        if argument in case.constants:
            signature[argument] = "constexpr"
            constants[(i,)] = case.constants[argument]
        elif argument in ("tables", "sums"):
            kind = table if argument == "tables" else "*i64"
            signature[argument] = (kind,) * case.levels
            attributes |= {(i, level): sixteen for level in range(case.levels)}
        elif argument == "sizes":
            signature[argument] = ("i32",) * (3 * case.levels)
            attributes |= {(i, k): sixteen for k in range(3 * case.levels)}
        elif argument in INTEGERS:
            signature[argument] = "i32"
            if argument != "stop":
                attributes[(i,)] = sixteen
        else:
            signature[argument] = "fp32" if argument in NUMBERS else "*fp32"
            if argument not in NUMBERS:
                attributes[(i,)] = sixteen
    return ASTSource(fn=case.kernel, signature=signature, constexprs=constants, attrs=attributes)


def compile_case(case: Case, capability: int) -> Compiled:
    """Compiles for a capability and reads the machine code."""
    kernel = triton.compile(
        source_of(case),
        target=GPUTarget("cuda", capability, WARP_WIDTH),
        options={"num_warps": case.warps, "num_stages": launch.STAGES},
    )
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        usage = _run("cuobjdump", "-res-usage", file.name)
        code = _run("cuobjdump", "-sass", file.name)
    numbers = USAGE.search(usage)
    if numbers is None:
        raise RuntimeError(f"cuobjdump told no registers of {case.name}: {usage}")
    names = Counter(m[1] for m in INSTRUCTION.finditer(code))
    spills = sum(count for name, count in names.items() if name.startswith(("LDL", "STL")))
    registers, stack, _, local = map(int, numbers.groups())
    return Compiled(
        case.name, capability, registers, max(stack, local, 4 * spills),
        kernel.metadata.shared, names.total(), dict(names.most_common(12)),
    )  # fmt: skip


def _run(tool: str, *arguments: str) -> str:
    command = [str(TOOLS / tool), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def table(results: list[Compiled]) -> str:
    """One line per kernel and capability."""
    lines = [
        "| kernel | sm | registers | spilled bytes | shared bytes | instructions |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {r.name} | {r.capability} | {r.registers} | {r.spilled_bytes} | {r.shared_bytes} "
        f"| {r.instructions} |"
        for r in results
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table; fail on spills."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="part of a kernel's name")
    parser.add_argument("--json", type=Path, help="file that gets all numbers")
    args = parser.parse_args()
    chosen = [case for case in cases() if args.only in case.name]
    results = []
    for case in chosen:
        for capability in CAPABILITIES:
            results.append(compile_case(case, capability))
            print(table(results[-1:]).splitlines()[-1], flush=True)
    print(f"\n{table(results)}")
    if args.json:
        args.json.write_text(json.dumps([asdict(r) for r in results], indent=2))
    if spilled := [f"{r.name} (sm_{r.capability})" for r in results if r.spilled_bytes]:
        raise SystemExit(f"registers are spilled to memory: {', '.join(spilled)}")


if __name__ == "__main__":
    main()
