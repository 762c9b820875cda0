"""Protocol records of the distances of generated images."""

from dataclasses import dataclass
from typing import Literal

from mimic3d.data.reference import Reals
from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.distribution.generated import Variant
from mimic3d.evaluation.distribution.metrics import EstimatorConfig, record_settings
from mimic3d.evaluation.sampling import CameraMode
from mimic3d.metrics.features import FeatureNetwork
from mimic3d.metrics.protocol import Protocol
from mimic3d.networks.objects import count_samples_per_ray

Conditioning = Literal["rendering camera", "another of the dataset", "average of the training set"]
CONDITIONING: dict[CameraMode, Conditioning] = {
    "conditioned": "rendering camera",
    "independent": "another of the dataset",
    "fixed": "average of the training set",
}
NAMED = {"kernel", "neighbours", "patches"}  # settings that have a field of their own


@dataclass(frozen=True)
class ProtocolRecorder:
    """Recorder of protocols, with the values that all records of an evaluation have in common."""

    ctx: EvaluationContext
    data: Reals
    estimators: EstimatorConfig

    def record(
        self, variant: Variant, mode: CameraMode, network: FeatureNetwork | None
    ) -> Protocol:
        """Protocol of one branch measured by one network, or by patches if there is none."""
        manifest, num, seed = self.data.manifest, self.data.num, self.ctx.sampling.seed
        G, resolution = self.ctx.G, self.ctx.resolution
        sizes = {manifest.resolution, G.config.image_resolution, resolution}
        settings = record_settings(self.estimators, of_patches=network is None)
        return Protocol.model_validate(
            {
                **dict.fromkeys(NAMED),
                **{name: values for name, values in settings.items() if name in NAMED},
                "settings": {k: values for k, values in settings.items() if k not in NAMED},
                "branch": variant.branch,
                "feature_network": network.name if network else "none",
                "feature_resize": network.input_resize if network else "none",
                "dataset_fingerprint": manifest.fingerprint,
                "split": "train",
                "reference": f"{num} of them, drawn with seed {self.data.seed}",
                "mirrored": manifest.mirror,
                "num_real": num,
                "num_fake": num,
                "conditioning_camera": CONDITIONING[mode],
                "rendering_camera": "drawn from the dataset's labels",
                "truncation_psi": self.ctx.sampling.truncation_psi,
                "resolution": resolution,
                "resize": "none" if len(sizes) == 1 else "bilinear antialiased",
                "samples_per_ray": variant.samples_per_ray or count_samples_per_ray(G),
                "seeds": (seed, seed + num - 1),
            }
        )
