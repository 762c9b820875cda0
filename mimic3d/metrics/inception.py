"""The Inception network behind FID, as a TorchScript file that others publish."""

import zipfile
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mimic3d.config import Config
from mimic3d.content_hash import content_hash
from mimic3d.metrics.features import FeatureNetwork, exact_convolutions
from mimic3d.weights import Sha256, fetch

KEY = "evaluate.distribution.inception"
DIM = 2048
CHUNK = 32  # images of 299 x 299 pixels per pass
SCRIPT = "constants.pkl"  # in TorchScript archives and in no other file that torch writes


class InceptionConfig(Config):
    """Weight file of the network of `fid`."""

    weights: str = (
        "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/"
        "inception-2015-12-05.pt"
    )
    """URL or path of inception-2015-12-05 in the TorchScript form that StyleGAN2-ADA published."""
    sha256: Sha256 | None = None
    """SHA-256 of that file or its beginning; its authors publish none."""


class InceptionFeatures(FeatureNetwork):
    """2048 features before the softmax of inception-2015-12-05.

    StyleGAN2-ADA, StyleGAN3, EG3D and Mimic3D use this network. The published module is called with
    images as bytes and `return_features=True`, and answers n x 2048; it brings images to 299 pixels
    by itself, as TensorFlow 1 did: bilinear without antialiasing. The name holds the SHA-256 of the
    file, for another file is another network.
    """

    label = "inception"
    dim = DIM
    input_resize = "bilinear to 299 without antialiasing, as TensorFlow 1"

    def __init__(self, script: torch.jit.ScriptModule, sha256: str):
        super().__init__()
        self.name = f"inception-{sha256[:12]}"
        self.script = script.eval()

    def forward(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n d"]:
        """Features, in passes that bound memory."""
        # TorchScript rewrites a module after some calls, and the last digits with it.
        unchanging = torch.jit.optimized_execution(False)  # pyright: ignore[reportPrivateImportUsage]
        with exact_convolutions(), unchanging:
            parts = [self.script(part, return_features=True) for part in images.split(CHUNK)]
        return torch.cat(parts)


def load_inception(cfg: InceptionConfig, cache: Path) -> tuple[InceptionFeatures, str | None]:
    """The network, on the CPU, and a notice for the user if its file was not checked.

    Raises:
        ValueError: the file cannot be had, is another one than `sha256` says, is a pickle, or
            holds a module of another interface.
    """
    path = fetch(cfg.weights, cfg.sha256, cache, f"{KEY}.weights")
    _refuse_pickle(path)
    actual = content_hash(path)
    try:
        network = InceptionFeatures(torch.jit.load(path, map_location="cpu"), actual)
        shape = list(network(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape)
    except Exception as error:  # a damaged file can fail in any way
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise ValueError(_must_be(path, f"cannot be used so ({reason})")) from error
    if shape != [1, DIM]:
        raise ValueError(_must_be(path, f"answers one image with {shape}"))
    notice = None
    if cfg.sha256 is None:
        notice = (
            f"{KEY}.sha256 is not set: {path} has the SHA-256 {actual}; if it comes from where you "
            f"trust it to, put that into params.yaml, and no other file will be taken for it"
        )
    return network, notice


def check_inception(cfg: InceptionConfig) -> None:
    """Cheap checks: a file given by path is there, is the right one and no pickle.

    Raises:
        ValueError: it is not so.
    """
    if "://" in cfg.weights:
        return
    _refuse_pickle(fetch(cfg.weights, cfg.sha256, Path(), f"{KEY}.weights"))


def _refuse_pickle(path: Path) -> None:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(Path(name).name == SCRIPT for name in archive.namelist()):
                return
    raise ValueError(_must_be(path, "is a pickle or another file, and pickles can run any code"))


def _must_be(path: Path, problem: str) -> str:
    return (
        f"{KEY}.weights must be inception-2015-12-05 in TorchScript form, called with bytes and "
        f"return_features=True, but {path} {problem}; give the inception-2015-12-05.pt that "
        f"StyleGAN2-ADA published"
    )
