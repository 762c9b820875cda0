"""Meshes as files that other programs read: PLY and GLB, with a colour per vertex or a texture."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from mimic3d.atomic import atomic_file
from mimic3d.gallery.mesh import Mesh, MeshTexture, load_marching_cubes

SUFFIXES = (".ply", ".glb")


def save_mesh(mesh: Mesh, path: Path) -> None:
    """Writes a mesh as its suffix says, atomically; units and axes (y up) are the world's.

    A texture goes into a GLB only; a PLY has the colours of the vertices.

    Raises:
        ValueError: another suffix than .ply or .glb, no triangles, or trimesh is missing.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"a mesh must be written as .ply or .glb, not as {path.name}")
    if len(mesh.faces) == 0:
        low, high = mesh.densities
        raise ValueError(
            f"the density of the surface must be below the object's greatest, {high:.3g} (its "
            f"least is {low:.3g}); lower it (--density, evaluate.gallery.mesh.density)"
        )
    load_marching_cubes()
    with atomic_file(path) as tmp:
        tmp.write_bytes(_ply(mesh) if path.suffix == ".ply" else _glb(mesh))


def _ply(mesh: Mesh) -> bytes:
    import trimesh
    from trimesh.exchange.ply import export_ply

    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=mesh.colors, process=False)
    return export_ply(solid, vertex_normal=False)


def _glb(mesh: Mesh) -> bytes:
    import trimesh
    from trimesh.exchange.gltf import export_glb

    if mesh.texture is not None:
        return _textured_glb(mesh, mesh.texture)
    colors = _linear(mesh.colors)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=colors, process=False)
    return export_glb(solid, tree_postprocessor=_make_matte)


def _textured_glb(mesh: Mesh, texture: MeshTexture) -> bytes:
    import trimesh
    from trimesh.exchange.gltf import export_glb
    from trimesh.visual import TextureVisuals
    from trimesh.visual.material import PBRMaterial

    matte = PBRMaterial(
        baseColorTexture=Image.fromarray(texture.image), metallicFactor=0.0, roughnessFactor=1.0
    )
    uvs = texture.uvs * [1, -1] + [0, 1]  # trimesh counts from the lower left corner
    visual = TextureVisuals(uvs, material=matte)
    return export_glb(trimesh.Trimesh(mesh.vertices, mesh.faces, visual=visual, process=False))


def _linear(colors: UInt8[np.ndarray, "v 3"]) -> UInt8[np.ndarray, "v 3"]:
    """Colours (sRGB) as linear light, which glTF's vertex colours are in (IEC 61966-2-1)."""
    shares = colors / 255.0
    light = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return (light * 255).round().astype(np.uint8)


def _make_matte(tree: dict[str, Any]) -> None:
    """Gives the mesh a material, since that of glTF files without one is polished metal."""
    surface = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    tree["materials"] = [{"pbrMetallicRoughness": surface}]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0
