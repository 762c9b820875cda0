import sys

import numpy as np
import pytest
import torch

from mimic3d.gallery.video import load_video_writer, save_video


def test_a_video_holds_its_frames(tmp_path):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    shades = torch.tensor([-0.8, 0.0, 0.8]).reshape(3, 1, 1, 1)
    save_video(shades.expand(3, 3, 16, 48), tmp_path / "orbit.mp4", frames_per_second=12)
    reader = imageio_ffmpeg.read_frames(str(tmp_path / "orbit.mp4"))
    about = next(reader)
    frames = [np.frombuffer(frame, np.uint8).mean() for frame in reader]
    assert about["size"] == (768, 256)
    assert about["fps"] == 12
    assert frames == pytest.approx([25.5, 127.5, 229.5], abs=6)
    assert [item.name for item in tmp_path.iterdir()] == ["orbit.mp4"]


def test_without_ffmpeg_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ValueError, match=r"\[export\].*evaluate\.video=false"):
        load_video_writer()


def test_the_same_frames_give_the_same_bytes(tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    frames = torch.rand(6, 3, 64, 128) * 2 - 1
    for name in ("a.mp4", "b.mp4"):
        save_video(iter(frames), tmp_path / name, frames_per_second=24)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_frames_are_asked_for_one_by_one_and_a_failure_leaves_nothing(tmp_path):
    pytest.importorskip("imageio_ffmpeg")

    def frames():
        yield torch.zeros(3, 16, 16)
        raise RuntimeError("the renderer failed")

    with pytest.raises(RuntimeError, match="the renderer failed"):
        save_video(frames(), tmp_path / "a.mp4", frames_per_second=24)
    assert not list(tmp_path.iterdir())
