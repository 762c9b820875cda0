import json

import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

from mimic3d.cameras import Scene
from mimic3d.inversion.encoder import (
    META,
    WEIGHTS,
    Encoder,
    EncoderConfig,
    EncoderMeta,
    hash_generator,
    save_encoder,
)
from mimic3d.inversion.principal_axes import PrincipalAxesConfig, measure_axes
from mimic3d.inversion.view_parameters import cameras_from_parameters

CFG = EncoderConfig(resolution=16, channels=8, feature_dim=16)


@pytest.fixture
def encoder(G, label):
    made = Encoder(CFG, G.config.w_dim, G.scene).eval()
    distribution = measure_axes(G, label, PrincipalAxesConfig(num_samples=500))
    made.set_statistics(distribution, 0.3 * torch.randn(100, 6))
    return made


def write(encoder, G, folder):
    meta = EncoderMeta(
        config=CFG, w_dim=8, scene=G.scene, generator_hash=hash_generator(G), measured={"a": 1.0}
    )
    save_encoder(folder, encoder, meta)
    return folder


def test_an_untrained_encoder_answers_the_mean_style_and_camera(encoder):
    w, cameras = encoder(torch.randn(3, 3, 16, 16))
    assert_close(w, encoder.w_mean.expand(3, -1))
    expected = cameras_from_parameters(encoder.parameter_mean.expand(3, -1), Scene())
    assert_close(cameras.cam2world, expected.cam2world)


def test_an_image_is_read_the_same_in_any_batch_and_near_the_same_at_any_size(encoder):
    for head in (encoder.style, encoder.view):
        torch.nn.init.normal_(head.weight, std=0.3)
    images = torch.nn.functional.interpolate(torch.randn(4, 3, 4, 4), 16, mode="bilinear")
    together = encoder(images)[0]
    alone = torch.cat([encoder(image[None])[0] for image in images])
    assert_close(together, alone, atol=1e-4, rtol=1e-4)
    large = torch.nn.functional.interpolate(images, 64, mode="nearest")
    change = (encoder(large)[0] - together).norm() / (together - encoder.w_mean).norm()
    assert change < 0.2


def test_a_written_encoder_reads_the_same_to_the_last_bit(encoder, G, tmp_path):
    torch.nn.init.normal_(encoder.style.weight)
    images = torch.randn(2, 3, 16, 16)
    loaded = Encoder.load(write(encoder, G, tmp_path / "encoder"), G)
    assert torch.equal(loaded(images)[0], encoder(images)[0])
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert set(load_file(tmp_path / "encoder" / WEIGHTS)) == set(encoder.state_dict())


def test_an_encoder_of_another_generator_is_refused(encoder, G, tmp_path):
    folder = write(encoder, G, tmp_path / "encoder")
    with torch.no_grad():
        G.mapping.w_avg += 1
    with pytest.raises(ValueError, match="belong to the generator it inverts"):
        Encoder.load(folder, G)
    assert isinstance(Encoder.load(folder), Encoder)


def test_missing_and_damaged_encoders_are_told_in_one_sentence(encoder, G, tmp_path):
    with pytest.raises(ValueError, match=r"has none; train one with `mimic3d encode`"):
        Encoder.load(tmp_path)
    folder = write(encoder, G, tmp_path / "encoder")
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(ValueError, match="is damaged"):
        Encoder.load(folder)
    fields = json.loads((folder / META).read_text())
    for text in ("{", json.dumps(fields | {"format": 9}), json.dumps(fields | {"w_dim": 0})):
        (folder / META).write_text(text)
        with pytest.raises(ValueError, match="train the encoder again") as error:
            Encoder.load(folder)
        assert "\n" not in str(error.value)
