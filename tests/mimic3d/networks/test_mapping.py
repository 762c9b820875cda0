import pytest
import torch
from torch.testing import assert_close

from mimic3d.networks.mapping import CameraEmbedding, MappingConfig, MappingNetwork


def load(module, weights):
    """Ours calls fc0 layers.0."""
    module.load_state_dict({k.replace("fc", "layers."): v for k, v in weights.items()})
    return module


def build(golden):
    arrays = golden("components/fc_mapping")
    mapping = MappingNetwork(MappingConfig(), z_dim=12, c_dim=25, w_dim=10, num_ws=6)
    return load(mapping, arrays.weights("map.sd.")), arrays


@pytest.mark.golden
def test_mapping_matches_reference(golden, agree):
    mapping, arrays = build(golden)
    agree(mapping(arrays["map.z"], arrays["map.c"]), arrays["map.ws"])
    truncated = mapping(arrays["map.z"], arrays["map.c"], truncation_psi=0.7, truncation_cutoff=3)
    agree(truncated, arrays["map.ws_psi07_cut3"])


@pytest.mark.golden
def test_average_update_matches_reference(golden, agree):
    mapping, arrays = build(golden)
    before = mapping.w_avg.clone()
    ws = mapping(arrays["map.z"], arrays["map.c"])
    assert_close(mapping.w_avg, before, rtol=0, atol=0)  # forward has no side effects
    mapping.update_w_avg(ws[:, 0].mean(dim=0))
    agree(mapping.w_avg, arrays["map.w_avg_after"])


@pytest.mark.golden
def test_camera_embedding_matches_reference(golden, agree):
    arrays = golden("components/fc_mapping")
    embedding = CameraEmbedding(8, 0.01, c_dim=25, width=10)
    agree(load(embedding, arrays.weights("dmap.sd."))(arrays["map.c"]), arrays["dmap.cmap"])


def test_truncation_goes_straight_to_the_average(golden):
    mapping, arrays = build(golden)
    full, half, none = (mapping(arrays["map.z"], arrays["map.c"], psi) for psi in (1.0, 0.5, 0.0))
    assert_close(none, mapping.w_avg.expand_as(none))
    assert_close(half, (full + none) / 2)


def test_only_the_direction_of_z_counts():
    mapping = MappingNetwork(MappingConfig(), z_dim=8, c_dim=25, w_dim=8, num_ws=2)
    z, c = torch.randn(3, 8), torch.randn(3, 25)
    assert_close(mapping(z, c), mapping(5 * z, c), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(mapping(z, c), mapping(z, -c))


def test_average_converges_to_a_constant_w():
    cfg = MappingConfig(w_avg_beta=0.5)
    mapping = MappingNetwork(cfg, z_dim=4, c_dim=25, w_dim=4, num_ws=2)
    w = torch.randn(4)
    for _ in range(30):
        mapping.update_w_avg(w)
    assert_close(mapping.w_avg, w)
