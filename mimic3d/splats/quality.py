"""How close pictures of splats come to the renderings they stand for, from cameras held back."""

from mimic3d.cameras import Cameras
from mimic3d.metrics.views import unit_range
from mimic3d.splats.rasterize import render_splats
from mimic3d.splats.splats import Splats
from mimic3d.surfaces.rendered_object import RenderedObject


def splat_psnr(
    splats: Splats, subject: RenderedObject, cameras: Cameras, resolution: int, background: float
) -> list[float]:
    """PSNR (dB) of the splats against the object itself in each view, colours in 0..1."""
    values = []
    for i in range(len(cameras)):
        camera = cameras[i : i + 1]
        truth = unit_range(subject.render(camera, "3d", resolution).image).clamp(0, 1)
        shown = unit_range(render_splats(splats, camera, resolution, background))
        error = (shown - truth.cpu()).square().mean()
        values.append(float(-10 * error.clamp(min=1e-10).log10()))
    return values
