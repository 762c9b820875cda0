import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from PIL import Image

from mimic3d.cameras import Scene, orbit_cameras
from mimic3d.data.images import decode_png, encode_png, sha256_of
from mimic3d.html.markup import Html, table, tag
from mimic3d.preparation.partial_dataset import PartialDataset
from mimic3d.preparation.pose import PoseResult, Reject
from mimic3d.preparation.report.histogram import count_angles, draw_histogram
from mimic3d.preparation.report.overlays import choose_by_yaw, load_posed_crops, order_by_trust
from mimic3d.preparation.report.page import build_page
from mimic3d.preparation.report.rejects import _thresholds
from mimic3d.preparation.review import ImageOutcome, collect_outcomes
from mimic3d.preparation.sample import Rejected
from mimic3d.preparation.shards import DatasetInfo, write_dataset

HOSTILE = "<script>alert('1')</script>&\".png"
SHEET = Image.new("RGB", (32, 32))
EMPTY = ("meta", "img")


class Reader(HTMLParser):
    """Elements and words of a page; fails where elements are not closed in order."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.words, self._open = [], [], []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in EMPTY:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


def spread_out(make_sample, num=12):
    """Samples of growing error, with three landmarks each."""
    samples = []
    for index in range(num):
        sample = make_sample(index)
        landmarks = np.array([[4, 4], [12, 4], [8, 12]], dtype=np.float32)
        pose = replace(sample.pose, landmarks=landmarks, reproj_px=0.5 + index, confidence=0.9)
        samples.append(replace(sample, pose=pose))
    return samples


def prepare(folder, items, before=(), mirror=True):
    partial = PartialDataset(folder / "partial", Scene(), mirror)
    list(partial.fill([("train", item) for item in items], lambda all_: ([one] for one in all_)))
    outcomes = collect_outcomes(partial, before, 4)
    weights = np.ones(sum(item.is_kept for item in outcomes), dtype=np.float32)
    about = DatasetInfo("toy", "given", 16, "none", Scene(), mirror, "none")
    (folder / "data").mkdir()
    return write_dataset(folder / "data", partial, outcomes, weights, about, 256), outcomes, partial


def page_of(folder, items, before=(), mirror=True, gates=None):
    return build_page(*prepare(folder, items, before, mirror), SHEET, gates or {})


def test_the_page_needs_nothing_else_and_names_are_only_text(make_sample, tmp_path):
    samples = spread_out(make_sample)
    samples[0] = replace(samples[0], image_id=HOSTILE)
    bad = Rejected(f"bad{HOSTILE}", Reject("blur", 1.0, 2.0), detail=HOSTILE)
    page = page_of(tmp_path, [*samples, bad], [Rejected(HOSTILE, Reject("name", 0.0, 1.0))])
    reader = Reader(page)
    assert "http" not in page
    assert not {"script", "link", "iframe", "object"} & {name for name, _ in reader.elements}
    sources = [attributes["src"] for attributes in reader.all("img")]
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert "url(" not in page
    assert not any("href" in attributes for _, attributes in reader.elements)
    assert HOSTILE in reader.words
    assert HOSTILE in [attributes["alt"] for attributes in reader.all("img")]


def test_all_gates_are_listed_with_counts_thresholds_and_examples(make_sample, tmp_path):
    blurred = [Rejected(f"b{index}", Reject("blur", 1.0, 20.0 + index)) for index in range(6)]
    small = Rejected("small", Reject("min_side", 8.0, 16.0))
    before = [Rejected("notes.txt", Reject("suffix", 0.0, 1.0))]
    gates = {"min_side_ratio": 1.0, "max_yaw_deg": None}
    page = page_of(tmp_path, [*spread_out(make_sample), *blurred, small], before, gates=gates)
    words = Reader(page).words
    rows = {gate: words[words.index(gate) :][:4] for gate in ("blur", "min_side", "suffix")}
    assert rows == {
        "blur": ["blur", "20 to 25", "6", "30.0%"],
        "min_side": ["min_side", "16", "1", "5.0%"],
        "suffix": ["suffix", "1", "1", "5.0%"],
    }
    assert [name for name in words if re.fullmatch(r"b\d", name)] == ["b0", "b1", "b2", "b3"]
    assert "the shorter side has 8 px, 16 are needed" in words
    assert words[words.index("max_yaw_deg") + 1] == "off"
    assert words[words.index("left out before any work") :][1:4] == ["1", "0", "1"]


def test_thumbnails_of_rejects_are_shown(make_sample, tmp_path):
    thumbnail = encode_png(np.zeros((40, 200, 3), dtype=np.uint8))
    bad = Rejected("bad.png", Reject("blur", 1.0, 2.0), thumbnail=thumbnail)
    reader = Reader(page_of(tmp_path, [*spread_out(make_sample), bad]))
    (shown,) = [attributes for attributes in reader.all("img") if attributes["alt"] == "bad.png"]
    assert (shown["width"], shown["height"]) == ("88", "18")


@pytest.mark.parametrize("mirror", [True, False])
def test_without_landmarks_and_rejects_there_is_a_page_too(make_sample, tmp_path, mirror):
    reader = Reader(page_of(tmp_path, [make_sample(0)], mirror=mirror))
    assert "No image was rejected." in reader.words
    assert any("a choice from side to side" in words for words in reader.words)
    assert len(reader.all("img")) == 2 + 2 * mirror  # camera, pair and contact sheet
    assert not any("fitted to" in words for words in reader.words)


def test_the_worst_and_the_best_are_told_apart(make_sample, tmp_path):
    words = Reader(page_of(tmp_path, spread_out(make_sample))).words
    worst, best = (words.index(f"{word} by reprojection error") for word in ("Worst", "Best"))
    assert words[worst + 1] == "image-0011"
    assert words[best + 1] == "image-0000"
    assert sum(word.startswith("image-") for word in words[worst:best]) == 6


def test_images_are_ordered_by_error_else_by_confidence_else_not_at_all():
    def outcomes(errors, confidences):
        pairs = zip(errors, confidences, strict=True)
        return [
            ImageOutcome(str(i), "", confidence=c, reproj_px=e) for i, (e, c) in enumerate(pairs)
        ]

    def order(*values):
        ordered, measure = order_by_trust(outcomes(*values))
        return [item.image_id for item in ordered], measure

    assert order([1, 3, 2], [1, 1, 1]) == (["1", "2", "0"], "reprojection error")
    assert order([0, 0, 0], [0.9, 0.5, 0.7]) == (["1", "2", "0"], "confidence")
    assert order([0, 0, 0], [1, 1, 1]) == ([], "")


def test_a_choice_by_yaw_goes_from_side_to_side_without_repeats():
    kept = [ImageOutcome(str(index), "", yaw=math.sin(index)) for index in range(40)]
    yaws = [item.yaw for item in choose_by_yaw(kept, 5)]
    assert len(yaws) == 5
    assert yaws == sorted(yaws)
    assert yaws[0] < -0.8
    assert yaws[-1] > 0.8
    assert len(choose_by_yaw(kept[:2], 5)) == 2


def test_a_mirrored_look_shows_the_mirrored_point_where_its_camera_sees_it(make_sample, tmp_path):
    camera = orbit_cameras(torch.tensor([0.4]), torch.tensor([0.1]), Scene())
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    marks = np.array([[16, 8], [24, 56]], dtype=np.float32)
    whole = (0.0, 0.0, 64.0, 0.0, 64.0, 64.0, 0.0, 64.0)
    lens = camera.intrinsics[0].numpy().copy()
    lens[0, 2] = 0.45
    pose = PoseResult(camera.cam2world[0].numpy(), lens, whole, 1.0, 1.0, marks)
    sample = replace(
        make_sample(0), pose=pose, image=encode_png(pixels), pixels_sha256=sha256_of(pixels)
    )
    _, outcomes, partial = prepare(tmp_path, [sample])
    (crop,) = load_posed_crops(outcomes, partial)
    assert crop.pose.landmarks is not None
    np.testing.assert_allclose(crop.pose.landmarks, marks / 64)
    mirrored = crop.mirror()
    assert mirrored.pose.landmarks is not None
    np.testing.assert_allclose(mirrored.pose.landmarks, [[0.75, 0.125], [0.625, 0.875]])
    point = np.array([0.1, 0.2, 0.3])
    (u, v), (mirrored_u, mirrored_v) = (
        seen(point, crop.pose),
        seen(point * [-1, 1, 1], mirrored.pose),
    )
    assert (mirrored_u, mirrored_v) == pytest.approx((1 - u, v), abs=1e-6)
    there_and_back = mirrored.mirror()
    assert (there_and_back.pixels == decode_png(sample.image)).all()
    assert there_and_back.pose is crop.pose


def seen(point, pose):
    local = (point - pose.cam2world[:3, 3]) @ pose.cam2world[:3, :3]
    return (pose.intrinsics @ (local / local[2]))[:2].tolist()


def test_histograms_lose_no_image_and_widen_where_they_must():
    angles = np.radians([-44.0, 0, 0, 12, 30])
    narrow = count_angles(angles, (45, 90), 30)
    assert narrow.limit_deg == 45
    assert narrow.counts.sum() == 5
    assert narrow.counts[15] == 2
    assert narrow.centers_deg[0] == pytest.approx(-43.5)
    assert count_angles(np.append(angles, -1), (45, 90), 30).limit_deg == 90
    turned = count_angles(np.array([np.pi, -np.pi], dtype=np.float32).astype(float), (90, 180), 4)
    assert turned.counts.tolist() == [1, 0, 0, 1]


def test_bars_are_as_high_as_their_counts():
    drawing = draw_histogram(count_angles(np.radians([1.0, 1, 1, -8]), (15,), 3), "yaw")
    assert {"-15 to -5: 1", "-5 to 5: 3", "5 to 15: 0", "yaw, deg"} <= set(Reader(drawing).words)
    heights = []
    for path in re.findall(r'<g id="bar-\d">.*?<path d="([^"]*)"', drawing, re.DOTALL):
        rows = [float(y) for y in re.findall(r"[ML] [\d.]+ ([\d.]+)", path)]
        heights.append(max(rows) - min(rows))
    assert heights == pytest.approx([heights[0], 3 * heights[0], 0], abs=1e-3)
    assert heights[0] > 1


def test_text_is_escaped_and_markup_is_not():
    bold = tag("b", "a < b", title='"')
    assert bold == '<b title="&quot;">a &lt; b</b>'
    assert table((), [(bold, "<i>")]).count("<td><b") == 1
    assert "&lt;i&gt;" in table((), [(Html("x"), "<i>")])


def test_large_thresholds_are_written_as_whole_numbers():
    assert _thresholds([ImageOutcome("a", "train", "max_pixels", 2e8, 1.2e8)]) == "120,000,000"
    sharp = [ImageOutcome(name, "train", "blur", 1.0, 42.43) for name in "ab"]
    assert _thresholds(sharp) == "42.43"
    sides = [ImageOutcome("a", "", "min_side", 9.0, side) for side in (64.0, 256.0)]
    assert _thresholds(sides) == "64 to 256"
