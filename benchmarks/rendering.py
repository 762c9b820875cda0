"""`python -m benchmarks.rendering [--paper]`: ms per view of both branches, and what ours saves."""

import argparse
from pathlib import Path

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from benchmarks.timing import peak_memory_gib, seconds
from mimic3d.cameras import Cameras, Scene, orbit_cameras
from mimic3d.networks.generator import Generator, GeneratorConfig
from mimic3d.rays import Rays, cast_rays
from mimic3d.rendering.composite import interval_weights
from mimic3d.rendering.depths import importance_depths, stratified_depths
from mimic3d.rendering.renderer import Decode, RenderingConfig, query
from mimic3d.rendering.triplane import Planes
from pipeline.params import load_params
from stages.pretrain import PretrainConfig


def textbook_render(G: Generator, planes: Planes, cameras: Cameras, resolution: int) -> Tensor:
    """`textbook` of a generator's view."""
    rays, channels = cast_rays(cameras, resolution), G.config.feature_channels
    return textbook(planes, G.decoder, rays, G.scene, G.config.rendering, channels)


def textbook(
    planes: Planes, decode: Decode, rays: Rays, scene: Scene, cfg: RenderingConfig, channels: int
) -> Float[Tensor, "n r 3"]:
    """Two passes with all channels decoded, and colours sorted and averaged along the ray."""

    def look(depths: Tensor) -> tuple[Tensor, Tensor]:
        points = rays.origins[:, :, None] + depths[..., None] * rays.directions[:, :, None]
        flat = rearrange(points, "n r s xyz -> n (r s) xyz")
        logits, colors = query(planes, decode, flat, scene, cfg, channels)
        samples = depths.shape[-1]
        return (
            rearrange(logits, "n (r s) 1 -> n r s", s=samples),
            rearrange(colors, "n (r s) c -> n r s c", s=samples),
        )

    first = stratified_depths(scene.near, scene.far, cfg.depth_resolution, rays.origins, None)
    logits, colors = look(first)
    weights = interval_weights(logits, first, cfg.density_gain)
    second = importance_depths(first, weights, cfg.depth_resolution_importance, None)
    more_logits, more_colors = look(second)
    depths, order = torch.cat([first, second], dim=-1).sort(dim=-1)
    logits = torch.cat([logits, more_logits], dim=-1).gather(-1, order)
    colors = torch.cat([colors, more_colors], dim=-2)
    colors = colors.gather(-2, repeat(order, "n r s -> n r s c", c=colors.shape[-1]))
    weights = interval_weights(logits, depths, cfg.density_gain)
    middle = (colors[..., 1:, :] + colors[..., :-1, :]) / 2
    return ((weights[..., None] * middle).sum(dim=-2) * 2 - 1)[..., :3]


@torch.inference_mode()
def main() -> None:
    """Print one line per measurement."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--paper", action="store_true", help="the FFHQ-512 sizes")
    if parser.parse_args().paper:
        cfg = GeneratorConfig(detail=True)
    else:
        pretrain = load_params("pretrain", PretrainConfig, Path.cwd())
        cfg = pretrain.generator.model_copy(update={"detail": True})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    G = Generator(cfg, Scene()).to(device).eval()
    cameras = orbit_cameras(torch.zeros(1), torch.zeros(1), G.scene).to(device)
    ws = G.mapping(torch.randn(1, cfg.z_dim, device=device), cameras.labels())
    planes = G.synthesize_planes(ws, detail=True, noise="const")
    side = cfg.image_resolution
    made = seconds(lambda: G.synthesize_planes(ws, detail=True, noise="const"))
    flat = seconds(lambda: G.render_2d(planes, ws, cameras))
    direct = seconds(lambda: G.render_3d(planes, cameras, side))
    print(f"planes, coarse and detail     {made * 1e3:8.1f} ms")
    print(f"2D branch, {side} px           {flat * 1e3:8.1f} ms per view")
    print(f"3D branch, {side} px           {direct * 1e3:8.1f} ms per view")
    if side <= 128:
        textbook = seconds(lambda: textbook_render(G, planes, cameras, side))
        ours = G.render_3d(planes, cameras, side).image
        theirs = rearrange(textbook_render(G, planes, cameras, side), "n r c -> n c r")
        assert torch.allclose(ours.flatten(2), theirs, atol=1e-4)
        ratio = textbook / direct
        print(f"3D branch, textbook renderer  {textbook * 1e3:8.1f} ms, {ratio:.2f} x ours")
    print(f"peak memory                   {peak_memory_gib():8.2f} GiB")


if __name__ == "__main__":
    main()
