"""The generator of a snapshot and the object of the settings, whose planes are made once."""

import time
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, Scene, orbit_cameras
from mimic3d.networks.objects import Objects, synthesize_objects
from mimic3d.networks.snapshot import Snapshot
from tools.view.settings import ViewSettings

AXIS_SEED = 2**31  # above all seeds of objects; torch uses 32 bits of it


@dataclass
class Timings:
    """Milliseconds of the parts of a drawing."""

    mapping: float = 0.0
    planes: float = 0.0
    render: float = 0.0


@dataclass(eq=False)
class Subject:
    """A generator of a snapshot, with the objects it made last."""

    snapshot: Snapshot
    device: torch.device
    _objects: dict[tuple[object, ...], Objects] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.G = self.snapshot.build_generator().to(self.device)
        self.average_label = torch.tensor([self.snapshot.meta.average_label], device=self.device)

    @property
    def scene(self) -> Scene:
        """Scene of the cameras of the training data."""
        return self.G.scene

    def styles(self, settings: ViewSettings, camera: Cameras) -> Float[Tensor, "1 l w_dim"]:
        """The style of the settings; `camera` conditions it if they say so."""
        label = self._label(settings, camera)

        def of(seed: int) -> Float[Tensor, "1 l w_dim"]:
            rng = torch.Generator().manual_seed(seed)
            z = torch.randn((1, self.G.config.z_dim), generator=rng)
            for number, step in enumerate((settings.latent_x, settings.latent_y)):
                axis = torch.Generator().manual_seed(AXIS_SEED + number)
                z = z + step * torch.randn(z.shape, generator=axis)
            cutoff = settings.cutoff or None
            return self.G.mapping(z.to(self.device), label, settings.psi, cutoff)

        ws = of(settings.seed)
        if settings.blend:
            ws = ws.lerp(of(settings.seed_to), settings.blend)
        if settings.mix_from:
            ws = torch.cat(
                [ws[:, : settings.mix_from], of(settings.mix_seed)[:, settings.mix_from :]], dim=1
            )
        return ws

    def objects(self, settings: ViewSettings, camera: Cameras, timings: Timings) -> Objects:
        """The object of the settings; the planes of the last few are kept."""
        begun = time.perf_counter()
        ws = self.styles(settings, camera)
        timings.mapping += 1000 * (time.perf_counter() - begun)
        key = (ws.cpu().numpy().tobytes(), settings.noise)
        if key not in self._objects:
            begun = time.perf_counter()
            while len(self._objects) > 7:
                self._objects.pop(next(iter(self._objects)))
            self._objects[key] = synthesize_objects(self.G, ws, noise=settings.noise)
            timings.planes += 1000 * (time.perf_counter() - begun)
        objects = self._objects[key]
        if settings.samples_per_ray:
            objects = objects.with_samples_per_ray(max(8, settings.samples_per_ray))
        return objects

    def _label(self, settings: ViewSettings, camera: Cameras) -> Float[Tensor, "1 25"]:
        if settings.conditioning == "view":
            return camera.labels()
        if settings.conditioning == "front":
            zero = torch.zeros(1)
            return orbit_cameras(zero, zero, self.scene).labels().to(self.device)
        return self.average_label
