"""The generator of a snapshot and the objects of the settings, whose planes are made once."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, cameras_from_labels, orbit_cameras
from mimic3d.inversion.directions import Directions, factorized_directions, principal_directions
from mimic3d.inversion.edits import move_styles
from mimic3d.inversion.principal_axes import PrincipalAxesConfig, measure_axes
from mimic3d.networks.generator import Generator
from mimic3d.networks.objects import Objects, synthesize_objects
from mimic3d.rendering.backend import BackendName, RenderBackend, choose_backend
from tools.view.settings import ViewSettings

AXIS_SEED = 2**31  # above all seeds of objects; torch uses 32 bits of it
KEPT_OBJECTS = 8  # planes of the last styles
MIN_SAMPLES = 8  # along a ray, of both passes
WARM_UP_PX = 16


class Timings(defaultdict[str, float]):
    """Milliseconds of the parts of a drawing."""

    def __init__(self) -> None:
        super().__init__(float)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Adds the time of this block."""
        begun = time.perf_counter()
        yield
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        self[name] += 1000 * (time.perf_counter() - begun)


@dataclass(eq=False)
class Subject:
    """A generator, what its snapshot tells of the training data, and the objects it made last."""

    G: Generator
    average_label: Float[Tensor, "1 25"]
    """Mean camera label of the dataset."""
    dataset_labels: Callable[[], Float[Tensor, "m 25"]]
    """Camera labels of the dataset; raises ValueError where it is not at hand."""
    description: str = ""
    """Stage and progress of the snapshot."""
    _objects: dict[tuple[bytes, str], Objects] = field(default_factory=dict)
    _directions: dict[str, Directions] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def device(self) -> torch.device:
        """Device of the generator."""
        return self.G.mapping.w_avg.device

    def choose_renderer(self, name: BackendName) -> None:
        """Renders by fused kernels, where they run, as soon as they are compiled (seconds)."""
        backend = choose_backend(name, self.device)
        if backend.name == "torch":
            self.G.backend = backend
        else:
            warm_up = threading.Thread(target=self._warm_up, args=(backend,), daemon=True)
            warm_up.start()

    @torch.inference_mode()
    def _warm_up(self, backend: RenderBackend) -> None:
        twin, zero = copy(self.G), torch.zeros(1)
        twin.backend = backend
        camera = orbit_cameras(zero, zero, self.G.scene).to(self.device)
        ws = twin.mapping.w_avg.expand(1, twin.mapping.num_ws, -1)
        objects = synthesize_objects(twin, ws)
        for branch in ("3d", "2d"):
            objects.render(camera, branch, WARM_UP_PX)
        self.G.backend = backend

    @torch.inference_mode()
    def styles(self, settings: ViewSettings, camera: Cameras) -> Float[Tensor, "1 l w_dim"]:
        """The style of the settings; `camera` conditions it if they say so."""
        label = self._label(settings, camera)

        def of(seed: int) -> Float[Tensor, "1 l w_dim"]:
            z = _normal(seed, self.G.config.z_dim)
            for number, step in enumerate((settings.latent_x, settings.latent_y)):
                z = z + step * _normal(AXIS_SEED + number, self.G.config.z_dim)
            return self.G.mapping(z.to(self.device), label, settings.psi, settings.cutoff or None)

        ws = of(settings.seed)
        if settings.blend:
            ws = ws.lerp(of(settings.seed_to), settings.blend)
        if settings.mix_from < settings.mix_to:
            layers = slice(settings.mix_from, settings.mix_to)
            ws = ws.clone()
            ws[:, layers] = of(settings.mix_seed)[:, layers]
        return self._moved(ws, settings)

    def _moved(
        self, ws: Float[Tensor, "1 l w_dim"], settings: ViewSettings
    ) -> Float[Tensor, "1 l w_dim"]:
        """The style after the steps along directions, which are made when they are first needed."""
        steps = (settings.along_1, settings.along_2, settings.along_3, settings.along_4)
        if not any(steps):
            return ws
        if settings.directions not in self._directions:
            axes = measure_axes(self.G, self.average_label, PrincipalAxesConfig())
            num = min(len(steps), self.G.config.w_dim)
            self._directions["principal"] = principal_directions(axes, num)
            self._directions["factorized"] = factorized_directions(self.G, axes, num)
        chosen = self._directions[settings.directions]
        for vector, deviation, step in zip(chosen.vectors, chosen.deviations, steps, strict=False):
            ws = move_styles(ws, vector * deviation, ws.new_tensor([step]))
        return ws

    @torch.inference_mode()
    def objects(
        self, settings: ViewSettings, camera: Cameras, timings: Timings | None = None
    ) -> Objects:
        """The object of the settings; the planes of the last few are kept."""
        timings = Timings() if timings is None else timings
        with self._lock:
            with timings.part("mapping"):
                ws = self.styles(settings, camera)
                key = (ws.cpu().numpy().tobytes(), settings.noise)
            if key not in self._objects:
                while len(self._objects) >= KEPT_OBJECTS:
                    self._objects.pop(next(iter(self._objects)))
                with timings.part("planes"):
                    self._objects[key] = synthesize_objects(self.G, ws, noise=settings.noise)
            objects = self._objects[key]
        if settings.samples_per_ray:
            return objects.with_samples_per_ray(max(MIN_SAMPLES, settings.samples_per_ray))
        return objects

    def dataset_camera(self, index: int) -> Cameras:
        """Camera of an image of the dataset.

        Raises:
            ValueError: there is no such image, or no dataset.
        """
        labels = self.dataset_labels()
        if index >= len(labels):
            raise ValueError(
                f"the dataset has images 0 to {len(labels) - 1}, asked was the camera of {index}"
            )
        return cameras_from_labels(labels[index : index + 1]).to(self.device)

    def _label(self, settings: ViewSettings, camera: Cameras) -> Float[Tensor, "1 25"]:
        match settings.conditioning:
            case "view":
                return camera.labels()
            case "average":
                return self.average_label.to(self.device)
            case "angles":
                angles = settings.condition_yaw, settings.condition_pitch
            case _:
                angles = 0.0, 0.0
        yaw, pitch = (torch.tensor([angle]) for angle in angles)
        return orbit_cameras(yaw, pitch, self.G.scene).labels().to(self.device)


def _normal(seed: int, num: int) -> Float[Tensor, "1 z_dim"]:
    return torch.randn((1, num), generator=torch.Generator().manual_seed(seed))
