"""Network pickles as the authors' training scripts write them, with weights drawn from names."""

import copy
import json
from collections import OrderedDict

import numpy as np
import torch
from golden.arrays import golden_folder
from golden.weights import reference_state
from pickles.pickler import Call, EasyDict, Instance, Name, numpy1_scalar, persistent
from torch import Tensor, nn

BUFFERS = (
    "resample_filter",
    "noise_const",
    "w_avg",
    "dataset_label_std",
    "p",
    "Hz_geom",
    "Hz_fbank",
)
HOOKS = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks",
         "_load_state_dict_pre_hooks")  # fmt: skip
RENDERING = "training.volumetric_rendering"
# Classes pickled by import path, by the dotted name of their module inside G.
ORDINARY = {
    "decoder": Name("training.triplane", "OSGDecoder"),
    "decoder.net": Name("torch.nn.modules.container", "Sequential"),
    "decoder.net.1": Name("torch.nn.modules.activation", "Softplus"),
    "renderer": Name(f"{RENDERING}.renderer", "ImportanceRenderer"),
    "renderer.ray_marcher": Name(f"{RENDERING}.ray_marcher", "MipRayMarcher2"),
    "ray_sampler": Name(f"{RENDERING}.ray_sampler", "RaySampler"),
}
EG3D_PLANES = [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 1], [0, 1, 0]],
               [[0, 0, 1], [1, 0, 0], [0, 1, 0]]]  # fmt: skip


def structure(net: str) -> dict:
    """Names and shapes of all tensors of a configuration, and its options."""
    return json.loads((golden_folder() / "structure" / f"{net}.json").read_text())


def full_state(net: str, network: str) -> dict[str, Tensor]:
    """Weights of a tiny network, with the buffers that are not drawn, in the file's order."""
    drawn = reference_state(net, network)
    fixed = {"resample_filter": torch.full([4, 4], 1 / 16), "dataset_label_std": torch.ones(25)}
    names = [name for name, *_ in structure(net)[f"{network}_state"]]
    return {name: drawn[name] if name in drawn else fixed[name.rpartition(".")[2]].clone()
            for name in names}  # fmt: skip


def official_pickle(net: str) -> dict:
    """The contents of network-snapshot-*.pkl of tiny_2d or tiny_3d."""
    options = structure(net)["options"]
    contents = {
        "training_set_kwargs": EasyDict(options["training_set_kwargs"]),
        "G": generator(net),
        "D": network(net, "D", options["D_kwargs"]),
        "G_ema": generator(net),
        "augment_pipe": None,
    }
    if options["D_patch_kwargs"]["class_name"]:
        contents["D_patch"] = network(net, "D_patch", options["D_patch_kwargs"])
    return contents


def generator(net: str, weights: dict[str, Tensor] | None = None, **changes: object) -> Call:
    """G; `changes` replace its keyword arguments, those with a dot an entry of one of them."""
    kwargs = copy.deepcopy(structure(net)["options"]["G_kwargs"])
    for name, value in changes.items():
        kwargs[name] = value
    rendering = EasyDict(kwargs["rendering_kwargs"])
    weights = full_state(net, "G") if weights is None else weights
    attributes = {
        "z_dim": kwargs["z_dim"], "c_dim": 25, "w_dim": kwargs["w_dim"],
        "img_resolution": rendering["image_resolution"], "img_channels": 3, "roll_out": "b",
        "neural_rendering_resolution": kwargs["neural_rendering_resolution"],
        "rendering_kwargs": rendering, "_last_planes": None,
    }  # fmt: skip
    return _root(weights, kwargs, attributes)


def network(net: str, which: str, kwargs: dict) -> Call:
    """D or D_patch."""
    weights = full_state(net, which)
    resolution = max(int(name[1:].partition(".")[0]) for name in weights if name[0] == "b")
    return _root(weights, kwargs, {"img_resolution": resolution})


def augment_pipe(p: float) -> Call:
    """The augmentation pipe of a run with ADA."""
    buffers = {"p": torch.tensor(p), "Hz_geom": torch.ones(12), "Hz_fbank": torch.ones(4, 43)}
    return persistent("AugmentPipe", module_state(buffers) | {"xflip": 1.0, "imgfilter_bands": [1]})


def module_state(tensors: dict[str, Tensor], modules: dict | None = None) -> dict:
    """`__dict__` of a module in PyTorch 1.11; layers also keep numpy numbers, of numpy 1 or 2."""
    parameters = {k: nn.Parameter(v) for k, v in tensors.items() if k not in BUFFERS}
    return {
        "training": False,
        "_parameters": OrderedDict(parameters),
        "_buffers": OrderedDict((k, v) for k, v in tensors.items() if k in BUFFERS),
        "_non_persistent_buffers_set": set(),
        "_is_full_backward_hook": None,
        **{hook: OrderedDict() for hook in HOOKS},
        "_modules": OrderedDict(modules or {}),
        "weight_gain": np.sqrt(0.5),
        "act_gain": numpy1_scalar(2.0**0.5),
    }


def _root(weights: dict[str, Tensor], kwargs: dict, attributes: dict) -> Call:
    class_name = kwargs["class_name"].rpartition(".")[2]
    attributes |= {"_init_args": (), "_init_kwargs": _easy(kwargs)}
    state = module_state(*_split(weights, ""))
    if "decoder.net.0.weight" in weights:
        state["_modules"]["ray_sampler"] = Instance(ORDINARY["ray_sampler"], module_state({}))
        marcher = Instance(ORDINARY["renderer.ray_marcher"], module_state({}))
        renderer = module_state({}, {"ray_marcher": marcher})
        renderer["plane_axes"] = torch.tensor(EG3D_PLANES, dtype=torch.float32)
        state["_modules"]["renderer"] = Instance(ORDINARY["renderer"], renderer)
    return persistent(class_name, state | attributes)


def _split(weights: dict[str, Tensor], path: str) -> tuple[dict[str, Tensor], dict]:
    """Tensors of a module, and the modules inside it."""
    children = dict.fromkeys(name.partition(".")[0] for name in weights if "." in name)
    if path == "decoder.net":
        children = {"0": None, "1": None, "2": None}
    modules = {}
    for child in children:
        inner = {k[len(child) + 1 :]: v for k, v in weights.items() if k.startswith(f"{child}.")}
        full = f"{path}.{child}" if path else child
        state = module_state(*_split(inner, full))
        name = ORDINARY.get(full)
        modules[child] = Instance(name, state) if name else persistent("SomeLayer", state)
    return {name: value for name, value in weights.items() if "." not in name}, modules


def _easy(value: object) -> object:
    """Dicts become EasyDicts, as the authors' scripts build their arguments."""
    return EasyDict({k: _easy(v) for k, v in value.items()}) if isinstance(value, dict) else value


def eg3d_generator(records_axes: bool) -> tuple[dict[str, Tensor], Call]:
    """Weights and G of EG3D: no side pyramid, a constant without batch axis, its own planes."""
    const = "backbone.synthesis.b4.const"
    weights = {
        name: value for name, value in full_state("tiny_2d", "G").items() if "b3d" not in name
    }
    weights[const] = weights[const][0]
    network = generator("tiny_2d", weights)
    state = network.arguments[0]["state"]
    for name in ("aware3d_res", "aware3d_att", "roll_out", "add_block", "retidx", "blur_plane"):
        del state["_init_kwargs"][name]
    del state["roll_out"]
    for name in ("avg_camera_radius", "avg_camera_pivot"):
        del state["rendering_kwargs"][name]
    if not records_axes:
        del state["_modules"]["renderer"].state["plane_axes"]
    return weights, network
