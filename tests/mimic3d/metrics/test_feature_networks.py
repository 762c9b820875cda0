import pytest
import torch

from mimic3d.evaluation.distribution.distances import DistributionConfig
from mimic3d.losses import lite0
from mimic3d.metrics.feature_networks import (
    ProbeFeatures,
    build_feature_networks,
    check_feature_networks,
)
from mimic3d.metrics.inception import InceptionConfig
from mimic3d.metrics.probe import Probe, ProbeConfig

CPU = torch.device("cpu")
SMALL = ProbeConfig(resolution=16, channels=8, feature_dim=6, embedding_dim=4)


def test_the_default_network_needs_nothing(tmp_path):
    built = build_feature_networks(["random_conv"], InceptionConfig(), None, tmp_path, CPU)
    (network,) = built.networks
    assert (network.label, network.name) == ("random_conv", "random_conv-v1-d256")
    assert not built.notices
    assert not list(tmp_path.iterdir())


def test_learned_features_are_means_of_blocks_and_come_first(tmp_path):
    names = DistributionConfig().networks
    assert names == ("lite0", "random_conv")
    network, _ = build_feature_networks(names, InceptionConfig(), None, tmp_path, CPU).networks
    assert (network.label, network.name) == ("lite0", "lite0-v1-d192")
    images = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    taps = network.network.activations(images / 127.5 - 1)
    expected = torch.cat([tap.mean(dim=(2, 3)) for tap in taps], dim=1)
    torch.testing.assert_close(network(images), expected)
    assert expected.shape == (3, network.dim)
    assert network(images.flip(2)).sub(expected).abs().max() > 1e-3


def test_missing_weights_are_named_before_anything_is_computed(tmp_path, monkeypatch):
    check_feature_networks(("lite0", "random_conv"), InceptionConfig(), tmp_path)
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package")
    with pytest.raises(ValueError, match=r"evaluate\.distribution\.networks needs the weights"):
        check_feature_networks(("lite0",), InceptionConfig(), tmp_path)
    check_feature_networks(("random_conv",), InceptionConfig(), tmp_path)


def test_features_of_a_probe_are_its_penultimate_layer():
    probe = Probe(SMALL).eval()
    network = ProbeFeatures(probe)
    images = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    expected = probe.features(images.float() / 127.5 - 1)
    torch.testing.assert_close(network(images), expected)
    assert expected.shape == (3, network.dim)
    assert network.input_resize == "bilinear antialiased to 16"


def test_the_name_of_a_probe_is_that_of_its_weights():
    probe, same, other = Probe(SMALL), Probe(SMALL), Probe(SMALL)
    same.load_state_dict(probe.state_dict())
    names = [ProbeFeatures(network).name for network in (probe, same, other)]
    assert names[0] == names[1] != names[2]
    assert names[0].endswith("-d6")


def test_a_probe_must_be_there_if_named(tmp_path):
    with pytest.raises(ValueError, match=r"evaluate.distribution.networks names probe"):
        build_feature_networks(["random_conv", "probe"], InceptionConfig(), None, tmp_path, CPU)
    built = build_feature_networks(["probe"], InceptionConfig(), Probe(SMALL), tmp_path, CPU)
    assert [network.label for network in built.networks] == ["probe"]
