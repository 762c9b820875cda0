import pytest


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
