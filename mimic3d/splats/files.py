"""Splats as files: PLY as 3D Gaussian Splatting writes it, and glTF with KHR_gaussian_splatting."""

import json
import struct
from pathlib import Path

import torch
from jaxtyping import Float32
from numpy import ndarray
from torch import Tensor

from mimic3d.atomic import atomic_file
from mimic3d.splats.splats import Splats

SUFFIXES = (".ply", ".glb")
SH_0 = 0.28209479177387814  # the constant spherical harmonic, 1 / (2 sqrt(pi))
PLY_FIELDS = (
    "x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", "opacity",
    "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
)  # fmt: skip
EXTENSION = "KHR_gaussian_splatting"
FLOAT, ARRAY_BUFFER, POINTS = 5126, 34962, 0  # glTF's constants


def save_splats(splats: Splats, path: Path) -> None:
    """Writes splats as their suffix says, atomically; units and axes (y up) are the world's.

    Raises:
        ValueError: another suffix than .ply or .glb.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"splats must be written as .ply or .glb, not as {path.name}")
    with atomic_file(path) as tmp:
        tmp.write_bytes(splat_ply(splats) if path.suffix == ".ply" else splat_glb(splats))


def splat_ply(splats: Splats) -> bytes:
    """PLY of 3D Gaussian Splatting.

    Scales are logarithms, opacities logits, rotations w x y z, colours coefficients of the constant
    spherical harmonic; normals are zero, as there.
    """
    columns = [
        splats.centers, torch.zeros_like(splats.centers), harmonics(splats.colors),
        torch.logit(splats.opacities, eps=1e-6)[:, None], splats.scales.log(), splats.rotations,
    ]  # fmt: skip
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(splats)}"]
    header += [f"property float {name}" for name in PLY_FIELDS]
    rows = torch.cat(columns, dim=1).cpu().numpy().astype("<f4")
    return "\n".join([*header, "end_header\n"]).encode() + rows.tobytes()


def harmonics(colors: Float32[Tensor, "m 3"]) -> Float32[Tensor, "m 3"]:
    """Coefficients of the constant spherical harmonic for colours in 0..1."""
    return (colors - 0.5) / SH_0


def splat_glb(splats: Splats) -> bytes:
    """Points of glTF 2.0 with KHR_gaussian_splatting.

    Scales and opacities are as they are, rotations x y z w. Programs that do not know the extension
    draw coloured points.
    """
    linear = _linear(splats.colors)
    columns = {
        "POSITION": splats.centers,
        "COLOR_0": torch.cat([linear, splats.opacities[:, None]], dim=1),
        f"{EXTENSION}:ROTATION": splats.rotations[:, [1, 2, 3, 0]],
        f"{EXTENSION}:SCALE": splats.scales,
        f"{EXTENSION}:OPACITY": splats.opacities[:, None],
        f"{EXTENSION}:SH_DEGREE_0_COEF_0": harmonics(splats.colors),
    }
    arrays = {name: column.cpu().numpy().astype("<f4") for name, column in columns.items()}
    return _glb(_tree(arrays), b"".join(array.tobytes() for array in arrays.values()))


def _tree(arrays: dict[str, Float32[ndarray, "m k"]]) -> dict[str, object]:
    views, accessors, offset = [], [], 0
    for array in arrays.values():
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": array.nbytes,
                      "target": ARRAY_BUFFER})  # fmt: skip
        kind = "SCALAR" if array.shape[1] == 1 else f"VEC{array.shape[1]}"
        accessors.append({"bufferView": len(accessors), "componentType": FLOAT,
                          "count": len(array), "type": kind})  # fmt: skip
        offset += array.nbytes
    positions = arrays["POSITION"]
    accessors[0] |= {"min": positions.min(0).tolist(), "max": positions.max(0).tolist()}
    primitive = {
        "mode": POINTS,
        "attributes": {name: index for index, name in enumerate(arrays)},
        "extensions": {EXTENSION: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}},
    }
    return {
        "asset": {"version": "2.0", "generator": "mimic3d-open"},
        "extensionsUsed": [EXTENSION],
        "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": offset}],
    }  # fmt: skip


def _glb(tree: dict[str, object], content: bytes) -> bytes:
    text = json.dumps(tree, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    content += b"\0" * (-len(content) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(content), b"BIN\0") + content
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _linear(colors: Float32[Tensor, "m 3"]) -> Float32[Tensor, "m 3"]:
    """Colours (sRGB) as linear light, which glTF's vertex colours are in (IEC 61966-2-1)."""
    curve = ((colors + 0.055) / 1.055) ** 2.4
    return torch.where(colors <= 0.04045, colors / 12.92, curve)
