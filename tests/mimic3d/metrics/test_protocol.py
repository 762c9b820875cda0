import pytest
from pydantic import ValidationError

from mimic3d.metrics.distribution import PatchConfig
from mimic3d.metrics.protocol import Protocol, protocol_hash

PROTOCOL = Protocol(
    branch="3d", dataset_fingerprint="ab12", reference="train", num_real=64, num_fake=64,
    cameras="conditioned", truncation_psi=1.0, resolution=64, resize="none",
    feature_network="random_conv-v1-d256", samples_per_ray=96, patches=PatchConfig(),
)  # fmt: skip

CHANGES = {
    "branch": "2d", "dataset_fingerprint": "cd34", "reference": "val", "num_real": 65,
    "num_fake": 32, "cameras": "average", "truncation_psi": 0.7, "resolution": 32,
    "resize": "bilinear antialiased", "feature_network": "inception", "samples_per_ray": 48,
    "patches": PatchConfig(seed=1),
}  # fmt: skip


def test_every_field_moves_the_hash():
    assert set(CHANGES) == set(Protocol.model_fields)
    hashes = {protocol_hash(PROTOCOL.model_copy(update={key: CHANGES[key]})) for key in CHANGES}
    assert len(hashes | {protocol_hash(PROTOCOL)}) == len(CHANGES) + 1


def test_a_record_read_back_has_the_same_hash():
    again = Protocol.model_validate_json(PROTOCOL.model_dump_json())
    assert protocol_hash(again) == protocol_hash(PROTOCOL)
    assert len(protocol_hash(again)) == 12


def test_unknown_cameras_are_refused():
    with pytest.raises(ValidationError, match="cameras"):
        Protocol(**{**PROTOCOL.model_dump(), "cameras": "random"})
