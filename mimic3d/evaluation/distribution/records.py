"""Writes down how distances of generated images were measured."""

from dataclasses import dataclass
from typing import Literal

from mimic3d.data.reference import Reals
from mimic3d.evaluation.distribution.comparison import EstimatorConfig
from mimic3d.evaluation.distribution.generated import Variant
from mimic3d.evaluation.sampling import CameraMode, SamplingConfig, count_samples_per_ray
from mimic3d.metrics.features import FeatureNetwork
from mimic3d.metrics.protocol import Protocol
from mimic3d.networks.generator import Generator

Conditioning = Literal["rendering camera", "another of the dataset", "average of the training set"]
CONDITIONING: dict[CameraMode, Conditioning] = {
    "conditioned": "rendering camera",
    "independent": "another of the dataset",
    "fixed": "average of the training set",
}


@dataclass(frozen=True)
class Recorder:
    """What all records of an evaluation have in common."""

    G: Generator
    data: Reals
    resolution: int
    sampling: SamplingConfig
    estimators: EstimatorConfig

    def record(
        self, variant: Variant, mode: CameraMode, network: FeatureNetwork | None
    ) -> Protocol:
        """How one branch was measured by one network, or by patches if there is none."""
        manifest, num, seed = self.data.manifest, self.data.num, self.sampling.seed
        sizes = {manifest.resolution, self.G.config.image_resolution, self.resolution}
        estimators = self.estimators
        return Protocol(
            branch=variant.branch,
            feature_network=network.name if network else "none",
            feature_resize=network.input_resize if network else "none",
            dataset_fingerprint=manifest.fingerprint,
            split="train",
            reference=f"{num} of them, drawn with seed {self.data.seed}",
            mirrored=manifest.mirror,
            num_real=num,
            num_fake=num,
            conditioning_camera=CONDITIONING[mode],
            rendering_camera="drawn from the dataset's labels",
            truncation_psi=self.sampling.truncation_psi,
            resolution=self.resolution,
            resize="none" if len(sizes) == 1 else "bilinear antialiased",
            samples_per_ray=variant.samples_per_ray or count_samples_per_ray(self.G),
            seeds=(seed, seed + num - 1),
            kernel=estimators.kernel if network else None,
            neighbours=estimators.neighbours if network else None,
            patches=None if network else estimators.patches,
        )
