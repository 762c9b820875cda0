import pytest
import torch
from safetensors.torch import save_file

from mimic3d.inversion.style_files import W_FILE, W_PLUS_FILE, load_style, save_style


def test_a_w_comes_back_once_per_layer_and_a_w_plus_as_it_was(G, tmp_path):
    w, w_plus = torch.randn(8), torch.randn(G.mapping.num_ws, 8)
    save_style(tmp_path / W_FILE, w)
    assert torch.equal(load_style(tmp_path / W_FILE, G), w.expand(1, G.mapping.num_ws, 8))
    assert torch.equal(load_style(tmp_path, G)[0, 0], w)
    save_style(tmp_path / W_PLUS_FILE, w_plus)
    assert torch.equal(load_style(tmp_path, G)[0], w_plus)


def test_files_that_are_no_style_of_the_generator_are_refused_in_one_sentence(G, tmp_path):
    save_style(tmp_path / "other.safetensors", torch.randn(9))
    save_file({"a": torch.zeros(8), "b": torch.zeros(8)}, tmp_path / "two.safetensors")
    save_style(tmp_path / "nan.safetensors", torch.full([8], float("nan")))
    (tmp_path / "text.safetensors").write_text("no tensors")
    for name, rule in (
        ("other", "8 or 4 x 8 numbers"), ("two", "one tensor of 8"), ("nan", "must be finite"),
        ("text", "readable .safetensors"), ("none", "readable .safetensors"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=rule) as error:
            load_style(tmp_path / f"{name}.safetensors", G)
        assert "\n" not in str(error.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"must hold w\.safetensors or"):
        load_style(tmp_path / "empty", G)
