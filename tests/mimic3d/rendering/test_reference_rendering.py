"""Tri-planes, decoder, sampling and compositing against numbers of the reference."""

import pytest
import torch
import torch.nn.functional as F
from einops import rearrange

from mimic3d.cameras import Scene
from mimic3d.networks.decoder import Decoder, DecoderConfig
from mimic3d.rendering.composite import interval_weights, mean_depth, sample_weights
from mimic3d.rendering.depths import blur_weights, importance_bins, invert_cdf, stratified_depths
from mimic3d.rendering.triplane import PLANE_AXES, sample_planes

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("box", ["1", "1.6"])
@pytest.mark.parametrize("levels", ["single", "list"])
def test_planes_and_their_gradients(golden, agree, box, levels):
    """Plane by plane: the reference takes their mean later, in its decoder."""
    arrays = golden("components/triplane_sampling")
    names = ["plane0"] if levels == "single" else ["plane0", "plane1"]
    leaves = {name: arrays.leaf(name) for name in (*names, "coords")}
    points = leaves["coords"] * (2 / float(box))
    values = [
        3 * sample_planes(tuple(leaves[name] * one_plane(p) for name in names), points)
        for p in range(3)
    ]
    y = torch.stack(values, dim=1)
    agree(y, arrays[f"{levels}_bw{box}.y"])
    y.backward(arrays["g"])
    for name, leaf in leaves.items():
        agree(leaf.grad, arrays[f"{levels}_bw{box}.grad.{name}"])


def one_plane(index: int) -> torch.Tensor:
    return torch.eye(3)[index].reshape(1, 3, 1, 1, 1)


def test_axes_of_the_planes(golden, agree):
    arrays = golden("components/triplane_sampling")
    columns_rows = [["xyz".index(axis) for axis in plane] for plane in PLANE_AXES]
    projected = rearrange(arrays["coords"][..., columns_rows], "n m p xy -> (n p) m xy")
    agree(projected, arrays["project_onto_planes"])


def test_decoder_and_its_gradients(golden, agree):
    arrays = golden("components/triplane_sampling")
    decoder = Decoder(DecoderConfig(), 5, 6)
    names = {  # ours: theirs
        "hidden_weight": "net.0.weight",
        "hidden_bias": "net.0.bias",
        "out_weight": "net.2.weight",
        "out_bias": "net.2.bias",
    }
    decoder.load_state_dict({k: arrays[f"decoder.sd.{v}"] for k, v in names.items()})
    leaves = {name: arrays.leaf(name) for name in ("plane0", "plane1")}
    logits, colors = decoder(sample_planes(tuple(leaves.values()), arrays["coords"] * 2), 6)
    agree(logits, arrays["decoder.sigma"])
    agree(colors, arrays["decoder.rgb"])
    (logits.sum() + colors.sum()).backward()
    leaves |= {names[k]: p for k, p in decoder.named_parameters()}
    for name, leaf in leaves.items():
        agree(leaf.grad, arrays[f"decoder.grad.{name}"])


def test_stratified_depths(golden, agree):
    arrays = golden("components/importance_sampling")
    jitter = arrays["jitter_u"]
    depths = stratified_depths(
        2.25, 3.3, 12, torch.zeros(2, 6, 3), lambda shape: jitter.reshape(shape), legacy=True
    )
    agree(depths[..., None], arrays["strat_number"])


def test_importance_samples(golden, agree):
    arrays = golden("components/importance_sampling")
    depths, weights = arrays["imp.z_vals"][..., 0], arrays["imp.weights"][..., 0]
    agree(blur_weights(weights).flatten(0, 1), arrays["imp.smoothed_weights"])
    cdf, edges = importance_bins(depths, weights, legacy=True)
    new = invert_cdf(cdf, edges, arrays["imp.u"].unflatten(0, (2, 6)))
    agree(new[..., None], arrays["imp.z_fine"])


@pytest.mark.parametrize("name", ["det_samples", "samples"])
def test_inverse_of_a_distribution(golden, agree, name):
    """Also at the very ends, u = 0 and u = 1, and with a last bin that is almost empty."""
    arrays = golden("components/importance_sampling")
    mass = arrays["pdf.weights"] + 1e-5
    cdf = F.pad((mass / mass.sum(dim=-1, keepdim=True)).cumsum(dim=-1), (1, 0))
    u = arrays["pdf.u"] if name == "samples" else torch.linspace(0, 1, 16).expand(5, 16)
    new = invert_cdf(cdf[None], arrays["pdf.bins"][None], u[None])
    agree(new[0], arrays[f"pdf.{name}"])


@pytest.mark.parametrize(("name", "back"), [("plain", 0.0), ("white", 1.0)])
def test_compositing_and_its_gradients(golden, agree, name, back):
    """Rays with an empty, an opaque and a zero-length interval among them."""
    arrays = golden("components/ray_marcher")
    leaves = {k: arrays.leaf(k) for k in ("colors", "densities", "depths")}
    colors, logits, depths = leaves.values()
    weights = interval_weights(logits[..., 0], depths[..., 0], density_gain=1.0)
    agree(weights[..., None], arrays[f"{name}.weights"])
    shares, alpha = sample_weights(weights), weights.sum(dim=-1, keepdim=True)
    features = torch.einsum("nrs,nrsc->nrc", shares, colors)
    image = (features + back * (1 - alpha)) * 2 - 1
    agree(image, arrays[f"{name}.rgb"])
    weighted = (shares * depths[..., 0]).sum(dim=-1, keepdim=True)
    depth = mean_depth(weighted, alpha, depths[..., 0], Scene().far, legacy=True)
    agree(depth, arrays[f"{name}.depth"])
    image.backward(arrays["g_rgb"])
    for key, leaf in leaves.items():
        agree(leaf.grad, arrays[f"{name}.rgb.grad.{key}"])
