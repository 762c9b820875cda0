"""Makes the committed subset of the full set, whose folder is the argument.

`PYTHONPATH=tests python -m golden.select_subset FOLDER`

Leaves out what is skipped (`roles.py`), most gradients of losses and all weights, which are drawn
from their names; keeps parts of large arrays. Also writes down the names of all arrays of the full
set, and the checksums of the weights that the reference used.
"""

import json
import shutil
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from golden.arrays import COMMITTED, PART, parse_part
from golden.roles import reason_to_skip
from golden.weights import checksum
from safetensors.torch import load_file

NAMES = COMMITTED / "names.json"
CHECKSUMS = COMMITTED / "weights.json"
NETWORKS = ("tiny_2d", "tiny_3d")

# Of each loss, gradients of early and late layers, of each kind of parameter and each part of G, D.
GRADIENTS = (
    "backbone.mapping.fc1.weight",
    "backbone.mapping.embed.bias",
    "backbone.synthesis.b4.const",
    "backbone.synthesis.b8.conv0.noise_strength",
    "backbone.synthesis.b32.conv1.weight",
    "backbone.synthesis.b32.torgb.affine.weight",
    "backbone.synthesis.b3d4.block.conv0.affine.weight",
    "backbone.synthesis.b3d16.block.conv1.noise_strength",
    "backbone.synthesis.b3d32.block.torgb.weight",
    "backbone.synthesis.b3d32.block2.conv0.weight",
    "backbone.synthesis.b3d32.block3.torgb.affine.bias",
    "decoder.net.0.weight",
    "decoder.net.2.bias",
    "superresolution.block0.conv0.affine.weight",
    "superresolution.block1.torgb.weight",
    "b*.fromrgb.weight",  # D and D_patch
    "b128.conv0.weight",
    "b16.skip.weight",
    "b8.conv1.weight",
    "b8.conv1.bias",
    "b4.conv.weight",
    "b4.fc.bias",
    "b4.out.weight",
    "mapping.embed.weight",
    "mapping.fc7.weight",
)

PARTS = {  # of large arrays, what is kept
    "planes*_const": ":3,::4,,",  # the first sample's
    "det_image": ":1,,::2,::2",
    "*image*_s0": ":,,::2,::2",
    "*nrr128*": ":,,::2,::2",
    "inter0_b*": ":,::4,,",
    "gen0.image_half": ":1,,::2,::2",
}


def kept_part(file: str, name: str) -> str:
    """Which part of an array is committed; empty if all of it is."""
    if not file.startswith(("tiny_", "losses/tiny_")):
        return ""
    return next((part for pattern, part in PARTS.items() if fnmatchcase(name, pattern)), "")


def is_committed(file: str, name: str) -> bool:
    """Whether the subset holds an array of the full set."""
    _, found, parameter = name.partition(".grad.")
    if found and file.startswith("losses/tiny_"):
        return any(fnmatchcase(parameter, pattern) for pattern in GRADIENTS)
    return reason_to_skip(file, name) is None


def select(full: Path, file: str) -> dict[str, Any]:
    """The arrays of a file that are committed, with the kept part in their name."""
    chosen: dict[str, Any] = {}
    with np.load(full / f"{file}.npz") as arrays:
        for name in arrays.files:
            if not is_committed(file, name):
                continue
            part, array = kept_part(file, name), arrays[name]
            if part:
                chosen[f"{name}{PART}{part}"] = np.ascontiguousarray(array[parse_part(part)])
            else:
                chosen[name] = array
    return chosen


def main(full: Path) -> None:
    """Write the subset beside this file."""
    paths = sorted(full.glob("*/*.npz"))
    files = [f"{path.parent.name}/{path.stem}" for path in paths]
    names = {}
    for file in files:
        with np.load(full / f"{file}.npz") as arrays:
            names[file] = arrays.files
        chosen = select(full, file)
        if chosen:
            (COMMITTED / file).parent.mkdir(exist_ok=True)
            np.savez_compressed(COMMITTED / f"{file}.npz", **chosen)
    for path in sorted(full.glob("structure/*.json")):
        shutil.copyfile(path, COMMITTED / "structure" / path.name)
    NAMES.write_text(json.dumps(names, indent=1) + "\n")
    weights = sorted(full.glob("tiny_*/*.safetensors"))
    sums = {f"{path.parent.name}/{path.stem}": checksum(load_file(path)) for path in weights}
    CHECKSUMS.write_text(json.dumps(sums, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
