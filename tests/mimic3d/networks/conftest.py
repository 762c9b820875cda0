"""Numbers computed with the reference implementation: weights, inputs, outputs, gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[2] / "golden" / "components"
TOLERANCE = 1e-5  # relative L2 in float32; the reference's own spread over threads is 1e-6
GRADIENT_TOLERANCE = 5e-5  # gradients of scalars are sums over all pixels that nearly cancel


@pytest.fixture
def golden():
    """The arrays of one file; its weights for a module, by prefix; seeded output gradients."""
    return Golden


@pytest.fixture
def agree():
    """Asserts that two tensors agree up to float32 rounding."""
    return assert_agree


@pytest.fixture
def styles_read():
    """Which style vector each affine layer reads, by layer, if the vector k is all k."""
    return watch_styles


def watch_styles(module, call) -> dict[str, int]:
    read = {}

    def watcher(name):
        return lambda _module, inputs: read.__setitem__(name, inputs[0])

    layers = [(k.removesuffix(".affine"), m) for k, m in module.named_modules() if "affine" in k]
    hooks = [m.register_forward_pre_hook(watcher(k)) for k, m in layers]
    call()
    for hook in hooks:
        hook.remove()
    return {k: w.unique().item() for k, w in read.items()}


class Golden(dict):
    def __init__(self, name: str):
        with np.load(FOLDER / f"{name}.npz") as arrays:
            super().__init__({k: torch.from_numpy(arrays[k]) for k in arrays.files})

    def weights(self, prefix: str, renamed: str = "") -> dict[str, torch.Tensor]:
        start = len(prefix)
        return {renamed + k[start:]: v for k, v in self.items() if k.startswith(prefix)}

    def leaf(self, name: str) -> torch.Tensor:
        return self[name].clone().requires_grad_()

    def check_gradients(self, outputs, inputs, modules) -> None:
        """Every stored gradient of sum(y * g), g drawn from the seed 100 + index of the output."""
        loss = torch.zeros(())
        for k, y in enumerate(outputs):
            g = np.random.RandomState(100 + k).standard_normal(y.shape).astype(np.float32)
            loss = loss + (y * torch.from_numpy(g)).sum()
        loss.backward()
        leaves = dict(inputs)
        for prefix, module in modules.items():
            leaves |= {f"sd.{prefix}{k}": p for k, p in module.named_parameters()}
        stored = self.weights("grad.")
        assert stored.keys() == leaves.keys()
        for name, expected in stored.items():
            assert_agree(leaves[name].grad, expected, GRADIENT_TOLERANCE)


def assert_agree(actual, expected, tolerance=TOLERANCE):
    assert actual.shape == expected.shape
    error = (actual - expected).norm() / expected.norm()
    assert error <= tolerance, f"relative L2 error {error:.2e}"
