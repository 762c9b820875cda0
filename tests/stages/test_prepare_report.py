import contextlib
import csv

import pytest

from mimic3d.preparation.sources.given import GivenConfig
from pipeline.tracking.tracker import SilentTracker
from stages.prepare import PrepareConfig, run


class Shelf(SilentTracker):
    """Keeps which files a stage hands over."""

    def __init__(self):
        super().__init__()
        self.files = []

    def log_artifact(self, path, folder=""):
        self.files.append((path.name, folder))


def counts(path):
    with path.open() as file:
        rows = list(csv.DictReader(file))
    angle = next(iter(rows[0]))
    return {float(row[angle]): int(row["count"]) for row in rows}


def test_what_a_source_decided_is_told_while_it_runs_and_on_the_page(studio, tmp_path, capsys):
    studio.write_transforms(tmp_path)
    for resolution, is_made in ((16, True), (512, False)):
        given = GivenConfig(path="scene")
        cfg = PrepareConfig(name="toy", source="given", resolution=resolution, given=given)
        with contextlib.nullcontext() if is_made else pytest.raises(ValueError, match="rejected"):
            run(cfg, tmp_path, SilentTracker())
        note = "cameras are of the stored pixels: EXIF orientation turns no image"
        assert f"prepare: {note}\n" in capsys.readouterr().out
        page = (tmp_path / "reports" / "prepare" / "report.html").read_text(encoding="utf-8")
        assert page.count(note) == 1
        assert ("not made" in page) != is_made


def test_the_page_and_histograms_of_the_training_images_are_written(studio, tmp_path):
    studio.write_transforms(tmp_path)
    given = GivenConfig(path="scene", val_share=0.25)
    tracker = Shelf()
    run(PrepareConfig(name="toy", source="given", resolution=16, given=given), tmp_path, tracker)
    folder = tmp_path / "reports" / "prepare"
    assert tracker.files == [("report.html", "prepare")]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<h1>Dataset toy</h1>" in page
    assert "max_rejected_share" in page
    assert len(page) < 3 * 2**20
    yaws, pitches = counts(folder / "poses.csv"), counts(folder / "pitch.csv")
    assert sum(yaws.values()) == sum(pitches.values()) == 9
    assert min(yaws) == min(pitches) == -87.5
    assert all(abs(yaw) < 40 for yaw, count in yaws.items() if count)
    assert all(abs(pitch) < 20 for pitch, count in pitches.items() if count)


def test_a_run_that_rejects_too_much_fails_and_shows_what_it_rejected(studio, tmp_path):
    studio.write_transforms(tmp_path)
    cfg = PrepareConfig(name="toy", source="given", resolution=512, given=GivenConfig(path="scene"))
    with pytest.raises(ValueError, match=r"max_rejected_share .*report.html shows them"):
        run(cfg, tmp_path, SilentTracker())
    page = (tmp_path / "reports" / "prepare" / "report.html").read_text(encoding="utf-8")
    assert "<h1>Dataset toy: not made</h1>" in page
    assert "max_rejected_share must not be exceeded" in page
    assert "min_side" in page
    assert page.count("<img") >= 4  # examples
    assert not (tmp_path / "data" / "toy").exists()
