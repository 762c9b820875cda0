"""`python -m benchmarks.inversion SNAPSHOT`: inversions of held-out subjects against the truth.

Synthetic subjects have true other views, so that an inversion of one photo can be measured where it
was never seen. Prints a table of Markdown; with --json also every number.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from mimic3d.cameras import Cameras, orbit_cameras
from mimic3d.data.schema import Subjects
from mimic3d.evaluation.truth import held_out_subject, render_true_views
from mimic3d.gallery.stills import labelled_rows, save_png
from mimic3d.inversion.camera_fit import CameraCorrection
from mimic3d.inversion.inversion import PHASES, Inversion, InversionConfig
from mimic3d.inversion.reconstruction import Reconstruction
from mimic3d.inversion.targets import InversionTarget
from mimic3d.losses.perceptual import PerceptualConfig, build_perceptual
from mimic3d.metrics.similarity import psnr
from mimic3d.metrics.views import unit_range
from mimic3d.networks.objects import synthesize_objects
from mimic3d.networks.snapshot import read_snapshot
from mimic3d.rendering.backend import choose_backend
from mimic3d.synthetic.catalog import identity_of
from mimic3d.synthetic.identity import Identity

ANGLES_DEG = (0, 10, 20, 30, 45)
INPUT_YAW_RAD = 0.15
PHOTO_YAWS_RAD = (INPUT_YAW_RAD, -0.35, 0.45, -0.1)
ERROR_RAD = 0.035  # of cameras that are not exact: 2 degrees about the pivot, each axis
ERROR_PLACE = 0.02
TRAIN_SPLIT = 0


@dataclass(frozen=True)
class Case:
    """One way to invert a subject."""

    label: str
    num_photos: int = 1
    has_error: bool = False
    is_corrected: bool = False


CASES = (
    Case("1 photo, exact camera, not corrected"),
    Case("1 photo, exact camera, corrected", is_corrected=True),
    Case("1 photo, camera 2 degrees off, not corrected", has_error=True),
    Case("1 photo, camera 2 degrees off, corrected", has_error=True, is_corrected=True),
    Case("2 photos, exact cameras", num_photos=2),
    Case("4 photos, exact cameras", num_photos=4),
)


class InversionBenchmark:
    """A generator of a synthetic domain, and subjects that it was not trained on."""

    def __init__(
        self, snapshot: Path, subjects: Subjects, cfg: InversionConfig, num_train: int
    ) -> None:
        loaded = read_snapshot(snapshot)
        self.G = loaded.build_generator()
        self.G.backend = choose_backend("auto", torch.device("cpu"))
        self.label = torch.tensor([loaded.meta.average_label])
        self.pictures: dict[str, Float[Tensor, "v 3 h w"]] = {}
        """Views of the last inversion, by part."""
        self.subjects, self.cfg, self.num_train = subjects, cfg, num_train
        perceptual = build_perceptual(PerceptualConfig(network="lite0"), Path("cache/models"))
        self.reconstruction = Reconstruction(cfg.reconstruction, perceptual)
        self.side = self.G.config.image_resolution
        yaw = INPUT_YAW_RAD - torch.tensor(ANGLES_DEG).deg2rad()
        self.views = orbit_cameras(yaw, torch.zeros_like(yaw), self.G.scene)

    def render(self, identity: Identity, cameras: Cameras) -> Float[Tensor, "n 3 h w"]:
        """True views of a subject."""
        people = [identity] * len(cameras)
        return render_true_views(people, cameras, self.side, self.subjects).images

    def invert(
        self, images: Float[Tensor, "n 3 h w"], cameras: Cameras,
        truth: Float[Tensor, "v 3 h w"], case: Case,
    ) -> dict[str, list[float]]:  # fmt: skip
        """PSNR by part, of the input view and the novel ones; and seconds."""
        camera = self.cfg.camera
        if not case.is_corrected:
            camera = camera.model_copy(update={"interval": 0})
        cfg = self.cfg.model_copy(update={"camera": camera})
        target = InversionTarget(images, cameras)
        begun = time.perf_counter()
        inversion = Inversion(self.G, self.label, target, self.reconstruction, cfg)
        for _ in inversion.steps():
            pass
        rows = {"seconds": [time.perf_counter() - begun]}
        for phase in PHASES:
            answer = inversion.answer(phase)
            fitted = answer.cameras[:1]
            with torch.no_grad():
                shown = answer.objects.render(fitted).image
                others = answer.objects.render(self.views[1:]).image
            self.pictures[phase] = torch.cat([shown, others])
            rows[phase] = scores(self.pictures[phase], truth)
        return rows

    @cached_property
    def training_views(self) -> Float[Tensor, "n 3 h w"]:
        """The input view of all training subjects."""
        cameras = self.views[torch.zeros(self.num_train, dtype=torch.long)]
        people = [self.train_subject(i) for i in range(self.num_train)]
        return render_true_views(people, cameras, self.side, self.subjects).images

    def train_subject(self, number: int) -> Identity:
        """A subject of the training images."""
        return identity_of((self.subjects.seed, TRAIN_SPLIT, number), self.subjects.kind)

    def nearest(self, truth: Float[Tensor, "v 3 h w"]) -> list[float]:
        """PSNR of the training subject that is most like the input view, from all views."""
        errors = (self.training_views - truth[:1]).square().mean(dim=(1, 2, 3))
        chosen = self.train_subject(int(errors.argmin()))
        return scores(self.render(chosen, self.views), truth)

    def own_object(self, seed: int) -> Float[Tensor, "v 3 h w"]:
        """Views of a random object of the generator itself: what can be found exactly."""
        z = torch.randn((1, self.G.config.z_dim), generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            return (
                synthesize_objects(self.G, self.G.mapping(z, self.label)).render(self.views).image
            )


def scores(images: Float[Tensor, "v 3 h w"], truth: Float[Tensor, "v 3 h w"]) -> list[float]:
    """PSNR of each view, dB."""
    return psnr(
        unit_range(images).clamp(0, 1), unit_range(truth), torch.ones_like(truth[:, :1])
    ).tolist()


def disturbed(cameras: Cameras, pivot: tuple[float, float, float], seed: int) -> Cameras:
    """Cameras with a known error."""
    rng = torch.Generator().manual_seed(seed)
    signs = torch.randint(2, (len(cameras), 6), generator=rng) * 2.0 - 1
    sizes = torch.tensor([ERROR_RAD] * 3 + [ERROR_PLACE] * 3)
    return CameraCorrection(signs * sizes).apply(cameras, pivot)


def shortened(cfg: InversionConfig, num_steps: int | None) -> InversionConfig:
    """The same with so many steps of each part."""
    if num_steps is None:
        return cfg
    parts = {
        name: getattr(cfg, name).model_copy(update={"num_steps": num_steps})
        for name in ("w", "w_plus", "tuning")
    }
    return cfg.model_copy(update=parts)


def measure_subject(
    benchmark: InversionBenchmark, number: int, cases: Sequence[Case], picture: Path | None
) -> dict:
    """All cases of one held-out subject, the floor, and the ceiling of an object of G."""
    identity = held_out_subject(benchmark.subjects, number)
    truth = benchmark.render(identity, benchmark.views)
    results: dict = {}
    for case in cases:
        yaws = torch.tensor(PHOTO_YAWS_RAD[: case.num_photos])
        cameras = orbit_cameras(yaws, torch.zeros_like(yaws), benchmark.G.scene)
        images = benchmark.render(identity, cameras)
        if case.has_error:
            cameras = disturbed(cameras, benchmark.G.scene.pivot, number)
        results[case.label] = benchmark.invert(images, cameras, truth, case)
        if picture is not None:
            rows = {"truth": truth, **benchmark.pictures}
            shown = [(label, images.clamp(-1, 1)) for label, images in rows.items()]
            save_png(labelled_rows(shown), picture)
        print(number, case.label, results[case.label], flush=True)
    own = benchmark.own_object(number)
    results["ceiling: an image of the generator itself"] = benchmark.invert(
        own[:1], benchmark.views[:1], own, CASES[0]
    )
    floor = benchmark.nearest(truth)
    results["floor: the nearest training subject"] = {"nearest": floor}
    return results


def print_table(subjects: Sequence[dict]) -> None:
    """Means over the subjects as a table of Markdown."""
    print(
        "| PSNR, dB | part | input view | " + " | ".join(f"{a} deg" for a in ANGLES_DEG[1:]) + " |"
    )
    print("|---" * (len(ANGLES_DEG) + 2) + "|")
    for label in subjects[0]:
        for part in subjects[0][label]:
            if part == "seconds":
                continue
            rows = torch.tensor([each[label][part] for each in subjects]).mean(dim=0)
            values = " | ".join(f"{value:.1f}" for value in rows.tolist())
            print(f"| {label} | {part.replace('w_plus', 'w+')} | {values} |")
    seconds = [
        part["seconds"][0] for each in subjects for part in each.values() if "seconds" in part
    ]
    print(f"\n{len(subjects)} subjects; {sum(seconds) / len(seconds):.0f} s per inversion")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("snapshot", type=Path)
    parser.add_argument("--subjects", type=int, default=4)
    parser.add_argument("--first", type=int, default=0, help="number of the first subject")
    parser.add_argument("--train-subjects", type=int, default=1000, help="searched by the floor")
    parser.add_argument("--steps", type=int, help="of each part; else as `mimic3d invert`")
    parser.add_argument("--cases", type=int, nargs="*", help="numbers of cases; else all")
    parser.add_argument("--picture", type=Path, help="PNG of the last case of each subject")
    parser.add_argument("--kind", choices=("heads", "cats"), default="heads")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    subjects = Subjects(kind=args.kind, seed=0, background="room", specular=0)
    cfg = shortened(InversionConfig(), args.steps)
    benchmark = InversionBenchmark(args.snapshot, subjects, cfg, args.train_subjects)
    cases = CASES if args.cases is None else [CASES[index] for index in args.cases]
    results = []
    for number in range(args.first, args.first + args.subjects):
        results.append(measure_subject(benchmark, number, cases, args.picture))
        if args.json:
            args.json.write_text(json.dumps(results, indent=1))
        print_table(results)


if __name__ == "__main__":
    main()
