import pytest
from pydantic import ValidationError

from mimic3d.metrics.kernel import KernelConfig
from mimic3d.metrics.neighbours import NeighboursConfig
from mimic3d.metrics.protocol import Protocol, protocol_hash, refuse_mixed
from mimic3d.metrics.sliced_wasserstein import PatchConfig

PROTOCOL = Protocol(
    branch="3d", feature_network="random_conv-v1-d256", feature_resize="none",
    dataset_fingerprint="ab12", split="train", reference="64 of them, drawn with seed 0",
    mirrored=False, num_real=64, num_fake=64, conditioning_camera="rendering camera",
    rendering_camera="drawn from the dataset's labels", truncation_psi=1.0, resolution=64,
    resize="none", samples_per_ray=96, seeds=(0, 63), kernel=KernelConfig(),
    neighbours=NeighboursConfig(), patches=None,
)  # fmt: skip

CHANGES = {
    "branch": "2d", "feature_network": "inception-aa", "feature_resize": "bilinear to 299",
    "dataset_fingerprint": "cd34", "split": "val", "reference": "all", "mirrored": True,
    "num_real": 65, "num_fake": 32, "conditioning_camera": "average of the training set",
    "rendering_camera": "a Gaussian", "truncation_psi": 0.7, "resolution": 32,
    "resize": "bilinear antialiased", "samples_per_ray": 48, "seeds": (1, 64), "kernel": None,
    "neighbours": NeighboursConfig(k=5), "patches": PatchConfig(seed=1),
    "settings": {"another": {"k": 1}},
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
    with pytest.raises(ValidationError, match="conditioning_camera"):
        Protocol(**{**PROTOCOL.model_dump(), "conditioning_camera": "random"})


def test_equal_records_share_an_axis():
    refuse_mixed([])
    refuse_mixed([PROTOCOL, PROTOCOL.model_copy()])


@pytest.mark.parametrize("field", sorted(CHANGES))
def test_numbers_measured_differently_are_kept_apart(field):
    other = PROTOCOL.model_copy(update={field: CHANGES[field]})
    with pytest.raises(ValueError, match=f"their {field} is") as refusal:
        refuse_mixed([PROTOCOL, PROTOCOL, other])
    assert repr(getattr(PROTOCOL, field)) in str(refusal.value)
    assert repr(CHANGES[field]) in str(refusal.value)


def test_the_first_difference_is_named():
    other = PROTOCOL.model_copy(update={"resolution": 32, "truncation_psi": 0.5})
    with pytest.raises(ValueError, match=r"truncation_psi is 1\.0 and 0\.5"):
        refuse_mixed([PROTOCOL, other])
