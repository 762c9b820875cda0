"""What is known of real images, kept on disk: it is the same for every snapshot."""

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
from mimic3d.data.reference import Reals, RealSet
from mimic3d.evaluation.distribution.features import Advance, Eye, ImageSet, summarize
from mimic3d.evaluation.share import Share
from mimic3d.metrics.features import resize
from mimic3d.metrics.sliced_wasserstein import Patches

FORMAT = 1  # of the files, and of all that is computed on the way to them
PATCHES = "patches"

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Album:
    """Features and patches of real images, looked at once per dataset, network and resolution."""

    data: Reals
    resolution: int
    eye: Eye
    device: torch.device
    folder: Path
    """Where they are kept; may be deleted at any time."""

    def look(self, which: RealSet, share: Share, advance: Advance) -> ImageSet:
        """One of the two sets. What is kept is taken only if every process has it."""
        kept = {part: self._read(which, part) for part in self._parts()}
        agreed = share.gather_objects([[part for part, found in kept.items() if found is None]])
        missing = {part for parts in agreed for part in parts}
        if missing:
            made = self._summarize(which, missing, share, advance)
            for part in sorted(missing):
                tensors = kept[part] = _tensors(made, part)
                if share.rank == 0:
                    self._write(which, part, tensors)
        else:
            advance(self.data.num, "remembering real images")
        return _image_set({part: found for part, found in kept.items() if found is not None})

    def path(self, which: RealSet, part: str) -> Path:
        """The file of one set of images and one network, or of the patches."""
        digest = hashlib.sha256(self._key(which, part).encode()).hexdigest()
        return self.folder / f"{which}-{part}-{digest[:16]}.safetensors"

    def _parts(self) -> list[str]:
        return [*(network.label for network in self.eye.networks), PATCHES]

    def _key(self, which: RealSet, part: str) -> str:
        """Everything that moves the numbers, and the machine's part in their last digits."""
        names: dict[str, str] = {network.label: network.name for network in self.eye.networks}
        key: dict[str, Any] = {
            "format": FORMAT, "fingerprint": self.data.manifest.fingerprint, "set": which,
            "num": self.data.num, "seed": self.data.seed, "resolution": self.resolution,
            "part": names.get(part, part), "device": self.device.type,
            "torch": torch.__version__,
        }  # fmt: skip
        if part == PATCHES and self.eye.patches is not None:
            key["patches"] = self.eye.patches.model_dump(exclude={"num_projections"})
        return json.dumps(key, sort_keys=True)

    def _summarize(
        self, which: RealSet, missing: set[str], share: Share, advance: Advance
    ) -> ImageSet:
        eye = replace(
            self.eye,
            networks=[network for network in self.eye.networks if network.label in missing],
            patches=self.eye.patches if PATCHES in missing else None,
        )

        def draw(samples: range) -> Tensors:
            image = self.data.images(which, samples).to(self.device)
            return {which: resize(image, self.resolution)}

        return summarize(draw, self.data.num, eye, share, advance, "looking at real images")[which]

    def _read(self, which: RealSet, part: str) -> Tensors | None:
        """None if there is no such file, or a damaged or another one."""
        try:
            with safe_open(self.path(which, part), framework="pt") as file:
                header = file.metadata() or {}
                found = {name: file.get_tensor(name) for name in file.keys()}
        except (SafetensorError, OSError):
            return None
        if header != {"key": self._key(which, part), "sha256": _checksum(found)}:
            return None
        return found

    def _write(self, which: RealSet, part: str, tensors: Tensors) -> None:
        header = {"key": self._key(which, part), "sha256": _checksum(tensors)}
        with atomic_file(self.path(which, part)) as draft:
            save_file(tensors, draft, header)


def _tensors(found: ImageSet, part: str) -> Tensors:
    if part != PATCHES:
        return {"features": found.features[part]}
    assert found.patches is not None
    sides = map(str, found.patches.sides)
    return dict(zip(sides, found.patches.levels, strict=True))


def _image_set(kept: dict[str, Tensors]) -> ImageSet:
    levels = sorted(((int(side), level) for side, level in kept[PATCHES].items()), reverse=True)
    return ImageSet(
        {part: tensors["features"] for part, tensors in kept.items() if part != PATCHES},
        Patches(tuple(side for side, _ in levels), tuple(level for _, level in levels)),
    )


def _checksum(tensors: Tensors) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {list(value.shape)} {value.dtype}\n".encode())
        digest.update(value.contiguous().numpy().data)
    return digest.hexdigest()
