"""Features of real images, kept on disk: they are the same for every snapshot."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from mimic3d.atomic import atomic_file
from mimic3d.content_hash import text_hash
from mimic3d.data.reference import Reals, RealSet
from mimic3d.evaluation.context import EvaluationContext
from mimic3d.evaluation.distribution.features import FeatureExtractor, extract_features
from mimic3d.evaluation.distribution.metrics import ImageSet
from mimic3d.metrics.features import resize
from mimic3d.metrics.sliced_wasserstein import Patches

FORMAT = 1  # of the files, and of all that is computed on the way to them
PATCHES = "patches"

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class ReferenceFeatureCache:
    """Features and patches of real images, once per dataset, network and resolution.

    They lie in the folder `references` of the context's cache.
    """

    ctx: EvaluationContext
    data: Reals
    extractor: FeatureExtractor

    def features(self, which: RealSet) -> ImageSet:
        """Features of one of the two sets. A kept file is taken only if every process has it."""
        kept = {part: self._read(which, part) for part in self._parts()}
        group = self.ctx.group
        agreed = group.gather_objects([[part for part, own in kept.items() if own is None]])
        missing = {part for parts in agreed for part in parts}
        if missing:
            extracted = self._extract(which, missing)
            for part in sorted(missing):
                tensors = kept[part] = _tensors(extracted, part)
                if group.rank == 0:
                    self._write(which, part, tensors)
        else:
            self.ctx.advance(self.data.num, "reading features of real images")
        return _image_set({part: own for part, own in kept.items() if own is not None})

    def path(self, which: RealSet, part: str) -> Path:
        """The file of one set of images and one network, or of the patches."""
        content_hash = text_hash(self._key(which, part))
        return self.ctx.cache / "references" / f"{which}-{part}-{content_hash[:16]}.safetensors"

    def _parts(self) -> list[str]:
        return [*(network.label for network in self.extractor.networks), PATCHES]

    def _key(self, which: RealSet, part: str) -> str:
        """Cache key: all that moves the numbers, and the machine's part in their last digits."""
        names: dict[str, str] = {net.label: net.name for net in self.extractor.networks}
        key: dict[str, Any] = {
            "format": FORMAT, "fingerprint": self.data.manifest.fingerprint, "set": which,
            "num": self.data.num, "seed": self.data.seed, "resolution": self.ctx.resolution,
            "part": names.get(part, part), "device": self.ctx.device.type,
            "torch": torch.__version__,
        }  # fmt: skip
        if part == PATCHES and self.extractor.patches is not None:
            key["patches"] = self.extractor.patches.model_dump(exclude={"num_projections"})
        return json.dumps(key, sort_keys=True)

    def _extract(self, which: RealSet, missing: set[str]) -> ImageSet:
        extractor = replace(
            self.extractor,
            networks=[net for net in self.extractor.networks if net.label in missing],
            patches=self.extractor.patches if PATCHES in missing else None,
        )

        def draw(samples: range) -> Tensors:
            image = self.data.images(which, samples).to(self.ctx.device)
            return {which: resize(image, self.ctx.resolution)}

        text = "features of real images"
        return extract_features(draw, self.data.num, extractor, self.ctx, text)[which]

    def _read(self, which: RealSet, part: str) -> Tensors | None:
        """Tensors of the file; None if there is none, or a damaged or another one."""
        try:
            with safe_open(self.path(which, part), framework="pt") as file:
                header = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, OSError):
            return None
        if header != {"key": self._key(which, part), "sha256": _content_hash(tensors)}:
            return None
        return tensors

    def _write(self, which: RealSet, part: str, tensors: Tensors) -> None:
        header = {"key": self._key(which, part), "sha256": _content_hash(tensors)}
        with atomic_file(self.path(which, part)) as tmp:
            save_file(tensors, tmp, header)


def _tensors(images: ImageSet, part: str) -> Tensors:
    if part != PATCHES:
        return {"features": images.features[part]}
    assert images.patches is not None
    sides = map(str, images.patches.sides)
    return dict(zip(sides, images.patches.levels, strict=True))


def _image_set(kept: dict[str, Tensors]) -> ImageSet:
    levels = sorted(((int(side), level) for side, level in kept[PATCHES].items()), reverse=True)
    return ImageSet(
        {part: tensors["features"] for part, tensors in kept.items() if part != PATCHES},
        Patches(tuple(side for side, _ in levels), tuple(level for _, level in levels)),
    )


def _content_hash(tensors: Tensors) -> str:
    content = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        content.update(f"{name} {list(value.shape)} {value.dtype}\n".encode())
        content.update(value.contiguous().numpy().data)
    return content.hexdigest()
